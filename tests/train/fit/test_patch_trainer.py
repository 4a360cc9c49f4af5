import numpy as np
import pytest
from bonefx_edge.errors import UsageError
from bonefx_train.errors import DataError

pytestmark = pytest.mark.host
keras = pytest.importorskip("keras")

import cv2  # noqa: E402 (Keras may be absent)
from bonefx_edge.inference.preprocess import SPECS  # noqa: E402
from bonefx_train.data.boxes import Box  # noqa: E402
from bonefx_train.data.sample import Label  # noqa: E402
from bonefx_train.fit import fit as fit_module  # noqa: E402
from bonefx_train.fit import patch_trainer as patch_trainer  # noqa: E402
from bonefx_train.fit.command import fit_run  # noqa: E402
from bonefx_train.fit.fit import read_history  # noqa: E402
from bonefx_train.fit.patch_trainer import (  # noqa: E402
    FROZEN_UP_TO,
    LAST_RATE_SHARE,
    PEAK_RATE,
    WARM_UP_STEPS,
    _ahead,
    learning_rate,
    map_loss,
)
from bonefx_train.networks import lite0  # noqa: E402
from bonefx_train.networks import registry as networks  # noqa: E402
from bonefx_train.patches.sampler import LabeledImage, PatchSampler  # noqa: E402
from bonefx_train.run import PatchRecipe, Run  # noqa: E402


def tiny(spec):
    """Two convolutions with the outputs and the names of Lite0: an epoch takes a second."""
    image = keras.Input((spec.height, spec.width, 1), name="image")
    x = keras.layers.Conv2D(8, 5, strides=4, padding="same", name=FROZEN_UP_TO)(image)
    x = keras.layers.Conv2D(16, 8, strides=8, padding="same")(x)
    for name in lite0.INPUT_CHECK_LAYERS:
        x = keras.layers.ReLU(name=name)(x)
    where = keras.layers.Conv2D(1, 1, name="map")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(x)
    pooled = keras.layers.Dropout(0.2, name="dropout")(pooled)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(pooled)
    return keras.Model(image, {"score": score, "map": where}, name="lite0")


@pytest.fixture(name="data")
def _data(tmp_path, monkeypatch):
    """Fractures are white squares; their boxes lie beside the images."""
    monkeypatch.setitem(networks.NETWORKS, "lite0", tiny)
    root, rows = tmp_path / "data", ["path,x_center,y_center,width,height"]
    rng = np.random.default_rng(0)
    for name, fractured in (("broken", True), ("stable", False)):
        (root / name).mkdir(parents=True)
        for i in range(24):
            pixels = rng.integers(40, 90, (160, 130)).astype(np.uint8)
            if fractured:
                pixels[60:90, 50:80] = 255
                rows.append(f"{name}/{i}.png,{65 / 130},{75 / 160},{30 / 130},{30 / 160}")
            cv2.imwrite(str(root / name / f"{i}.png"), pixels)
    (root / "boxes.csv").write_text("\n".join(rows) + "\n")
    return root


def start(data, out, **changed):
    settings = {
        "network": "lite0", "spec": "area-letterbox", "seed": 1, "epochs": 2, "batch_size": 16,
        "patience": 9, "resume": False, "patches_per_epoch": 64,
    }  # fmt: skip
    return fit_run(data, out=out, **{**settings, **changed})


def test_the_last_epoch_is_kept_and_boxes_beside_the_images_are_found(data, tmp_path, monkeypatch):
    aucs = iter([0.9, 0.5])
    monkeypatch.setattr(fit_module, "_score", lambda *_: (1.0, 0.5, next(aucs)))
    run = start(data, tmp_path / "run")
    log = (run.dir / "train.log").read_text("utf-8")
    in_train = len([sample for sample in run.of("train") if sample.label is Label.FRACTURED])
    assert f"boxes: {in_train} of {len(run.of('train'))} train images have some" in log
    assert "kept epoch 2 of 2" in log
    assert len(run.settings.boxes_sha256) == 64
    assert run.settings.patches_per_epoch == 64
    checkpoint = keras.models.load_model(run.dir / "checkpoint/epoch-0002.keras")
    for a, b in zip(run.keras_model().get_weights(), checkpoint.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_killed_fit_goes_on_and_ends_as_if_it_had_not_been_killed(
    data, tmp_path, monkeypatch, momentum
):
    recipe = PatchRecipe(ema_momentum=momentum)
    whole = start(data, tmp_path / "whole", epochs=3, recipe=recipe)
    keep, out = fit_module._keep, tmp_path / "killed"

    def killed_in_epoch_2(keras_model, history, trainer, *, run_dir):
        if len(history) == 2:
            raise KeyboardInterrupt
        keep(keras_model, history, trainer, run_dir=run_dir)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "_keep", killed_in_epoch_2)
        with pytest.raises(KeyboardInterrupt):
            start(data, out, epochs=3, recipe=recipe)
    resumed = start(data, out, epochs=3, recipe=recipe, resume=True)
    for a, b in zip(read_history(whole.dir), read_history(out), strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
    for a, b in zip(
        whole.keras_model().get_weights(), resumed.keras_model().get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_moving_mean_is_kept_in_place_of_the_last_weights(data, tmp_path):
    last = start(data, tmp_path / "last", epochs=1)
    mean = start(data, tmp_path / "mean", epochs=1, recipe=PatchRecipe(ema_momentum=0.9))
    assert mean.settings.ema_momentum == 0.9
    pairs = zip(last.keras_model().get_weights(), mean.keras_model().get_weights(), strict=True)
    assert any(not np.allclose(a, b, atol=1e-7) for a, b in pairs)


def test_shares_and_rate_of_the_recipe_reach_the_patches_and_the_optimizer(data, tmp_path):
    recipe = PatchRecipe(whole_share=0.0, style_share=1.0, peak_rate=2e-4)
    run = start(data, tmp_path / "run", epochs=1, recipe=recipe)
    assert (run.settings.whole_share, run.settings.style_share) == (0.0, 1.0)
    trainer = patch_trainer.PatchTrainer(
        [LabeledImage(np.zeros((90, 90), np.uint8), (), label, "") for label in (True, False)],
        run.settings,
    )
    assert trainer._peak == 2e-4


@pytest.mark.parametrize(
    "recipe",
    [
        {"whole_share": 1.1},
        {"style_share": -0.1},
        {"ema_momentum": 1.0},
        {"peak_rate": float("nan")},
    ],
)
def test_shares_and_rates_that_mean_nothing_are_refused(data, tmp_path, recipe):
    with pytest.raises(UsageError, match="fit settings: expected"):
        start(data, tmp_path / "run", recipe=PatchRecipe(**recipe))
    assert not (tmp_path / "run").exists()


def test_a_resume_cannot_change_the_number_of_epochs_that_the_learning_rate_follows(data, tmp_path):
    start(data, tmp_path / "run")
    with pytest.raises(UsageError, match=r"epochs 2 \(now 3\)"):
        start(data, tmp_path / "run", epochs=3, resume=True)


def test_frozen_layers_keep_their_weights_and_the_others_move(data, tmp_path):
    run = start(data, tmp_path / "run", epochs=1)
    fresh = networks.build("lite0", spec=run.settings.input_spec, seed=1)
    fitted = run.keras_model()
    for before, after in zip(fresh.layers, fitted.layers, strict=True):
        same = all(
            np.array_equal(a, b)
            for a, b in zip(before.get_weights(), after.get_weights(), strict=True)
        )
        assert same == (before.name == FROZEN_UP_TO or not before.weights)


def test_boxes_on_a_image_that_is_not_fractured_are_an_error(data, tmp_path):
    with (data / "boxes.csv").open("a") as stream:
        stream.writelines(f"stable/{i}.png,0.5,0.5,0.1,0.1\n" for i in range(24))
    with pytest.raises(DataError, match=r"stable/.*labelled not fractured"):
        start(data, tmp_path / "run")


def test_boxes_that_are_named_but_absent_are_an_error(data, tmp_path):
    with pytest.raises(UsageError, match="expected a CSV of boxes"):
        start(data, tmp_path / "run", boxes=tmp_path / "none.csv")


def test_boxes_of_images_that_are_not_there_are_an_error_not_whole_images(data, tmp_path):
    """With other paths no box would be found, and the fit would quietly be another one."""
    text = (data / "boxes.csv").read_text().replace("broken/", "images/broken/")
    (data / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=r"24 of other images, such as images/broken/0\.png"):
        start(data, tmp_path / "run")


@pytest.mark.parametrize("option", ["boxes", "patches_per_epoch"])
def test_what_a_network_on_whole_images_does_not_read_is_refused(data, tmp_path, option):
    given = {"boxes": data / "boxes.csv", "patches_per_epoch": 64}[option]
    changed = {"patches_per_epoch": None, option: given}
    with pytest.raises(UsageError, match="fitted afresh on whole images"):
        start(data, tmp_path / "run", network="seed", spec="seed", **changed)


def test_an_interrupted_fit_is_not_taken_for_a_network_at_rest(data, tmp_path, monkeypatch):
    keep = fit_module._keep

    def killed_after_epoch_1(keras_model, history, trainer, *, run_dir):
        if len(history) == 2:
            raise KeyboardInterrupt
        keep(keras_model, history, trainer, run_dir=run_dir)

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "_keep", killed_after_epoch_1)
        with pytest.raises(KeyboardInterrupt):
            start(data, tmp_path / "run")
    with pytest.raises(DataError, match="expected 2 epochs, got an interrupted fit with 1"):
        Run.open(tmp_path / "run").keras_model()
    assert start(data, tmp_path / "run", resume=True).keras_model()


def test_a_box_as_large_as_its_image_does_not_stop_the_fit():
    pixels = np.full((160, 130), 60, np.uint8)
    images = [
        LabeledImage(pixels, (Box(0, 0, 1, 1),), fractured=True, body_part=""),
        LabeledImage(pixels, (), fractured=False, body_part=""),
    ]
    sampler = PatchSampler(images, spec=SPECS["area-letterbox"])
    assert sampler.draw(np.random.default_rng(0), n=64).class_index.mean() > 0.4


def test_the_learning_rate_rises_falls_and_ends_at_a_hundredth():
    rates = [learning_rate(step, of=3000) for step in range(3000)]
    assert rates.index(max(rates)) in range(WARM_UP_STEPS - 1, WARM_UP_STEPS + 5)
    assert max(rates) == pytest.approx(PEAK_RATE, rel=0.03)
    assert rates[-1] == pytest.approx(LAST_RATE_SHARE * PEAK_RATE, rel=0.01)
    assert rates[0] < PEAK_RATE / 100


def test_map_loss_is_weighted_cross_entropy():
    cells = np.array([[[[1.0], [0.0], [0.5]]]], np.float32)
    logit = np.array([[[[0.0], [0.0], [2.0]]]], np.float32)
    log2 = np.log(2)
    expected = [3 * log2, log2, 1.5 * np.log1p(np.exp(-2)) + 0.5 * np.log1p(np.exp(2))]
    np.testing.assert_allclose(np.asarray(map_loss(cells, logit)), [np.mean(expected)], rtol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_batches_made_ahead_come_in_order_and_none_is_lost(count):
    assert list(_ahead(lambda step: step, count=count)) == list(range(count))


def test_an_error_while_drawing_ahead_is_raised_not_swallowed():
    def fail(step):
        if step == 2:
            raise DataError("broken image")
        return step

    batches = _ahead(fail, count=9)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(DataError, match="broken image"):
        next(batches)


def test_lite0_gives_score_and_map_and_has_no_layer_that_int8_dislikes():
    network = lite0.lite0(SPECS["area-letterbox"])
    assert network.output["score"].shape == (None, 1)
    assert network.output["map"].shape == (None, 5, 5, 1)
    assert network.get_layer("features").output.shape == (None, 1280)
    kinds = {type(layer).__name__ for layer in network.layers}
    assert kinds == {
        "InputLayer", "Conv2D", "DepthwiseConv2D", "BatchNormalization", "ReLU", "Add",
        "GlobalAveragePooling2D", "Dropout", "Dense",
    }  # fmt: skip
    assert patch_trainer.FROZEN_UP_TO in {layer.name for layer in network.layers}
