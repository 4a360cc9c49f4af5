"""A Keras file that cannot be converted is refused in one sentence, with what to do."""

import json
import re
import shutil
import zipfile

import numpy as np
import pytest
from any_keras_files import bright, convert, own_layer_network, refused
from bonefx_convert.cli import app
from typer.testing import CliRunner

pytestmark = pytest.mark.host


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
