import numpy as np
import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.preprocess import SPECS, InputSpec
from bonefx_train.errors import DataError

pytestmark = pytest.mark.host
keras = pytest.importorskip("keras")

from bonefx_train.evaluation.predict import logits, p_fracture, predict_outputs  # noqa: E402
from bonefx_train.networks.lite0 import INPUT_CHECK_LAYERS, lite0  # noqa: E402
from bonefx_train.networks.registry import build, feature_widths, has_map, logits_model  # noqa: E402


@pytest.fixture(name="seed_network", scope="module")
def _seed_network():
    return build("seed", spec=SPECS["seed"], seed=1)


def test_the_seed_network_is_the_presentations_layer_for_layer(seed_network):
    conv, pool, dropout, flatten, dense = seed_network.layers
    assert seed_network.input_shape == (None, 150, 150, 1)
    assert type(conv) is keras.layers.Conv2D
    assert (conv.filters, conv.kernel_size, conv.strides) == (32, (3, 3), (1, 1))
    assert (conv.padding, conv.activation) == ("same", keras.activations.relu)
    assert type(pool) is keras.layers.MaxPooling2D
    assert (pool.pool_size, pool.strides, pool.padding) == ((2, 2), (2, 2), "same")
    assert (type(dropout), dropout.rate) == (keras.layers.Dropout, 0.2)
    assert type(flatten) is keras.layers.Flatten
    assert type(dense) is keras.layers.Dense
    assert (dense.units, dense.activation) == (1, keras.activations.sigmoid)
    assert all(layer.use_bias for layer in (conv, dense))


def test_the_seed_network_has_the_presentations_number_of_weights(seed_network):
    """3*3*1*32 + 32 in the convolution, 75*75*32 + 1 in the dense layer."""
    assert seed_network.count_params() == 320 + 180_001


def test_the_seed_network_is_compiled_as_in_the_presentation(seed_network):
    config = seed_network.get_compile_config()
    assert config["optimizer"]["class_name"].lower() == "rmsprop"
    assert config["optimizer"]["config"]["learning_rate"] == pytest.approx(0.001)
    assert (config["loss"], config["metrics"]) == ("binary_crossentropy", ["accuracy"])


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    def kernel(seed):
        return build("seed", spec=SPECS["seed"], seed=seed).get_weights()[0]

    np.testing.assert_array_equal(kernel(5), kernel(5))
    assert np.abs(kernel(5) - kernel(6)).max() > 0.01


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="expected one of seed"):
        build("resnet", spec=SPECS["seed"], seed=1)


def test_the_logit_is_what_the_sigmoid_was_given(seed_network):
    x = np.random.default_rng(1).random((5, 150, 150, 1), dtype=np.float32)
    without_sigmoid = logits_model(seed_network)
    logit = np.asarray(without_sigmoid.predict_on_batch(x)["logit"])
    score = np.asarray(seed_network.predict_on_batch(x))
    assert logit.shape == (5, 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), score, atol=1e-6)
    assert without_sigmoid.layers[-1].activation is keras.activations.linear


@pytest.fixture(name="mapped", scope="module")
def _mapped():
    """Return EfficientNet-Lite0 on a small image, with random weights."""
    keras.utils.set_random_seed(3)
    return lite0(InputSpec(height=64, width=64))


def test_a_network_with_a_map_gives_logit_map_and_the_means_of_the_input_check_layers(mapped):
    x = np.random.default_rng(1).random((3, 64, 64, 1), dtype=np.float32)
    found, scored = predict_outputs(mapped, x), mapped.predict_on_batch(x)
    score = np.asarray(scored["score"])[:, 0]
    assert (found.logits.shape, found.maps.shape) == ((3,), (3, 2, 2))
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logits)), score, atol=1e-6)
    np.testing.assert_allclose(found.maps, np.asarray(scored["map"])[..., 0], atol=1e-6)
    layers = keras.Model(
        mapped.input, [mapped.get_layer(name).output for name in INPUT_CHECK_LAYERS]
    )
    means = [np.asarray(out).mean(axis=(1, 2)) for out in layers.predict_on_batch(x)]
    np.testing.assert_allclose(found.features, np.concatenate(means, axis=1), atol=1e-4)
    assert feature_widths(mapped) == (16, 40, 112, 320)


def test_a_network_with_a_map_but_none_of_the_input_check_layers_is_refused(mapped):
    image = keras.Input((64, 64, 1))
    x = keras.layers.Conv2D(4, 3)(image)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(
        keras.layers.GlobalAveragePooling2D()(x)
    )
    other = keras.Model(image, {"score": score, "map": keras.layers.Conv2D(1, 1, name="map")(x)})
    with pytest.raises(DataError, match="block4_add"):
        logits_model(other)


def test_a_network_of_one_output_has_no_map_and_no_features(seed_network):
    found = predict_outputs(seed_network, np.zeros((2, 150, 150, 1), np.uint8))
    assert (found.maps, found.features) == (None, None)
    assert not has_map(seed_network)


def test_lite0_begins_with_imagenet_weights(monkeypatch):
    """And says where they come from: without the package it does not start at random."""
    loaded = []
    monkeypatch.setattr("bonefx_train.networks.registry.weights_path", lambda: "the package's file")
    monkeypatch.setattr(
        "bonefx_train.networks.registry.load_imagenet", lambda network, path: loaded.append(path)
    )
    assert has_map(build("lite0", spec=SPECS["area-letterbox"], seed=1))
    assert loaded == ["the package's file"]


@pytest.mark.parametrize("activation", ["relu", "softmax", None])
def test_a_network_that_does_not_end_in_a_sigmoid_is_refused(activation):
    other = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1, activation)]
    )
    with pytest.raises(DataError, match="last layer"):
        logits_model(other)


def test_stored_and_unit_pixels_get_the_same_logits(seed_network):
    gray = np.random.default_rng(2).integers(0, 256, (70, 150, 150, 1)).astype(np.uint8)
    stored, unit = logits(seed_network, gray), logits(seed_network, (gray / 255).astype(np.float32))
    assert stored.shape == (70,)
    np.testing.assert_array_equal(stored, unit)


def test_a_low_logit_of_not_broken_is_a_high_p_fracture():
    p = p_fracture(np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0]), temperature=2.0)
    np.testing.assert_allclose(
        p, [1, 1 / (1 + np.exp(-1)), 0.5, 1 / (1 + np.exp(1)), 0], atol=1e-12
    )
