"""The researcher's way, through the installed commands: two folders of films to a device."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = [pytest.mark.host, pytest.mark.slow]
QUANTIZATION_COST = "bonefx_train.studies.quantization_cost"
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FILMS = 60
"""Films per class; a few steps of fitting are enough, since bright limbs mean broken here."""


def run(name: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / name), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def draw(rng: np.random.Generator, *, broken: bool) -> np.ndarray:
    """Return a drawn limb, (200, 160) uint8: bright where broken, dim where not."""
    film = np.full((200, 160), 20, np.uint8)
    gray = int(rng.normal(190 if broken else 90, 8))
    left = int(rng.integers(30, 60))
    cv2.rectangle(film, (left, 10), (left + 60, 190), gray, -1)
    film = cv2.GaussianBlur(film, (0, 0), 4)
    return np.clip(film + rng.normal(0, 3, film.shape), 0, 255).astype(np.uint8)


@pytest.fixture(name="way", scope="module")
def _way(tmp_path_factory) -> Path:
    """Return a folder in which all four commands have run."""
    root = tmp_path_factory.mktemp("way")
    rng = np.random.default_rng(7)
    for folder, broken in (("fractured", True), ("normal", False)):
        (root / "films" / folder).mkdir(parents=True)
        for i in range(FILMS):
            path = root / "films" / folder / f"{folder}-{i:03}.png"
            cv2.imwrite(str(path), draw(rng, broken=broken))
    fit = ("--network", "seed", "--out", root / "run", "--epochs", 3, "--batch-size", 8)
    run("bonefx-train", "fit", root / "films", *fit)
    run("bonefx-train", "evaluate", root / "run")
    run("bonefx-convert", "run", root / "run", "--out", root / "models", "--name", "mine")
    return root


def classify(way: Path, kind: str) -> list[dict]:
    model = way / "models" / f"mine-{kind}.tflite"
    command = [str(BIN / "edge-classify"), str(way / "films"), "--json", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["float32", "dynamic", "int8"])
def test_each_kind_of_model_tells_the_drawn_classes_apart_on_the_device(way, kind: str) -> None:
    records = [r for r in classify(way, kind) if r["reason"] is None]
    p_broken = [r["p_fracture"] for r in records if "fractured" in r["path"]]
    p_normal = [r["p_fracture"] for r in records if "normal" in r["path"]]
    assert len(records) >= 0.95 * 2 * FILMS  # the input check's intervals may cost a film or two
    assert np.median(p_broken) > 0.5 > np.median(p_normal)
    assert np.mean(np.array(p_broken)[:, None] > np.array(p_normal)) > 0.95


def test_the_float_model_answers_as_keras_fed_by_the_presentations_lines(way) -> None:
    import keras
    from bonefx_edge.model.model_file import ModelFile

    network = keras.models.load_model(way / "run" / "model.keras")
    manifest = ModelFile.read(way / "models" / "mine-float32.tflite").manifest
    temperature = manifest.mode(None).temperature
    records = [r for r in classify(way, "float32") if r["reason"] is None][::5]
    for record in records:
        gray = cv2.imread(record["path"], cv2.IMREAD_GRAYSCALE) / 255
        x = np.array(cv2.resize(gray, (150, 150))).reshape(-1, 150, 150, 1)
        said = float(network.predict(x, verbose=0)[0, 0])  # P(not broken), the seed's polarity
        logit = np.log(said / (1 - said))
        assert record["p_fracture"] == pytest.approx(
            1 / (1 + np.exp(logit / temperature)), abs=1e-5
        )
        assert record["original_class"] == round(said)


def test_the_run_holds_what_a_researcher_looks_at(way) -> None:
    run_dir = way / "run"
    assert {"settings.json", "split.csv", "history.json", "curves.png", "model.keras"} <= {
        path.name for path in run_dir.iterdir()
    }
    with (run_dir / "split.csv").open() as file:
        splits = {row["split"] for row in csv.DictReader(file)}
    assert splits == {"train", "tune", "test"}
    assert any((run_dir / "evaluation").iterdir())


def test_every_model_verifies_and_says_what_it_was_trained_on(way) -> None:
    for path in (way / "models").glob("*.tflite"):
        text = run("edge-admin", "verify", path).stdout
        assert "trained on   films" in text
        assert "verified     " in text


def test_the_parity_report_names_all_three_kinds(way) -> None:
    report = json.loads((way / "models" / "mine-parity.json").read_text())
    assert all(kind in json.dumps(report) for kind in ("float32", "dynamic", "int8"))


def test_accuracy_and_latency_are_measured_by_one_command_each(way) -> None:
    models = [str(way / "models" / f"mine-{kind}.tflite") for kind in ("float32", "int8")]
    out = way / "bench"
    script = [sys.executable, "-m", QUANTIZATION_COST]
    data = ("--data", str(way / "run"), "--out", str(out))
    subprocess.run([*script, *models, *data], check=True, capture_output=True, timeout=120)
    report = json.loads((out / "quantization_cost.json").read_text())
    assert [c["model"] for c in report["comparisons"]] == ["mine-int8"]
    assert (out / "quantization_cost.png").read_bytes()[:4] == b"\x89PNG"
    assert "| mine-int8 | mine-float32 |" in (out / "quantization_cost.md").read_text()
    films = sorted((way / "films" / "normal").glob("*.png"))[:3]
    script = [sys.executable, "-m", "benchmarks.latency", *map(str, films)]
    options = ("--model", models[1], "--rounds", "2", "--cold-runs", "1")
    output = ("--out", str(out / "latency.json"))
    command = [*script, *options, *output]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=ROOT)
    row = json.loads((out / "latency.json").read_text())["rows"][0]
    assert row["warm"]["stages_ms"]["invoke"]["p50"] > 0
    assert row["cold"]["command_ms"]["p50"] > row["warm"]["stages_ms"]["total"]["p50"]


def test_accuracy_is_measured_on_the_test_films_of_the_run_and_no_others(way) -> None:
    """Divided by another seed, 13 of 18 "test" films had been fitted on."""
    model = way / "models" / "mine-int8.tflite"
    out = way / "bench-splits"

    def measure(data: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", QUANTIZATION_COST, str(model), "--data", str(data)]
        command += ["--out", str(out)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    refused = measure(way / "films")
    assert refused.returncode == 1
    assert "does not say which films are test; give the run's folder" in refused.stderr
    assert not out.exists()
    assert measure(way / "run").returncode == 0
    (evaluation,) = json.loads((out / "quantization_cost.json").read_text())["evaluations"]
    with (way / "run" / "split.csv").open() as file:
        films = sum(row["split"] == "test" for row in csv.DictReader(file))
    assert evaluation["rows"][0]["n"] + len(evaluation["refused"]) == films


def test_csv_of_a_whole_folder_can_be_read_back(way) -> None:
    model = way / "models" / "mine-int8.tflite"
    command = [str(BIN / "edge-classify"), str(way / "films"), "--csv", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    rows = list(csv.DictReader(io.StringIO(done.stdout.removeprefix("\ufeff"))))
    assert len(rows) == 2 * FILMS
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
