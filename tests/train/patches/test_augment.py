import cv2
import numpy as np
import pytest
from bonefx_train.patches import augment
from bonefx_train.patches.augment import augment_gray

STEPS = [
    augment._equalize, augment._tone, augment._invert, augment._mark,
    augment._collimate, augment._blur, augment._noise, augment._jpeg,
]  # fmt: skip


def bone():
    """A bright shaft with a dark line across: an edge that must survive."""
    patch = np.full((150, 150), 60, np.uint8)
    patch[:, 60:90] = 180
    patch[73:77, 60:90] = 60
    return cv2.GaussianBlur(patch, (0, 0), 1)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_each_disturbance_gives_a_gray_view_of_the_same_shape_and_spares_its_input(step):
    patch = bone()
    before = patch.copy()
    for seed in range(20):
        out = step(patch, np.random.default_rng(seed))
        assert (out.shape, out.dtype) == (patch.shape, np.uint8)
    np.testing.assert_array_equal(patch, before)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_each_disturbance_changes_the_view_and_each_draw_otherwise(step):
    outs = [step(bone(), np.random.default_rng(seed)) for seed in range(100)]
    # A marker may fall outside, margins may be wider than the patch: one in a hundred is as it was.
    assert sum(np.array_equal(out, bone()) for out in outs) <= 3
    if step is not augment._invert:
        assert len({out.tobytes() for out in outs}) > 10


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_view_is_disturbed_without_a_warning(level):
    patch = np.full((150, 150), level, np.uint8)
    for seed in range(100):
        assert augment_gray(patch, np.random.default_rng(seed)).dtype == np.uint8


def test_the_fracture_line_stays_where_it_is_and_stays_to_be_seen():
    """Its edges remain the steepest along the shaft's axis, however a patch is disturbed."""
    found = 0
    for seed in range(200):
        out = augment_gray(bone(), np.random.default_rng(seed)).astype(float)
        profile = out[40:110, 68:82].mean(axis=1)
        line, shaft = profile[33:37].mean(), np.r_[profile[:28], profile[42:]]
        found += abs(line - shaft.mean()) > 2 * shaft.std()
    assert found > 190  # a marker or a margin may fall onto it


def test_most_views_are_changed_and_each_seed_changes_them_otherwise():
    outs = [augment_gray(bone(), np.random.default_rng(seed)) for seed in range(30)]
    assert sum(np.array_equal(out, bone()) for out in outs) < 5
    assert len({out.tobytes() for out in outs}) > 25
