"""int8 weights rounded together lose less than weights rounded one by one."""

import numpy as np
import pytest
from bonefx_convert.converter import _convert, _one_image
from bonefx_convert.flatbuffer import Kind, check_kind, read_network
from bonefx_convert.int8_rounding.layer_windows import LayersDifferError
from bonefx_convert.int8_rounding.rounding import (
    LARGEST,
    MOST_TOGETHER,
    round_int8,
    round_weights,
)
from bonefx_edge.model.interpreter import open_interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from known_networks import brightness_network

pytestmark = pytest.mark.host


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), groups=st.integers(1, 3), outputs=st.integers(1, 5),
    k=st.integers(2, 40),
)  # fmt: skip
def test_outputs_change_no_more_than_with_the_nearest_steps(seed, groups, outputs, k) -> None:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(groups, k, k)) * np.exp(rng.normal(size=(groups, 1, k)))
    x = rng.normal(size=(groups, 300, k)) @ mixed + 1  # inputs that go together, and no mean of 0
    weights = rng.normal(size=(groups, outputs, k))
    steps = np.abs(weights).max(axis=2) / LARGEST * rng.choice([1, 4, 16])
    nearest = np.clip(np.round(weights / steps[..., None]), -LARGEST, LARGEST)
    rounded = round_weights(weights, np.einsum("gnk,gnl->gkl", x, x), steps)

    def error(whole):
        off = weights - whole * steps[..., None]
        return np.square(np.einsum("gnk,gok->gno", x, off)).sum(axis=1)

    assert (error(rounded) <= error(nearest) * (1 + 1e-9) + 1e-9).all()
    assert np.abs(rounded.astype(int)).max() <= LARGEST


def test_outputs_change_much_less_where_inputs_go_together() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 60)) + 0.1 * rng.normal(size=(400, 60))
    weights, steps = rng.normal(size=(1, 8, 60)), np.full((1, 8), 0.3)
    rounded = round_weights(weights, (x.T @ x)[np.newaxis], steps)
    lost = [
        np.square(x @ (weights[0] - whole * 0.3).T).sum()
        for whole in (rounded[0], np.round(weights[0] / 0.3))
    ]
    assert lost[0] < 0.3 * lost[1]


def test_weights_on_a_step_stay() -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(-LARGEST, LARGEST + 1, (1, 4, 9))
    x = rng.normal(size=(50, 9))
    steps = np.full((1, 4), 0.02)
    rounded = round_weights(whole * 0.02, (x.T @ x)[np.newaxis], steps)
    assert np.array_equal(rounded, whole)


@pytest.fixture(name="deep", scope="module")
def _deep():
    """Return int8 and float32 of a random network with each kind of layer, and its images."""
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input((64, 48, 1))
    x = image
    for number in range(5):
        x = keras.layers.Conv2D(24, 1 if number else 3, strides=1 if number else 2, padding="same")(
            x
        )
        x = keras.layers.DepthwiseConv2D(3, padding="valid" if number == 2 else "same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(6)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(x)
    model = keras.Model(image, score)
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (120, 8, 6, 1))
    gray = np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8)
    for layer in model.layers:  # weights and activations that differ, as in a fitted network
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            layer.set_weights(
                [w * np.abs(w) ** 2 / (w.std() ** 2 + 1e-9) for w in layer.get_weights()]
            )
        if isinstance(layer, keras.layers.BatchNormalization):
            width = layer.moving_mean.shape[0]
            layer.set_weights([rng.uniform(0.5, 8, width), rng.normal(0, 1, width),
                               np.zeros(width), np.full(width, 0.05)])  # fmt: skip
    unit = gray.astype(np.float32) / 255
    unit[0, 0, 0], unit[0, 0, 1] = 0, 1
    ready = _one_image(model)
    return _convert(ready, Kind.INT8, unit[:60]), _convert(ready, Kind.FLOAT32, unit[:60]), gray


def test_a_deep_network_is_nearer_to_float_on_images_that_it_was_not_rounded_with(deep) -> None:
    int8, original, gray = deep
    rounded = round_int8(int8, original=original, x=gray[:60])
    unit = gray[60:].astype(np.float32) / 255
    wanted = open_interpreter(original).run(unit)[0].ravel()

    def error(flatbuffer):
        found = open_interpreter(flatbuffer).run(gray[60:])[0].ravel()
        return np.sqrt(np.mean((found - wanted) ** 2))

    step = read_network(int8).outputs[0].tensor.scale
    assert error(int8) > step, "the example is too easy to show anything"
    assert error(rounded) < 0.8 * error(int8)
    check_kind(rounded, kind=Kind.INT8)
    assert read_network(rounded) == read_network(int8)


def test_a_wide_dense_layer_keeps_its_weights_and_gets_another_bias() -> None:
    import keras
    from ai_edge_litert import schema_py_generated as schema

    keras.utils.set_random_seed(1)
    image = keras.Input((80, 64, 1))
    flat = keras.layers.Flatten()(image)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(flat)
    ready = _one_image(keras.Model(image, score))
    gray = np.random.default_rng(2).integers(0, 256, (50, 80, 64, 1)).astype(np.uint8)
    unit = gray.astype(np.float32) / 255
    unit[0, 0, 0], unit[0, 0, 1] = 0, 1
    int8, original = _convert(ready, Kind.INT8, unit), _convert(ready, Kind.FLOAT32, unit)
    rounded = round_int8(int8, original=original, x=gray)

    def weights(flatbuffer):
        model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
        tensors = model.subgraphs[0].tensors
        wide = next(t for t in tensors if tuple(t.shape) == (1, 80 * 64))
        return np.asarray(model.buffers[wide.buffer].data)

    assert MOST_TOGETHER < 80 * 64
    assert np.array_equal(weights(int8), weights(rounded))
    wanted = open_interpreter(original).run(unit)[0].mean()
    off = [abs(open_interpreter(each).run(gray)[0].mean() - wanted) for each in (int8, rounded)]
    step = read_network(int8).outputs[0].tensor.scale
    assert off[1] <= max(off[0], step / 2)


def test_the_same_images_give_the_same_bytes(deep) -> None:
    int8, original, gray = deep
    assert round_int8(int8, original=original, x=gray) == round_int8(
        int8, original=original, x=gray
    )


def test_networks_with_other_layers_are_refused(deep) -> None:
    int8, _, gray = deep
    other = _convert(_one_image(brightness_network()), Kind.FLOAT32, np.zeros((1, 150, 150, 1)))
    with pytest.raises(LayersDifferError, match="expected layers with weights of the shapes"):
        round_int8(int8, original=other, x=gray)
