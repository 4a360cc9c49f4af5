"""The command bonefx-convert: what it writes, what it never writes, what it tells the shell."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from bonefx_convert.cli import app
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.model_file import ModelFile
from known_networks import brightness_network, make_run, write_image
from typer.testing import CliRunner

pytestmark = pytest.mark.host
KINDS = ("float32", "dynamic", "int8")


def call(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def manifest(models: Path, kind: str):
    return ModelFile.read(models / f"toy-{kind}.tflite").manifest


def test_convert_writes_three_model_files_and_the_report_and_nothing_else(models) -> None:
    names = {path.name for path in models.parent.rglob("*") if path.is_file()}
    assert names == {f"toy-{kind}.tflite" for kind in KINDS} | {"toy-parity.json", "toy-parity.md"}


@pytest.mark.parametrize("kind", KINDS)
def test_provenance_is_complete(models, kind) -> None:
    told = manifest(models, kind)
    provenance = told.provenance
    assert (told.name, told.version, told.kind) == ("toy", "7", kind)
    assert provenance.training_data == "drawn images, CC0"
    assert (provenance.network, provenance.n_train) == ("seed", 120)
    assert bool(provenance.representative_sha256) == (kind == "int8")
    assert "tensorflow" in provenance.converter
    figures = provenance.metrics["figures"]
    assert provenance.metrics["split"] == "tune"
    assert figures["auc"]["n"] == 80
    assert figures["auc"]["low"] < figures["auc"]["value"] < figures["auc"]["high"]
    assert [runtime.images for runtime in told.verified_runtimes] == [80, 80]


@pytest.mark.parametrize("kind", KINDS)
def test_no_path_of_the_training_machine_is_in_a_model_file(models, data, kind) -> None:
    assert str(data).encode() not in (models / f"toy-{kind}.tflite").read_bytes()


def test_temperature_is_one_for_all_and_operating_points_are_each_networks_own(models) -> None:
    told = [manifest(models, kind) for kind in KINDS]
    modes = [each.mode(None) for each in told]
    assert len({mode.temperature for mode in modes}) == 1
    assert modes[0].operating_points != modes[2].operating_points
    for each, mode in zip(told, modes, strict=True):
        assert each.modes == (mode,)
        assert [point.name for point in mode.operating_points] == ["balanced", "sensitive"]
        assert mode.operating_points[0].chosen_on == "drawn tune"


def test_a_network_without_a_map_is_read_as_a_whole_with_weight_one(models) -> None:
    (mode,) = manifest(models, "int8").modes
    assert (mode.name, mode.tiles, mode.offset) == ("whole", (), 0.0)
    assert (mode.whole_weight, mode.tile_weight, mode.map_weight) == (1.0, 0.0, 0.0)
    assert manifest(models, "int8").input_check.distance_limit is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_device_classifies_with_the_written_file(models, data, kind) -> None:
    classifier = Classifier.load(models / f"toy-{kind}.tflite")
    findings = [classifier.classify(path) for path in sorted(data.glob("test-*.png"))]
    answered = [finding for finding in findings if finding.p_fracture is not None]
    assert len(answered) >= 38, "the input check of the training images lets such images through"
    assert {"fracture", "no_fracture"} <= {str(finding.state) for finding in answered}


def test_input_check_excludes_dicom_parts_that_are_no_limb(models) -> None:
    excluded = manifest(models, "int8").input_check.excluded_body_parts
    assert {"CHEST", "SKULL", "ABDOMEN", "LSPINE"} <= set(excluded)
    assert not {"HAND", "WRIST", "HIP", "PELVIS", "LEG", "SHOULDER"} & set(excluded)


def test_written_report_says_what_the_input_check_measured(models) -> None:
    report = json.loads((models / "toy-parity.json").read_text())
    assert [kind["kind"] for kind in report["kinds"]] == list(KINDS)
    assert all(kind["failures"] == [] for kind in report["kinds"])
    assert report["images"] == 80
    assert "| within tolerances | yes | yes | yes |" in (models / "toy-parity.md").read_text()


def test_a_kind_out_of_tolerance_is_not_written_and_the_others_are(data, tmp_path) -> None:
    run_dir = make_run(tmp_path / "run", data=data, keras_model=brightness_network())
    out = tmp_path / "models"
    done = call("run", run_dir, "--out", out, "--name", "x", "--tolerance", "int8_steps=0.001")
    assert done.exit_code == 0
    assert {path.name for path in out.iterdir()} == {
        *("x-float32.tflite", "x-dynamic.tflite", "x-parity.json", "x-parity.md"),
    }
    assert "## Out of tolerance: int8, whole" in done.stdout
    assert "| within tolerances | yes | yes | no |" in (out / "x-parity.md").read_text()


def test_the_log_names_the_kind_with_figure_limit_and_what_to_do(data, tmp_path, caplog) -> None:
    run_dir = make_run(tmp_path / "run", data=data, keras_model=brightness_network())
    out = tmp_path / "models"
    out.mkdir()
    (out / "seed-int8.tflite").touch()
    call("run", run_dir, "--out", out, "--tolerance", "int8_steps=0.001")
    (text,) = [r.getMessage() for r in caplog.records if "was not written" in r.getMessage()]
    assert re.search(
        r"int8 was not written: whole: logit difference: expected at most \S+, got", text
    )
    assert "What to do: use float16, or give more and more varied train images." in text
    assert f"{out}/seed-int8.tflite is of an earlier conversion." in text


def test_where_no_kind_is_within_tolerance_exits_4_with_the_report(data, tmp_path) -> None:
    run_dir = make_run(tmp_path / "run", data=data, keras_model=brightness_network())
    words = ("--kinds", "int8", "--tolerance", "int8_steps=0.001")
    done = call("run", run_dir, "--out", tmp_path / "models", *words)
    assert (done.exit_code, done.stdout) == (4, "")
    assert not list(tmp_path.rglob("*.tflite"))
    assert "no kind is within its tolerances" in done.stderr
    report = tmp_path / "models/seed-parity.md"
    assert str(report) in done.stderr
    assert "## Out of tolerance: int8, whole" in report.read_text()


def test_parity_of_written_files_holds_and_prints_the_report(models, run_dir) -> None:
    paths = [models / f"toy-{kind}.tflite" for kind in KINDS]
    done = call("parity", *paths, "--keras", run_dir, "--split", "test", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["split_name"] == "drawn test"


def test_model_file_of_another_network_fails_parity(models, data, tmp_path) -> None:
    other = brightness_network(gain=20.0, offset=0.45)
    run_dir = make_run(tmp_path / "run", data=data, keras_model=other)
    done = call("parity", models / "toy-float32.tflite", "--keras", run_dir)
    assert done.exit_code == 4
    assert "float32, whole: logit difference" in done.stderr
    assert "## Out of tolerance: float32, whole" in done.stdout


def test_a_file_that_is_no_model_exits_5(run_dir, tmp_path) -> None:
    path = tmp_path / "not.tflite"
    path.write_bytes(b"x" * 100)
    done = call("parity", path, "--keras", run_dir)
    assert (done.exit_code, done.stdout) == (5, "")
    assert "not.tflite" in done.stderr


def test_a_model_of_another_make_is_no_run_and_the_command_for_it_is_named(tmp_path) -> None:
    (tmp_path / "own.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").touch()
    for name in ("own.h5", "saved"):
        done = call("run", tmp_path / name, "--out", tmp_path / "models")
        assert (done.exit_code, "bonefx-convert keras" in done.stderr) == (3, True)


def test_a_folder_without_a_run_exits_3(tmp_path) -> None:
    done = call("run", tmp_path, "--out", tmp_path / "models")
    assert done.exit_code == 3
    assert "expected the folder of a run" in done.stderr


def test_images_that_are_gone_exit_3(run_dir, tmp_path) -> None:
    done = call("run", run_dir, "--out", tmp_path / "models", "--data", tmp_path)
    assert done.exit_code == 3
    assert "is this the data folder?" in done.stderr


@pytest.mark.parametrize("change", ["remove", "rewrite"])
def test_images_that_are_not_those_of_the_fit_exit_3(
    run_dir, models, data, tmp_path, change
) -> None:
    """One image of another machine's copy: hash of the representative set and n_train would lie."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    for name in ("train-000.png", "tune-000.png"):
        (copy / name).unlink()
        if change == "rewrite":
            shutil.copy(data / "test-001.png", copy / name)
    for words in (
        ("run", run_dir, "--out", tmp_path / "models"),
        ("parity", models / "toy-int8.tflite", "--keras", run_dir),
    ):
        done = call(*words, "--data", copy)
        assert (done.exit_code, done.stdout) == (3, "")
        assert "000.png" in done.stderr
    assert not (tmp_path / "models").exists()


def test_a_file_where_the_models_go_exits_2(run_dir, tmp_path) -> None:
    (tmp_path / "models").write_text("")
    done = call("run", run_dir, "--out", tmp_path / "models")
    assert (done.exit_code, "expected a folder for the models" in done.stderr) == (2, True)


def test_an_unknown_split_exits_2_and_names_the_known_ones(models, run_dir) -> None:
    done = call("parity", models / "toy-int8.tflite", "--keras", run_dir, "--split", "holdout")
    assert done.exit_code == 2
    assert "expected one of train, tune, test with images, got 'holdout'" in done.stderr


def test_a_input_check_that_refuses_its_own_kind_of_image_exits_3(data, tmp_path) -> None:
    images = tmp_path / "images"
    shutil.copytree(data, images)
    for i, path in enumerate(sorted(images.glob("*.png"))):
        write_image(path, np.full((96 + i, 80), 100.0))  # even, and no two of the same bytes
    run_dir = make_run(tmp_path / "run", data=images, keras_model=brightness_network())
    done = call("run", run_dir, "--out", tmp_path / "models")
    assert done.exit_code == 3
    assert (
        "input check: expected at most 20% of the tune images refused, got 80 of 80" in done.stderr
    )


@pytest.mark.parametrize(
    "words",
    [["--tolerance", "nothing=1"], ["--unknown"], []],
    ids=["tolerance", "option", "no out"],
)
def test_a_wrong_command_line_exits_2(run_dir, tmp_path, words) -> None:
    out = [] if not words else ["--out", tmp_path / "models"]
    assert call("run", run_dir, *out, *words).exit_code == 2


def test_options_may_stand_before_the_run(tmp_path) -> None:
    words = ["run", "--out", tmp_path / "models", tmp_path]
    assert "expected the folder of a run" in call(*words).stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_both_commands(flag) -> None:
    text = call(flag).stdout
    assert "parity" in text
    assert re.search(r"^  run ", text, re.MULTILINE)


def test_old_flags_still_work_and_are_not_in_the_help(tmp_path) -> None:
    words = ["run", tmp_path, "--out", tmp_path / "models", "--prove-with", "python"]
    assert call(*words, "--bound", "nothing=1").exit_code == 2
    assert "expected the folder of a run" in call(*words, "--bound", "auc_loss=1").stderr
    text = call("run", "-h").stdout
    assert "--bound" not in text
    assert "--prove-with" not in text


def test_a_one_class_train_split_is_refused_before_anything_is_converted(data, tmp_path) -> None:
    run_dir = make_run(tmp_path / "run", data=data, keras_model=brightness_network())
    table = (run_dir / "split.csv").read_text().splitlines()
    kept = [row for row in table if ",train," not in row or ",not_fractured," in row]
    (run_dir / "split.csv").write_text("\n".join(kept) + "\n")
    done = call("run", run_dir, "--out", tmp_path / "models")
    assert done.exit_code == 3
    assert "at least 10% of each class, got" in done.stderr
    shutil.rmtree(run_dir)
