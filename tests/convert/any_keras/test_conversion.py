"""A Keras classifier of any make becomes model files, and they are compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from any_keras_files import bright, convert, own_layer_network, refused
from bonefx_convert.cli import app
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.decision import State
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.model.model_file import ModelFile
from known_networks import GAIN
from typer.testing import CliRunner

pytestmark = pytest.mark.host


@pytest.fixture(name="converted", scope="module")
def _converted(h5, data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("any") / "models"
    done = convert(h5, data, out, "--training-data", "drawn, CC0")
    assert done.exit_code == 0, done.stderr
    assert "| within tolerances | yes | yes | yes |" in done.stdout
    return out


def test_the_network_of_the_presentation_becomes_three_model_files(converted) -> None:
    names = {path.name for path in converted.iterdir()}
    assert names == {
        *(f"bone-{kind}.tflite" for kind in ("float32", "dynamic", "int8")),
        *("bone-parity.json", "bone-parity.md"),
    }


def test_the_device_gives_the_p_of_keras_on_50_images(h5, converted, data) -> None:
    import keras

    keras_model = keras.models.load_model(h5, compile=False)
    classifier = Classifier.load(converted / "bone-float32.tflite")
    temperature = classifier.mode.temperature
    paths = [path for path in sorted(data.glob("t*.png")) if classifier.classify(path).p_fracture]
    assert len(paths) >= 50
    for path in paths[:50]:
        x = preprocess(decode(read_file(path)), spec=classifier.manifest.input)
        score = np.float64(keras_model.predict_on_batch(x).item())
        logit = np.log(score / (1 - score)) / temperature  # of class 1, not broken
        p = classifier.classify(path).p_fracture
        # float32 near 1 has steps of 6e-8: the logit of a score of 0.99 is known to 6e-6.
        assert p == pytest.approx(1 / (1 + np.exp(logit)), abs=1e-5)


def test_provenance_holds_what_a_person_said_and_no_path(converted, h5) -> None:
    path = converted / "bone-int8.tflite"
    manifest = ModelFile.read(path).manifest
    said = manifest.provenance.settings
    assert (said["positive"], said["scaling"], said["head"]) == (0, "0..1", "sigmoid")
    assert (said["file"], len(said["sha256"])) == ("bone.h5", 64)
    assert (manifest.provenance.training_data, manifest.provenance.n_train) == ("drawn, CC0", 0)
    assert str(h5.parent).encode() not in path.read_bytes()
    assert [p.name for p in manifest.mode(None).operating_points] == ["balanced", "sensitive"]


def test_the_report_has_auc_change_with_interval_and_flips(converted) -> None:
    kinds = json.loads((converted / "bone-parity.json").read_text())["kinds"]
    int8 = next(kind for kind in kinds if kind["kind"] == "int8")
    assert {"before", "after", "low", "high"} == set(int8["auc"])
    assert isinstance(int8["state_flips"], int)


def as_keras_2(path: Path, *, has_input_layer: bool) -> None:
    """Write the settings of the presentation's network as Keras 2.15, or an older one, does."""
    import h5py

    shape = [None, 150, 150, 1]
    zeros, uniform = (
        {"module": "keras.initializers", "class_name": kind, "registered_name": None, "config": {}}
        for kind in ("Zeros", "GlorotUniform")
    )
    weights = {"kernel_initializer": uniform, "bias_initializer": zeros, "use_bias": True}
    weights |= {f"{name}_regularizer": None for name in ("kernel", "bias", "activity")}
    weights |= {f"{name}_constraint": None for name in ("kernel", "bias")}
    same = {"padding": "same", "data_format": "channels_last", "strides": [1, 1]}
    conv = {"batch_input_shape": shape, "filters": 32, "groups": 1, "dilation_rate": [1, 1]}
    conv |= {"kernel_size": [3, 3], "activation": "relu"} | same | weights
    layers = {
        "InputLayer": {"batch_input_shape": shape, "sparse": False, "ragged": False},
        "Conv2D": conv,
        "MaxPooling2D": {"pool_size": [2, 2]} | same | {"strides": [2, 2]},
        "Dropout": {"rate": 0.2, "noise_shape": None, "seed": None},
        "Flatten": {"data_format": "channels_last"},
        "Dense": {"units": 1, "activation": "sigmoid"} | weights,
    }
    if not has_input_layer:
        del layers["InputLayer"]
    config = [
        {"class_name": kind, "config": {"name": kind.lower(), "dtype": "float32"} | settings}
        for kind, settings in layers.items()
    ]
    whole = {"name": "sequential", "layers": config} if has_input_layer else config
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": whole})


@pytest.mark.parametrize("has_input_layer", [True, False], ids=["2.15", "2.1"])
def test_an_h5_file_of_keras_2_is_read(h5, data, tmp_path, has_input_layer) -> None:
    path = tmp_path / "bone2.h5"
    shutil.copy(h5, path)
    as_keras_2(path, has_input_layer=has_input_layer)
    before = path.read_bytes()
    done = convert(path, data, tmp_path, "--kinds", "float32")
    assert done.exit_code == 0, done.stderr
    assert "| within tolerances | yes |" in done.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("outputs", "channels", "said"),
    [
        (2, 3, {"scale": "0..1", "positive": "0"}),
        (1, 3, {"scale": "0..1", "positive": "0", "resize": "nearest", "aspect": "letterbox"}),
        (1, 1, {"scale": "0..1", "positive": "0", "resize": "area"}),
    ],
    ids=["softmax of RGB", "sigmoid of RGB", "sigmoid of gray"],
)
def test_other_ends_and_inputs_are_converted(outputs, channels, said, data, tmp_path) -> None:
    path = tmp_path / "own.keras"
    bright(outputs, channels=channels, activation="softmax" if outputs == 2 else "sigmoid").save(
        path
    )
    done = convert(path, data, tmp_path / "out", "--kinds", "float16,int8", **said)
    assert done.exit_code == 0, done.stderr
    classifier = Classifier.load(tmp_path / "out/own-int8.tflite")
    states = {classifier.classify(image).state for image in sorted(data.glob("test-*.png"))}
    assert {State.FRACTURE, State.NO_FRACTURE} <= states


def test_a_sigmoid_of_fracture_is_turned_round_by_positive_1(data, tmp_path) -> None:
    keras_model = bright(1)
    end = keras_model.get_layer("end")
    end.set_weights([-each for each in end.get_weights()])
    keras_model.save(tmp_path / "own.keras")
    words = ("--kinds", "float32")
    assert convert(tmp_path / "own.keras", data, tmp_path, *words, positive="1").exit_code == 0


def test_an_activation_with_a_gradient_of_its_own_is_converted(data, tmp_path) -> None:
    """Swish: TensorFlow saves no graph that names such a gradient."""
    keras_model = bright(1, inner="swish")
    keras_model.get_layer("end").set_weights(
        [np.full((40, 1), GAIN / 40, np.float32), np.array([-0.31 * GAIN], np.float32)]
    )
    keras_model.save(tmp_path / "own.keras")
    done = convert(tmp_path / "own.keras", data, tmp_path, "--kinds", "float32")
    assert done.exit_code == 0, done.stderr


def test_a_saved_model_needs_no_code(data, tmp_path) -> None:
    """The same layer in a .keras file is refused, see test_refusals."""
    own_layer_network(tmp_path / "own.keras", export=tmp_path / "own")
    done = convert(tmp_path / "own", data, tmp_path / "out", "--kinds", "int8")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out/own-int8.tflite").exists()


def test_a_logit_is_accepted_when_a_person_or_the_file_says_so(data, tmp_path) -> None:
    import keras

    keras_model, words = bright(1, activation=None), ("--kinds", "float32")
    keras_model.save(tmp_path / "plain.keras")
    line = refused(tmp_path / "plain.keras", data, tmp_path / "out", *words)
    assert "if it was fitted with from_logits=True, say --head logit" in line
    done = convert(tmp_path / "plain.keras", data, tmp_path / "out", *words, head="logit")
    assert done.exit_code == 0
    keras_model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    keras_model.optimizer.build(keras_model.trainable_variables)
    keras_model.save(tmp_path / "states.keras")
    assert convert(tmp_path / "states.keras", data, tmp_path / "out", *words).exit_code == 0


def test_compare_classifies_the_test_images_as_the_device_does(converted, data, tmp_path) -> None:
    models = [str(converted / f"bone-{kind}.tflite") for kind in ("float32", "int8")]
    words = ["compare", *models, "--data", str(data), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    assert "test split, 40" in done.stdout.replace("\n", " ")
    (row,) = json.loads((tmp_path / "quantization_cost.json").read_text())["comparisons"]
    assert (row["model"], row["reference"]) == ("bone-int8", "bone-float32")
    assert row["auc_change_95"][0] <= row["auc_change"] <= row["auc_change_95"][1]
    low, high = row["state_flips_95"]
    assert low <= row["state_flips"] / row["films"] <= high


def test_compare_has_no_default_place_for_its_report(converted, data) -> None:
    """It wrote over the project's reference files."""
    words = ["compare", str(converted / "bone-int8.tflite"), "--data", str(data)]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "--out" in done.stderr) == (2, True)
