"""A Keras classifier of any make becomes model files, or is refused in one sentence."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bonefx_convert.cli import app
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.decision import Caution, State
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.model.model_file import ModelFile
from known_networks import GAIN, brightness_network
from typer.testing import CliRunner

pytestmark = pytest.mark.host

SAID = {"--positive": "0", "--scale": "0..1", "--resize": "bilinear", "--aspect": "squash"}
"""Of the network of the presentation: class 0 is broken."""


def convert(path: Path, data: Path, out: Path, *more: object, **said: str):
    answers = SAID | {f"--{name}": value for name, value in said.items()}
    words = [word for answer in answers.items() for word in answer]
    return CliRunner().invoke(
        app, [str(w) for w in (path, "--data", data, "--out", out, *words, *more)]
    )


def refused(*args: object, code: int = 3, **said: str) -> str:
    """Return the one line of a refusal."""
    done = convert(*args, **said)
    assert (done.exit_code, done.stdout) == (code, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def bright(
    outputs: int,
    *,
    channels: int = 1,
    activation: str | None = "sigmoid",
    size: int = 50,
    inner: str = "linear",
):
    """Return a network whose output 0 is high where the image is dark, which is broken.

    One output is low there. Reads gray levels in [0, 1].
    """
    import keras

    image = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(40, 5, strides=5, activation=inner, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    score = keras.layers.Dense(outputs, activation=activation, name="end")(x)
    keras_model = keras.Model(image, score)
    kernel = np.full((5, 5, channels, 40), 1 / (25 * channels), np.float32)
    keras_model.get_layer("conv").set_weights([kernel, np.zeros(40, np.float32)])
    signs = np.array([[1.0], [-1.0, 1.0], [-1.0, 1.0, 0.0]][outputs - 1])
    weights = np.outer(np.full(40, GAIN / 40 / max(1, outputs - 0)), signs)
    keras_model.get_layer("end").set_weights([weights, -0.5 * GAIN * signs / outputs])
    return keras_model


@pytest.fixture(name="h5", scope="module")
def _h5(tmp_path_factory) -> Path:
    """Return the presentation's network as its author would save it."""
    path = tmp_path_factory.mktemp("h5") / "bone.h5"
    brightness_network().save(path)
    return path


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
    """The same layer in a .keras file is refused, see below."""
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


# ---- refusals: one sentence, with what to do ----


def test_what_a_file_does_not_say_is_asked_for_all_at_once(h5, data, tmp_path) -> None:
    words = ["keras", str(h5), "--data", str(data), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    for option in ("--positive 0|1", "--scale 0..1|", "--resize bilinear|", "--aspect squash|"):
        assert option in done.stderr


def test_wrong_polarity_is_upside_down(h5, data, tmp_path) -> None:
    line = refused(h5, data, tmp_path, positive="1")
    assert re.search(r"upside down: AUC 0\.\d\d \(95 % \S+ to \S+\) on labelled images; give", line)
    assert "--positive" in line


def test_gray_levels_that_were_not_divided_give_saturated_scores(h5, data, tmp_path) -> None:
    line = refused(h5, data, tmp_path, scale="0..255")
    assert "saturated scores: with --scale 0..255 the probability is 0 or 1 for" in line


def test_a_scaling_that_ranks_alike_but_fits_the_labels_better_is_a_warning(
    h5, data, tmp_path, caplog
) -> None:
    """Brightness from -1 to 1 is brightness: no order of images can show it."""
    convert(h5, data, tmp_path, "--kinds", "float32", scale="-1..1")
    assert "fit the labels better with --scale 0..1 (log loss" in caplog.text


def test_gray_levels_divided_twice_give_tied_scores(data, tmp_path) -> None:
    import keras

    inner = bright(1)
    image = keras.Input((50, 50, 1))
    keras.Model(image, inner(keras.layers.Rescaling(1 / 255)(image))).save(tmp_path / "own.keras")
    line = refused(tmp_path / "own.keras", data, tmp_path)
    assert "tied scores: with --scale 0..1" in line
    done = convert(tmp_path / "own.keras", data, tmp_path, "--kinds", "int8", scale="0..255")
    assert done.exit_code == 0, done.stderr


def test_a_scaling_under_which_the_classes_are_told_clearly_better_is_named() -> None:
    from bonefx_convert.any_keras.label_checks import Labels, check_scores
    from bonefx_convert.any_keras.wrap import Scaling
    from bonefx_train.errors import DataError

    rng = np.random.default_rng(0)
    fractured = np.arange(100) % 2 == 0
    noise, signal = rng.normal(size=100), np.where(fractured, -2.0, 2.0) + rng.normal(size=100)
    labels = Labels(fractured, [str(i) for i in range(100)])
    by = {Scaling.UNIT: noise, Scaling.BYTES: signal}
    with pytest.raises(DataError, match=r"wrong scaling: AUC 0\.\d\d with --scale 0\.\.1, 1\.00"):
        check_scores(by.get, scaling=Scaling.UNIT, others=[Scaling.BYTES], labels=labels)
    check_scores(by.get, scaling=Scaling.BYTES, others=[Scaling.UNIT], labels=labels)


def test_wrong_size_is_refused(h5, data, tmp_path) -> None:
    line = refused(h5, data, tmp_path, code=2, size="224x224")
    assert "reads 150x150 images, --size says 224x224; leave --size out" in line


def test_open_size_is_asked_for(data, tmp_path) -> None:
    import keras

    image = keras.Input((None, None, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(40, 5)(image))
    keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x)).save(tmp_path / "o.keras")
    line = refused(tmp_path / "o.keras", data, tmp_path, code=2)
    assert "takes images of any size; give that of its training, --size 224x224" in line


def test_three_classes_are_refused(data, tmp_path) -> None:
    bright(3, activation="softmax").save(tmp_path / "own.keras")
    line = refused(tmp_path / "own.keras", data, tmp_path)
    assert "tells 3 classes apart, bonefx two; fit it again with one output" in line


@pytest.mark.parametrize("loss", ["mse", "mean_absolute_error"])
def test_a_regression_head_is_refused(data, tmp_path, loss) -> None:
    keras_model = bright(1, activation=None)
    keras_model.compile(loss=loss)
    keras_model.optimizer.build(keras_model.trainable_variables)
    keras_model.save(tmp_path / "own.h5")
    line = refused(tmp_path / "own.h5", data, tmp_path, head="logit")
    assert f"was fitted with {loss}, so it gives a quantity, not a class; fit it again" in line


@pytest.mark.parametrize("as_list", [False, True])
def test_a_loss_given_as_a_function_is_read(data, tmp_path, as_list) -> None:
    import keras

    keras_model, loss = bright(1, activation=None), keras.losses.mean_squared_error
    keras_model.compile(loss=[loss] if as_list else loss)
    keras_model.save(tmp_path / "quantity.keras")
    line = refused(tmp_path / "quantity.keras", data, tmp_path / "out")
    assert "was fitted with mean_squared_error" in line


def test_another_last_activation_is_refused(data, tmp_path) -> None:
    bright(1, activation="relu").save(tmp_path / "own.keras")
    assert "ends in Relu; expected a sigmoid" in refused(tmp_path / "own.keras", data, tmp_path)


@pytest.mark.parametrize("said", [(), ("--head", "logit")])
def test_a_score_behind_a_reshape_is_never_taken_for_a_logit(data, tmp_path, said) -> None:
    import keras

    inner = bright(1)
    score = keras.layers.Reshape((1,))(keras.layers.Reshape((1, 1))(inner.output))
    keras.Model(inner.input, score).save(tmp_path / "shaped.keras")
    line = refused(tmp_path / "shaped.keras", data, tmp_path / "out", *said)
    assert "behind its sigmoid" in line


def own_layer_network(path: Path, *, export: Path | None = None) -> None:
    """Save a network with a layer of a class that Keras does not know."""
    import keras

    class Halve(keras.layers.Layer):
        def call(self, x):
            return x / 2 + x / 2

    image = keras.Input((50, 50, 1))
    keras_model = keras.Model(image, bright(1)(Halve()(image)))
    keras_model.save(path)
    if export is not None:
        keras_model.export(export, verbose=False)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_custom_layer_without_its_code_is_refused(data, tmp_path, suffix) -> None:
    path = tmp_path / f"own{suffix}"
    own_layer_network(path)
    line = refused(path, data, tmp_path)
    assert "has the layer Halve, whose code is not in the file; in the program" in line
    assert "model.export" in line


def test_a_lambda_layer_is_never_run(data, tmp_path) -> None:
    import keras

    image = keras.Input((50, 50, 1))
    x = keras.layers.Lambda(lambda x: x)(image)
    keras.Model(image, bright(1)(x)).save(tmp_path / "own.keras")
    line = refused(tmp_path / "own.keras", data, tmp_path)
    assert "has a Lambda layer, which is code and is not run from a file" in line


def test_a_file_of_a_newer_keras_that_cannot_be_read_is_refused(data, tmp_path) -> None:
    bright(1).save(tmp_path / "now.keras")
    with (
        zipfile.ZipFile(tmp_path / "now.keras") as old,
        zipfile.ZipFile(tmp_path / "new.keras", "w") as new,
    ):
        for name in old.namelist():
            text = old.read(name)
            if name == "metadata.json":
                text = json.dumps(json.loads(text) | {"keras_version": "99.1.0"}).encode()
            if name == "config.json":
                text = text.replace(b'"strides"', b'"paces"')
            new.writestr(name, text)
    line = refused(tmp_path / "new.keras", data, tmp_path)
    assert "saved by Keras 99.1.0, this is Keras" in line
    assert "pip install --upgrade keras" in line


def test_weights_alone_are_refused(data, tmp_path) -> None:
    bright(1).save_weights(tmp_path / "own.weights.h5")
    line = refused(tmp_path / "own.weights.h5", data, tmp_path)
    assert "holds weights only, not the network" in line


def test_a_network_that_was_never_built_is_refused(data, tmp_path) -> None:
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential(layers).save(tmp_path / "new.keras")
    line = refused(tmp_path / "new.keras", data, tmp_path / "out")
    assert "no input shape" in line
    assert "then save it" in line


def test_half_of_an_h5_file_is_refused(h5, data, tmp_path) -> None:
    content = h5.read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    assert "a damaged HDF5 file" in refused(tmp_path / "half.h5", data, tmp_path / "out")


@pytest.mark.parametrize("part", ["variables", "saved_model.pb"])
def test_a_saved_model_of_which_a_part_is_lost_is_refused(h5, data, tmp_path, part) -> None:
    import keras

    folder = tmp_path / "network"
    keras.models.load_model(h5, compile=False).export(folder, verbose=False)
    if part == "variables":
        shutil.rmtree(folder / part)
    else:
        (folder / part).write_bytes((folder / part).read_bytes()[:500])
    assert "copy the whole folder again" in refused(folder, data, tmp_path / "out")


def test_a_calibration_set_of_one_class_is_refused(h5, data, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    rows = (copy / "manifest.csv").read_text().splitlines()
    kept = [row for row in rows if not (row.endswith("train") and ",fractured," in row)]
    (copy / "manifest.csv").write_text("\n".join(kept) + "\n")
    assert "got none that is fractured; add images" in refused(h5, copy, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"PK\x03\x04 no zip", "a damaged zip file"), (b"\x80\x02", "a Python pickle"), (b"", "kind")],
)
def test_another_file_is_named(data, tmp_path, content, why) -> None:
    (tmp_path / "x.keras").write_bytes(content)
    assert why in refused(tmp_path / "x.keras", data, tmp_path)


def test_a_folder_without_a_saved_model_is_named(data, tmp_path) -> None:
    assert "saved_model.pb" in refused(tmp_path, data, tmp_path / "out")


# ---- without labels ----


@pytest.fixture(name="unlabelled", scope="module")
def _unlabelled(h5, data, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "images").mkdir()
    for path in data.glob("t*-*.png"):
        shutil.copy(path, folder / "images" / path.name)
    done = convert(h5, folder / "images", folder / "out", "--unlabelled", "--kinds", "int8")
    assert done.exit_code == 0, done.stderr
    return folder / "out", done.stdout


def test_without_labels_the_report_compares_scores_only(unlabelled) -> None:
    _, text = unlabelled
    assert "Without labels there are no operating points" in text
    assert "| int8 | logit | 120 |" in text
    assert "AUC |" not in text


def test_without_labels_the_device_gives_a_score_and_no_state(unlabelled, data) -> None:
    out, _ = unlabelled
    classifier = Classifier.load(out / "bone-int8.tflite")
    assert classifier.mode.operating_points == ()
    findings = [classifier.classify(path) for path in sorted(data.glob("test-*.png"))]
    answered = [finding for finding in findings if finding.p_fracture is not None]
    assert {finding.state for finding in answered} == {State.UNCERTAIN}
    assert {finding.caution for finding in answered} == {Caution.NO_OPERATING_POINT}
    assert len({finding.p_fracture for finding in answered}) > 20
    assert "edge-admin commission" in str(answered[0].detail)


def test_too_few_images_without_labels_are_refused(h5, data, tmp_path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(data / "test-000.png", folder)
    line = refused(h5, folder, tmp_path / "out", "--unlabelled")
    assert "expected at least 40 images, got 1" in line


def test_files_that_are_no_images_do_not_count(h5, data, tmp_path, caplog) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in sorted(data.glob("t*-*.png"))[:35]:
        shutil.copy(path, folder)
    for number in range(10):
        (folder / f"{number}.txt").write_text("a note")
    done = convert(h5, folder, tmp_path / "out", "--unlabelled")
    assert done.exit_code == 3
    assert "left out, as the device refuses them: 10 files, such as" in caplog.text
    assert "expected at least 40 images, got 35" in done.stderr


# ---- the files compared on labelled images ----


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
