"""The input check of a network with a map: features, their limit, wide pixel intervals."""

import dataclasses
import logging

import cv2
import numpy as np
import pytest
from bonefx_convert.input_check_spec import log_refusals, measure_input_check, try_input_check
from bonefx_convert.whitening import FEATURES, distance_limit, fit_whitening
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.input_check import statistics
from bonefx_edge.inference.preprocess import SPECS
from bonefx_train.errors import DataError
from bonefx_train.run import Run
from toy import TOY_INPUT_CHECK

pytestmark = pytest.mark.host
SPEC = SPECS["area-letterbox"]
"""Of `spot_run`."""


def test_features_have_mean_0_and_variance_1_over_the_patches_they_were_fitted_on() -> None:
    rng = np.random.default_rng(1)
    pooled = (rng.normal(size=(1000, 300)) @ rng.normal(size=(300, 300)) + 3).astype(np.float32)
    features = fit_whitening(pooled, widths=(100, 200)).apply(pooled)
    assert features.shape == (1000, FEATURES)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(features.var(axis=0), 1, atol=1e-3)
    assert np.mean(np.square(features)) == pytest.approx(1, abs=1e-3)


def test_directions_without_variance_are_not_blown_up() -> None:
    pooled = np.zeros((100, 8), np.float32)
    pooled[:, 0] = np.linspace(0, 1, 100)
    assert fit_whitening(pooled, widths=(8,)).apply(pooled).shape == (100, 1)


def test_features_that_are_the_same_for_all_images_are_refused() -> None:
    with pytest.raises(DataError, match="expected some that differ"):
        fit_whitening(np.ones((20, 8), np.float32), widths=(8,))


def test_a_layer_of_small_numbers_counts_as_much_as_one_of_large_ones() -> None:
    """And one off by as much as int8 rounds is left out, whichever layer it is in."""
    rng = np.random.default_rng(2)
    pooled = rng.normal(size=(2000, 8)).astype(np.float32)
    small = pooled * np.repeat(np.float32([1, 1e-3]), 4)
    features = fit_whitening(small, widths=(4, 4)).apply(small)
    assert features.shape == (2000, 8)
    aside = small.copy()
    aside[0, 0] += 1e3  # the range of the first layer: its step is now larger than its spread
    assert fit_whitening(aside, widths=(4, 4)).apply(aside).shape == (2000, 5)


@pytest.mark.parametrize("n", [10, 49, 50, 590])
def test_at_most_two_in_a_hundred_images_lie_beyond_the_limit(n) -> None:
    features = np.random.default_rng(n).normal(size=(n, 32)).astype(np.float32)
    distances = np.mean(np.square(features, dtype=np.float64), axis=1)
    limit = distance_limit(features)
    assert (distances > limit).sum() == int(0.02 * n)
    assert np.abs(distances - limit).min() > 0


def test_intervals_of_the_pixels_are_wide_where_features_tell_more(spot_run) -> None:
    samples = Run.open(spot_run).of("train")[:20]
    alone = measure_input_check(samples, spec=SPEC)
    beside = measure_input_check(samples, spec=SPEC, mapped=True)
    for name in ("mean", "std", "roughness"):
        narrow, wide = getattr(alone, name), getattr(beside, name)
        # A quarter of the range on both sides of it, and one and a half.
        across = (narrow.high - narrow.low) / 1.5
        assert wide.high - narrow.high == pytest.approx(1.25 * across)
        assert narrow.low - wide.low == pytest.approx(1.25 * across)


def test_the_input_check_says_which_images_the_pixels_refuse(spot_run, tmp_path) -> None:
    samples = Run.open(spot_run).of("tune")[:10]
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "noise.png"), noise)
    odd = dataclasses.replace(samples[3], path=tmp_path / "noise.png")
    input_check = measure_input_check(samples, spec=SPEC)
    refused = try_input_check(input_check, [*samples[:3], odd, *samples[4:]], spec=SPEC)
    assert np.flatnonzero(refused).tolist() == [3]


def test_a_large_image_is_measured_as_the_device_decodes_it(spot_run, tmp_path) -> None:
    path = tmp_path / "large.jpg"
    grain = np.random.default_rng(0).integers(0, 256, (300, 240), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(grain, (1920, 2400)))
    sample = dataclasses.replace(Run.open(spot_run).of("train")[0], path=path)
    found = measure_input_check([sample], spec=SPEC)
    device, full = (
        statistics(decode(path.read_bytes(), allow_downscale=downscale).pixels)
        for downscale in (True, False)
    )
    assert found.roughness.low == found.roughness.high == device.roughness != full.roughness


@pytest.mark.parametrize(
    ("by_pixels", "by_distance", "level", "said"),
    [
        ([0], [1], "INFO", "2 of 100"),
        ([0], [0, 1], "INFO", "2 of 100"),
        ([0], [1, 2], "WARNING", "3 of 100"),
        ([0, 1, 2], [], "WARNING", "3 of 100"),
    ],
)
def test_refusals_of_pixels_and_distance_are_added_up(
    caplog, by_pixels, by_distance, level, said
) -> None:
    features, refused = np.zeros((150, 4), np.float32), np.zeros(100, bool)
    refused[by_pixels] = True
    features[[*by_distance, *range(100, 150)]] = 3.0  # tiles too, which are not checked
    spec = dataclasses.replace(TOY_INPUT_CHECK, distance_limit=4.0)
    with caplog.at_level(logging.INFO):
        log_refusals("int8", spec, features, refused)
    (record,) = caplog.records
    assert record.levelname == level
    assert f"int8: the whole input check refuses {said} tune images" in record.getMessage()
