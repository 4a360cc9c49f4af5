"""A fit can go on with the network of a model file; the shipped one is at hand."""

import dataclasses

import numpy as np
import pytest
from bonefx_edge.errors import ModelFileError, UsageError
from bonefx_train.errors import DataError

pytestmark = pytest.mark.host
keras = pytest.importorskip("keras")

import cv2  # noqa: E402 (Keras may be absent)
from bonefx_convert.converter import convert  # noqa: E402
from bonefx_convert.flatbuffer import Kind, find_outputs, read_network  # noqa: E402
from bonefx_convert.whitening import Whitening  # noqa: E402
from bonefx_edge.inference.preprocess import SPECS, InputSpec  # noqa: E402
from bonefx_edge.model.bundled import bundled_models  # noqa: E402
from bonefx_edge.model.interpreter import open_interpreter  # noqa: E402
from bonefx_edge.model.model_file import ModelFile, write_model_file  # noqa: E402
from bonefx_train.evaluation.predict import predict_outputs  # noqa: E402
from bonefx_train.fit import patch_trainer as patch_trainer  # noqa: E402
from bonefx_train.fit.command import _may_have_seen, fit_run  # noqa: E402
from bonefx_train.networks.lite0 import lite0  # noqa: E402
from bonefx_train.networks.warm_start import _match, _read_weights, interpolate_weights, load_lite0  # noqa: E402

SPEC = SPECS["stretch-letterbox"]
FLOAT16 = bundled_models()["lite0-float16"]


@pytest.fixture(name="patches", scope="module")
def _patches():
    """Return patches with soft bands, as bones are: (32, 150, 150, 1)."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(32, 150, 150))
    soft = [cv2.GaussianBlur(each, (0, 0), 6) * 400 + 120 for each in noise]
    return np.clip(soft, 0, 255).astype(np.uint8)[..., np.newaxis]


@pytest.fixture(autouse=True)
def _few_views(monkeypatch):
    """Batch norms measured on 32 patches: what is tested here does not hang on how well."""
    monkeypatch.setattr(patch_trainer, "START_PATCHES", 32)


@pytest.fixture(name="started", scope="module")
def _started(patches):
    return load_lite0(FLOAT16, spec=SPEC, patches=patches)


def test_the_network_answers_as_the_model_file_does(started, patches):
    """To float32's rounding: the file's weights, widened, are exactly those of the network."""
    model = ModelFile.read(FLOAT16)
    expected = model.manifest.output.split(open_interpreter(model.flatbuffer).run(patches))
    found = predict_outputs(started, patches)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3)


def test_its_batch_norms_do_the_same_while_fitting(started, patches):
    """With other statistics than those of its patches the first step would ruin the network."""
    x = patches.astype(np.float32) / 255
    while_fitting = np.asarray(started(x, training=True)["map"])  # no dropout on its way
    np.testing.assert_allclose(while_fitting, started.predict_on_batch(x)["map"], atol=0.02)


def test_the_mean_of_two_networks_has_the_mean_weights_and_its_own_statistics(patches):
    """With the mean of their statistics the mean of two networks would answer nonsense."""
    fitted, start = (load_lite0(FLOAT16, spec=SPEC, patches=patches) for _ in range(2))
    rng = np.random.default_rng(3)
    layer = fitted.get_layer("block4_project")
    began = layer.get_weights()[0]
    moved = began + rng.normal(0, 2 * began.std(), began.shape).astype(np.float32)
    layer.set_weights([moved])
    interpolate_weights(fitted, start, share=0.25, patches=patches)
    np.testing.assert_allclose(layer.get_weights()[0], 0.75 * moved + 0.25 * began, atol=1e-6)
    x = patches.astype(np.float32) / 255
    measured = fitted.predict_on_batch(x)["map"]
    # One batch: what its norms do while fitting, but for epsilon, is what they do in use.
    np.testing.assert_allclose(np.asarray(fitted(x, training=True)["map"]), measured, atol=0.02)
    norm = fitted.get_layer("block4_project_norm")
    assert norm.momentum == start.get_layer("block4_project_norm").momentum
    ratio = (
        np.asarray(norm.moving_variance) / start.get_layer("block4_project_norm").moving_variance
    )
    assert np.median(ratio) > 2, "the moved layer spreads its outputs further"


def test_frozen_layers_keep_their_statistics_in_the_mean(patches):
    """In training mode too: so Keras' frozen batch norms work, and the first layers rely on it."""
    fitted, start = (load_lite0(FLOAT16, spec=SPEC, patches=patches) for _ in range(2))
    fitted.get_layer("stem_norm").trainable = False
    interpolate_weights(fitted, start, share=0.5, patches=patches // 2)
    for name, same in (("stem_norm", True), ("block4_project_norm", False)):
        pairs = zip(
            fitted.get_layer(name).get_weights(), start.get_layer(name).get_weights(), strict=True
        )
        assert all(np.array_equal(a, b) for a, b in pairs) is same, name


def test_rounded_weights_other_networks_and_other_pixels_are_refused(patches):
    models = bundled_models()
    with pytest.raises(DataError, match="of kind int8; begin with the float16 file"):
        load_lite0(models["lite0-int8"], spec=SPEC, patches=patches)
    with pytest.raises(DataError, match="expected a model that reads images as the fit does"):
        load_lite0(FLOAT16, spec=SPECS["area"], patches=patches)
    with pytest.raises(DataError, match="got seed of kind float32"):
        load_lite0(models["seed-float32"], spec=SPECS["seed"], patches=patches)
    with pytest.raises(ModelFileError):
        load_lite0(FLOAT16.with_name("absent.tflite"), spec=SPEC, patches=patches)


def fit_from(write_folders, tmp_path, **changed):
    data = write_folders(tmp_path / "images", ["broken", "stable"], images=12)
    settings = {
        "network": "lite0", "spec": None, "seed": 1, "epochs": 1, "batch_size": 8, "patience": 1,
        "resume": False, "patches_per_epoch": 8, "start_from": FLOAT16,
    }  # fmt: skip
    return fit_run(data, out=tmp_path / "run", **{**settings, **changed})


@pytest.fixture(name="fitted", scope="module")
def _fitted(write_folders, tmp_path_factory):
    """Return a run that began with the bundled network; half of that stays, as by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patch_trainer, "START_PATCHES", 32)
        return fit_from(write_folders, tmp_path_factory.mktemp("fitted"))


def afresh(folder):
    """Return the shipped model as if it had been fitted from ImageNet weights on FracAtlas."""
    model = ModelFile.read(FLOAT16)
    settings = {**model.manifest.provenance.settings, "start_sha256": ""}
    made = dataclasses.replace(model.manifest.provenance, settings=settings)
    path = folder / "afresh.tflite"
    manifest = dataclasses.replace(model.manifest, provenance=made)
    write_model_file(path, flatbuffer=model.flatbuffer, manifest=manifest)
    return path


def test_a_fit_begins_there_and_says_so(fitted, write_folders, tmp_path):
    run = fitted
    assert run.settings.start_sha256 == ModelFile.read(FLOAT16).manifest.flatbuffer_sha256
    assert "was fitted on other images" in (run.dir / "train.log").read_text("utf-8")
    # Its own settings say that the shipped network began with another: whose images, it cannot say.
    same = dataclasses.replace(
        run.settings,
        data_sha256=ModelFile.read(FLOAT16).manifest.provenance.settings["data_sha256"],
    )
    assert _may_have_seen(FLOAT16, same)
    assert not _may_have_seen(afresh(tmp_path), same)
    moved, shipped = run.keras_model(), load_lite0(
        FLOAT16, spec=SPEC, patches=np.zeros((1, 150, 150, 1), np.uint8)
    )  # fmt: skip
    kernels = [each.get_layer("block15_project").get_weights()[0] for each in (moved, shipped)]
    # One step of Adam at the first step of the warm-up: 2e-6 per weight.
    np.testing.assert_allclose(*kernels, atol=1e-4)
    with pytest.raises(UsageError, match="start_sha256"):
        fit_from(write_folders, run.dir.parent, resume=True, start_from=None)


def test_by_itself_half_of_the_start_stays_in_what_a_fit_from_it_keeps(
    fitted, write_folders, tmp_path
):
    alone, mean = fit_from(write_folders, tmp_path, weight_average=0.0), fitted
    assert (alone.settings.weight_average, mean.settings.weight_average) == (0.0, 0.5)
    start = load_lite0(FLOAT16, spec=SPEC, patches=np.zeros((1, 150, 150, 1), np.uint8))
    by_itself, mixed, began = (
        each.get_layer("score").get_weights()[0]
        for each in (alone.keras_model(), mean.keras_model(), start)
    )
    assert np.abs(by_itself - began).max() > 1e-6
    np.testing.assert_allclose(mixed, (by_itself + began) / 2, atol=1e-7)
    with pytest.raises(UsageError, match=r"weight_average 0\.5 \(now 0\.0\)"):
        fit_from(write_folders, mean.dir.parent, resume=True, weight_average=0.0)


def test_the_mean_is_taken_once_after_the_last_epoch(write_folders, tmp_path, monkeypatch):
    shares = []
    mix = patch_trainer.interpolate_weights

    def spy(keras_model, start, *, share, patches):
        done = len(list((tmp_path / "run/checkpoint").glob("*.keras")))
        shares.append((done, share))
        mix(keras_model, start, share=share, patches=patches)

    monkeypatch.setattr(patch_trainer, "interpolate_weights", spy)
    run = fit_from(write_folders, tmp_path, epochs=2, weight_average=0.25)
    kept = run.keras_model().get_weights()
    assert shares == [(1, 0.25)]
    resumed = fit_from(write_folders, tmp_path, epochs=2, weight_average=0.25, resume=True)
    assert shares == [(1, 0.25)]
    for a, b in zip(kept, resumed.keras_model().get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_share_needs_a_start(write_folders, tmp_path):
    with pytest.raises(UsageError, match="add --start-from"):
        fit_from(write_folders, tmp_path, start_from=None, weight_average=0.5)


def test_a_start_that_does_not_fit_leaves_no_run_behind(write_folders, tmp_path):
    with pytest.raises(DataError, match="choose the --spec of the model"):
        fit_from(write_folders, tmp_path, spec="area")
    assert not (tmp_path / "run").exists()


def test_the_same_network_with_another_manifest_may_be_named_on_resume(
    fitted, write_folders, tmp_path
):
    model = ModelFile.read(FLOAT16)
    later = dataclasses.replace(model.manifest.provenance, created="2030-01-01T00:00:00+00:00")
    again = tmp_path / "again.tflite"
    write_model_file(
        again,
        flatbuffer=model.flatbuffer,
        manifest=dataclasses.replace(model.manifest, provenance=later),
    )
    resumed = fit_from(write_folders, fitted.dir.parent, resume=True, start_from=again)
    assert resumed.settings == fitted.settings


def test_the_seed_network_is_always_fitted_afresh(write_folders, tmp_path):
    with pytest.raises(UsageError, match="fitted afresh on whole images"):
        fit_from(write_folders, tmp_path, network="seed", patches_per_epoch=None)


def test_a_converted_network_comes_back_as_it_went():
    """Through the whole of today's converter, whose file has the input check's features beside."""
    spec = InputSpec(height=64, width=64)
    keras.utils.set_random_seed(4)
    network = lite0(spec)
    rng = np.random.default_rng(1)
    patches = rng.integers(0, 256, (8, 64, 64, 1)).astype(np.uint8)
    whitening = Whitening(rng.normal(size=(488, 4)).astype(np.float32), np.zeros(4, np.float32))
    kinds = (Kind.FLOAT16,)
    flatbuffer, _ = convert(network, representative=patches, kinds=kinds, whitening=whitening)
    weights = _read_weights(flatbuffer[Kind.FLOAT16])
    layers = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and layer.name != "map"
    ]
    found = _match([*layers, network.get_layer("map")], weights, path=FLOAT16)
    for layer, of_layer in zip(layers, found, strict=False):
        kernel = layer.get_weights()[0]
        # A fresh batch norm divides by sqrt(1 + epsilon); float16 has 11 bits.
        np.testing.assert_allclose(
            of_layer.kernel * np.sqrt(1 + 1e-3), kernel, rtol=2**-10, atol=1e-6
        )
        size = kernel.shape[2 if isinstance(layer, keras.layers.DepthwiseConv2D) else -1]
        np.testing.assert_array_equal(of_layer.bias, np.zeros(size))
    with pytest.raises(DataError, match="got none left for map"):
        _match([network.get_layer("map")] * 2, weights, path=FLOAT16)
    pooled = predict_outputs(network, patches).features
    output = find_outputs(read_network(flatbuffer[Kind.FLOAT16]))
    told = output.split(open_interpreter(flatbuffer[Kind.FLOAT16]).run(patches))
    np.testing.assert_allclose(told.features, whitening.apply(pooled), rtol=0.01, atol=0.01)
