"""The models that come with the package, on real radiographs."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import Reason
from bonefx_edge.inference.decision import State, sigmoid
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from toy import film

pytestmark = pytest.mark.slow

NAMES = (
    "lite0-dynamic", "lite0-float16", "lite0-int8", "seed-dynamic", "seed-float32", "seed-int8",
)  # fmt: skip
REAL_FILMS = 50
RUNTIME = Classifier.load(bundled_models()["seed-float32"]).runtime.name


def opens_here(name: str) -> bool:
    proved = ModelFile.read(bundled_models()[name]).manifest.verified_runtimes
    return RUNTIME in {runtime.name for runtime in proved}


@pytest.fixture(name="films", scope="module")
def _films(data_root: Path) -> list[Path]:
    """Return 50 FracAtlas files of train, evenly through the manifest: no test film is needed."""
    folder = data_root / "fracatlas"
    with (folder / "manifest.csv").open() as file:
        paths = [folder / row["path"] for row in csv.DictReader(file) if row["split"] == "train"]
    return paths[:: len(paths) // REAL_FILMS][:REAL_FILMS]


def test_three_kinds_of_both_networks_are_shipped_in_less_than_20_megabytes() -> None:
    assert tuple(bundled_models()) == NAMES
    assert sum(path.stat().st_size for path in bundled_models().values()) < 20e6
    assert bundled_models()["lite0-int8"].stat().st_size < 5e6


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_opens_exactly_on_the_runtimes_that_it_lists(name: str) -> None:
    from bonefx_edge.errors import InterpreterError

    if opens_here(name):
        assert Classifier.load(bundled_models()[name]).manifest.kind == name.split("-")[1]
    else:
        with pytest.raises(InterpreterError, match="to open the model"):
            Classifier.load(bundled_models()[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_names_its_data_its_licence_and_no_path(name: str) -> None:
    manifest = ModelFile.read(bundled_models()[name]).manifest
    assert "FracAtlas" in manifest.provenance.training_data
    assert "CC BY 4.0" in manifest.provenance.training_data
    assert '"/' not in manifest.to_json()


@pytest.mark.parametrize("name", [name for name in NAMES if "float" not in name])
def test_spread_between_runtimes_lies_inside_the_uncertain_band(name: str) -> None:
    manifest = ModelFile.read(bundled_models()[name]).manifest
    spread = max(runtime.max_logit_difference for runtime in manifest.verified_runtimes)
    for mode in manifest.modes:
        for point in mode.operating_points:
            low, high = (
                -np.log(1 / p - 1) * mode.temperature
                for p in (point.no_fracture_below, point.fracture_from)
            )
            # A film turns from one answer into the other only by crossing the whole band: half as
            # far again as any of the 200 films of the proof moved.
            assert high - low > 1.5 * spread


def test_real_truncated_films_are_refused_as_such(data_root: Path) -> None:
    classifier = Classifier.load(bundled_models()["seed-int8"])
    reasons = [classifier.classify(path).reason for path in (data_root / "truncated").iterdir()]
    assert reasons == [Reason.TRUNCATED] * 15


def test_real_films_are_answered_and_alike_by_float_and_int8(films: list[Path]) -> None:
    floats, ints = (Classifier.load(bundled_models()[f"seed-{k}"]) for k in ("float32", "int8"))
    pairs = [(floats.classify(film), ints.classify(film)) for film in films]
    answered = [(a, b) for a, b in pairs if a.state is not State.REFUSED]
    assert len(answered) >= 0.95 * len(films)
    assert max(abs(a.p_fracture - b.p_fracture) for a, b in answered) < 0.1


def test_int8_of_the_default_network_never_says_the_opposite_of_its_float_kind(films) -> None:
    """Steps of int8 add up over fifty layers: states may change, across the whole band never."""
    floats, ints = (Classifier.load(bundled_models()[f"lite0-{k}"]) for k in ("float16", "int8"))
    opposite = {State.FRACTURE, State.NO_FRACTURE}
    states = [{floats.classify(film).state, ints.classify(film).state} for film in films]
    assert opposite not in states
    assert sum(len(pair) == 1 for pair in states) > 0.8 * len(states)


def test_the_default_model_draws_where_it_looked(films, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("edge-classify"), *films[:5], "--heatmap", tmp_path]
    done = subprocess.run(
        [str(word) for word in (*command, "--json")], capture_output=True, text=True, check=False
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["model"]["name"] for record in records] == ["lite0"] * 5
    assert [record["mode"] for record in records] == ["tiled"] * 5
    answered = sum(record["reason"] is None for record in records)
    assert len(list(tmp_path.glob("*.png"))) == answered > 0


@pytest.mark.host
def test_float_model_through_the_command_equals_keras_fed_by_the_presentation(films) -> None:
    """Fifty real films, to 1e-5: same weights, the presentation's own five lines of code."""
    model = ModelFile.read(bundled_models()["seed-float32"])
    network = keras_twin(model.flatbuffer)
    command = [Path(sys.executable).with_name("edge-classify"), *films]
    command += ["--json", "--model", "seed-float32"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=120
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == REAL_FILMS
    for record in (r for r in records if r["reason"] is None):
        gray = cv2.imread(record["path"], cv2.IMREAD_GRAYSCALE)
        gray = gray / 255
        gray = cv2.resize(gray, (150, 150))
        x = np.array(gray).reshape(-1, 150, 150, 1)
        said = float(network.predict(x, verbose=0)[0, 0])
        logit = np.log(said / (1 - said))
        expected = sigmoid(-logit / model.manifest.mode(None).temperature)
        assert record["p_fracture"] == pytest.approx(expected, abs=1e-5)
        assert record["original_class"] == round(said)


def keras_twin(flatbuffer: bytes):
    """Return the Keras seed network with the weights of the float .tflite."""
    from bonefx_edge.inference.preprocess import SPECS
    from bonefx_train.networks.registry import build

    engine = open_interpreter(flatbuffer)._engine
    # Constants come before activations, and the flattened film has the shape of the dense weights.
    details = reversed(engine.get_tensor_details())
    tensors = {tuple(tensor["shape"]): tensor["index"] for tensor in details}
    kernel = engine.get_tensor(tensors[(32, 3, 3, 1)]).transpose(1, 2, 3, 0)  # OHWI -> HWIO
    dense = engine.get_tensor(tensors[(1, 180000)]).T
    biases = engine.get_tensor(tensors[(32,)]), engine.get_tensor(tensors[(1,)])
    network = build("seed", spec=SPECS["seed"], seed=0)
    network.set_weights([kernel, biases[0], dense, biases[1]])
    return network


@pytest.mark.host
def test_what_the_input_check_stops_is_measured_by_one_command(tmp_path: Path) -> None:
    (tmp_path / "fracatlas").mkdir()
    cv2.imwrite(str(tmp_path / "fracatlas" / "film.png"), film(60))
    (tmp_path / "fracatlas" / "manifest.csv").write_text("path,split\nfilm.png,tune\n")
    study = "bonefx_train.studies.out_of_scope"
    done = subprocess.run(
        [sys.executable, "-m", study, str(tmp_path), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = {
        row["films"]: row
        for row in json.loads((tmp_path / "out_of_scope.json").read_text())["rows"]
    }
    assert rows["FracAtlas tune"]["n"] == 1
    assert (rows["noise"]["n"], rows["noise"]["refused"]["value"]) == (20, 1.0)
    assert rows["tight crops of knees"]["n"] == 0
    assert all(f"| {name} |" in done.stdout for name in rows)
