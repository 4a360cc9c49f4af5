"""Images that would ruin full-int8 are refused before they can."""

import dataclasses

import numpy as np
import pytest
from bonefx_convert.representative import (
    check_representative,
    draw_representative,
    pin_input_range,
)
from bonefx_train.errors import DataError
from bonefx_train.evaluation.tiled_predictions import NetworkInputs

pytestmark = pytest.mark.host
MIXED = np.arange(40, dtype=np.uint8) % 2


def images(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).random((count, 6, 6, 1), dtype=np.float32)


def test_mixed_images_in_the_unit_range_are_accepted() -> None:
    check_representative(images(), class_index=MIXED)


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_alone_is_refused(only: int) -> None:
    with pytest.raises(DataError, match="at least 10% of each class, got"):
        check_representative(images(), class_index=np.full(40, only, np.uint8))


def test_a_repeated_image_is_refused() -> None:
    with pytest.raises(DataError, match="got 1 different among 40"):
        check_representative(np.repeat(images(1), 40, axis=0), class_index=MIXED)


def test_mostly_copies_are_refused_even_if_many_differ() -> None:
    x = np.concatenate([images(25), np.repeat(images(1), 40, axis=0)])
    with pytest.raises(DataError, match="remove the copies"):
        check_representative(x, class_index=np.arange(65, dtype=np.uint8) % 2)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="at least 20 different images"):
        check_representative(images(19), class_index=MIXED[:19])


@pytest.mark.parametrize(("factor", "why"), [(255, "0, 255"), (1 / 255, "divided twice"), (-1, "")])
def test_gray_levels_of_another_range_are_refused(factor: float, why: str) -> None:
    with pytest.raises(DataError, match="divide uint8 images by 255, once"):
        check_representative(images() * np.float32(factor), class_index=MIXED)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="representative data set"):
        check_representative(images(0), class_index=MIXED[:0])


def test_draw_takes_both_classes_alike_shuffled_and_the_extremes_of_train(pixels) -> None:
    train = NetworkInputs.of_whole(pixels["train"])
    logit = train.x.mean(axis=(1, 2, 3)).astype(float)
    drawn = draw_representative(train, logit=logit, seed=1, images=40)
    assert 40 <= len(drawn.x) <= 42
    assert abs(drawn.class_index.mean() - 0.5) < 0.06
    assert np.flatnonzero(np.diff(drawn.class_index.astype(int))).size > 5, "not shuffled"
    brightness = drawn.x.mean(axis=(1, 2, 3))
    assert brightness.min() == pytest.approx(logit.min(), abs=1e-4)
    assert brightness.max() == pytest.approx(logit.max(), abs=1e-4)


def test_draw_is_recorded_by_the_hash_of_its_images_and_depends_on_the_seed(pixels) -> None:
    train = NetworkInputs.of_whole(pixels["train"])
    logit = train.x.mean(axis=(1, 2, 3)).astype(float)
    hashes = [
        draw_representative(train, logit=logit, seed=seed, images=40).sha256 for seed in (1, 1, 2)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64


def test_input_range_is_pinned_to_black_and_white_by_two_pixels_at_most() -> None:
    x = images() * np.float32(0.9)
    pinned = pin_input_range(x)
    assert (pinned.min(), pinned.max()) == (0.0, 1.0)
    assert (pinned != x).sum() == 2
    assert pin_input_range(pinned) is pinned


def test_a_rare_class_is_drawn_alike_instead_of_being_drowned(pixels) -> None:
    train = pixels["train"]
    rare = np.flatnonzero(train.class_index == 0)[:12]
    keep = np.sort(np.concatenate([rare, np.flatnonzero(train.class_index == 1)]))
    few = dataclasses.replace(
        train,
        x=train.x[keep],
        class_index=train.class_index[keep],
        samples=tuple(train.samples[i] for i in keep),
    )
    drawn = draw_representative(
        NetworkInputs.of_whole(few), logit=few.x.mean(axis=(1, 2, 3)).astype(float), seed=1
    )
    assert 0.4 <= (drawn.class_index == 0).mean() <= 0.6


def test_a_network_that_sees_tiles_is_shown_twice_as_many_tiles_as_wholes(pixels) -> None:
    images = dataclasses.replace(pixels["train"], x=pixels["train"].x[:, :20, :20])
    n = len(images.x)
    tiles = np.random.default_rng(0).random((2 * n, 20, 20, 1), dtype=np.float32) / 2
    inputs = NetworkInputs(
        images,
        np.concatenate([images.x, tiles]),
        np.tile(np.arange(n), 3),
        np.zeros((3 * n, 4), np.int64),
        np.zeros(3 * n, np.bool_),
    )
    drawn = draw_representative(inputs, logit=np.arange(3.0 * n), seed=1, images=90)
    from_whole = {image.tobytes() for image in images.x}
    shown = [image.tobytes() in from_whole for image in drawn.x[1:]]  # the first may be pinned
    assert 28 <= sum(shown) <= 31
    assert 57 <= len(shown) - sum(shown) <= 62
    assert 0.45 <= drawn.class_index.mean() <= 0.55
    assert any(np.array_equal(image, tiles[-1]) for image in drawn.x), "the highest logit"
