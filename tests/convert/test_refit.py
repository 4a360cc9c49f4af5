"""Model files written anew: modes of this version, limits for unfamiliar films; networks stay."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.ages import AgeRange, EvaluatedAges
from bonefx_edge.inference.decision import Caution, State
from bonefx_edge.inference.familiarity import Familiarity, Kind
from bonefx_edge.inference.tiling import all_features
from bonefx_edge.model.model_file import ModelFile, write_model_file
from known_networks import write_image
from typer.testing import CliRunner

pytestmark = pytest.mark.host
KINDS = ("float16", "int8")


def run(*words):
    from bonefx_convert.cli import app

    return CliRunner().invoke(app, [str(word) for word in words])


def written(folder, kind: str) -> ModelFile:
    return ModelFile.read(folder / f"spot-{kind}.tflite")


@pytest.fixture(name="refitted", scope="module")
def _refitted(spot_models, spots, tmp_path_factory):
    """Return the folder of the files after `refit`; the first had detectors."""
    folder = tmp_path_factory.mktemp("refit")
    old = written(spot_models, "float16")
    check = old.manifest.input_check
    given = folder / "old/spot-float16.tflite"
    given.parent.mkdir()
    write_model_file(
        given,
        flatbuffer=old.flatbuffer,
        manifest=dataclasses.replace(
            old.manifest,
            input_check=dataclasses.replace(check, familiarity=Familiarity(1.0, ())),
            evaluated_ages=EvaluatedAges(AgeRange(15.0, None), (), "by other thresholds"),
            provenance=dataclasses.replace(old.manifest.provenance, detector_films=()),
        ),
    )
    done = run(
        *("refit", given, spot_models / "spot-int8.tflite"),
        *("--data", spots, "--out", folder / "new", "--version", "9.0"),
    )
    assert done.exit_code == 0, done.output
    return folder / "new"


@pytest.mark.parametrize("kind", KINDS)
def test_refit_keeps_the_network_and_fits_modes_thresholds_and_limit(
    refitted, spot_models, kind
) -> None:
    new, old = written(refitted, kind), written(spot_models, kind)
    assert new.flatbuffer == old.flatbuffer
    assert (new.manifest.version, new.manifest.name) == ("9.0", old.manifest.name)
    assert new.manifest.input == old.manifest.input
    # The converter fitted the same network on the same films: Keras there, float16 here.
    for mine, theirs in zip(new.manifest.modes, old.manifest.modes, strict=True):
        assert (mine.name, mine.tiles, mine.refinement) == (
            *(theirs.name, theirs.tiles),
            theirs.refinement,
        )
        assert mine.tile_weight == pytest.approx(theirs.tile_weight, rel=0.02)
        assert mine.offset == pytest.approx(theirs.offset, rel=0.05, abs=0.05)
    limit = old.manifest.input_check.distance_limit
    assert new.manifest.input_check.distance_limit == pytest.approx(limit)


def test_refit_leaves_out_detectors_and_ages_as_they_belong_to_other_thresholds(refitted) -> None:
    manifest = written(refitted, "float16").manifest
    assert manifest.input_check.familiarity is None
    assert manifest.evaluated_ages is None
    assert manifest.provenance.detector_films is None


def test_files_of_two_models_are_not_refitted_together(spot_models, models, spots, tmp_path):
    done = run(
        *("refit", spot_models / "spot-float16.tflite", models / "toy-float32.tflite"),
        *("--data", spots, "--out", tmp_path / "new", "--version", "9.0"),
    )
    assert done.exit_code == 5
    assert "refit it by itself" in done.stderr
    assert not (tmp_path / "new").exists()


# ---- unfamiliar films ----


def write_set(root, name: str, rows, *, draw) -> None:
    """Write a set of films and its manifest.csv; `rows` are dictionaries without path."""
    folder = root / name
    folder.mkdir()
    rng = np.random.default_rng(len(name))
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["path", *rows[0]])
        table.writeheader()
        for number, row in enumerate(rows):
            write_image(folder / f"{number}.png", draw(rng, row))
            table.writerow({"path": f"{number}.png", **row})


def stripes(rng, *, gray: float, contrast: float) -> np.ndarray:
    """Return a film of that gray with stripes."""
    rows = np.where(np.arange(256) // 32 % 2, contrast, -contrast)[:, np.newaxis]
    return rng.normal(gray + rows, 12, (256, 200))


@pytest.fixture(name="sets", scope="module")
def _sets(spots, tmp_path_factory):
    """Return a data folder: children's hands have stripes, chests are bright."""
    root = tmp_path_factory.mktemp("sets")
    shutil.copytree(spots, root / "fracatlas")

    def hand(rng, row):
        return stripes(rng, gray=95, contrast=45 if int(row["bone_age_months"]) < 170 else 4)

    months = [60, 90, 120, 150, 185, 200, 215, 220] * 4
    hands = [{"split": "train", "bone_age_months": each} for each in months]
    write_set(root, "boneage", hands, draw=hand)
    adults = [{"label": "not_fractured"}] * 8
    for name in ("oai_knee", "shoulder_implants"):
        write_set(root, name, adults, draw=lambda rng, _: stripes(rng, gray=100, contrast=4))
    chests = [{"split": "train"}] * 16
    write_set(
        root, "ood_chest_children", chests, draw=lambda rng, _: stripes(rng, gray=170, contrast=4)
    )
    return root


@pytest.fixture(name="familiar", scope="module")
def _familiar(refitted, sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("familiar")
    done = run(
        *("familiarity", refitted / "spot-float16.tflite", refitted / "spot-int8.tflite"),
        *("--data", sets, "--out", folder, "--version", "9.1"),
    )
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_each_file_gets_limits_and_detectors_on_its_own_features(familiar, refitted, kind) -> None:
    check = written(familiar, kind).manifest.input_check
    assert check.familiarity
    assert check.distance_limit == pytest.approx(1.6 * check.familiarity.distance_limit)
    manifest = written(refitted, kind).manifest
    found = {(each.kind, each.mode): each for each in check.familiarity.detectors}
    modes = {mode.name: mode for mode in manifest.modes}
    assert set(found) == {(name, mode) for name in Kind for mode in modes}
    for (name, mode), each in found.items():
        point = modes[mode].operating_points[0]
        assert (each.unless_from is None) == (name is Kind.CHEST)
        assert each.unless_from is None or each.unless_from > point.fracture_from
    assert found[Kind.CHILD, "tiled"].limit != found[Kind.CHILD, "whole"].limit


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_says_version_films_of_the_detectors_and_ages(familiar, refitted, kind) -> None:
    manifest, old = (written(folder, kind).manifest for folder in (familiar, refitted))
    assert (manifest.version, old.version) == ("9.1", "9.0")
    assert manifest.provenance.converter.startswith(f"{old.provenance.converter}; cautions by ")
    films = {each.name: each for each in manifest.provenance.detector_films}
    assert films["boneage, growing hands"].n == 16
    assert "non-commercial" in films["boneage, growing hands"].licence
    assert films["fracatlas tune"].n == 80
    bands = manifest.evaluated_ages.bands
    hands = sum(n.n for name, n in films.items() if name.startswith("boneage"))
    assert sum(band.called_fracture.n for band in bands) == hands  # none is left out
    assert all(band.missed is None for band in bands)
    first = manifest.evaluated_ages.answered.from_years
    for band in bands:
        assert band.ages.from_years < first or band.called_fracture.value <= 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["tiled", "whole"])
def test_the_figures_of_the_file_are_those_of_its_findings(familiar, spots, kind, mode) -> None:
    classifier = Classifier.load(familiar / f"spot-{kind}.tflite", mode=mode)
    with (spots / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = [
        (row["label"], classifier.classify(spots / row["path"]))
        for row in rows
        if row["split"] == "tune"
    ]
    answered = [(label, each) for label, each in found if each.reason is None]
    point = classifier.operating_point
    for label, wrong, share in (
        ("fractured", State.NO_FRACTURE, point.sensitivity),
        ("not_fractured", State.FRACTURE, point.specificity),
    ):
        states = [each.state for name, each in answered if name == label]
        assert share.n == len(states)
        assert share.value == pytest.approx(1 - states.count(wrong) / len(states))
    metrics = classifier.manifest.provenance.metrics
    if mode == metrics["mode"]:
        assert metrics["refused"] == len(found) - len(answered)
        cautious = [each for _, each in answered if each.caution]
        assert sum(metrics["cautions"].values()) == len(cautious)
        uncertain = sum(each.state is State.UNCERTAIN for _, each in answered)
        assert metrics["figures"]["uncertain"]["value"] == pytest.approx(uncertain / len(answered))


def test_a_network_without_features_is_refused(models, sets, tmp_path) -> None:
    seed = min(models.glob("*.tflite"))
    done = run("familiarity", seed, "--data", sets, "--out", tmp_path)
    assert done.exit_code == 5
    assert "expected a network with features" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_films_like_those_of_children_are_unfamiliar_and_films_of_tune_seldom(
    familiar, spots, tmp_path, kind
) -> None:
    classifier = Classifier.load(familiar / f"spot-{kind}.tflite")
    rng = np.random.default_rng(99)
    for number in range(6):
        path = tmp_path / f"{number}.png"
        write_image(path, stripes(rng, gray=95, contrast=45))
        found = classifier.analyze(path)
        assert (found.finding.state, found.finding.caution) == (
            State.UNCERTAIN,
            Caution.UNFAMILIAR,
        )
        child = classifier.manifest.input_check.familiarity.detectors[0]
        assert child.score(all_features(found.whole, found.tile_outputs)) > child.limit
    tune = [classifier.classify(path) for path in sorted(spots.glob("tune-*.png"))]
    share = np.mean([each.caution is not None or each.reason is not None for each in tune])
    assert share <= 0.1  # 2 % by distance, 3 % by the detectors, on a hundred films
