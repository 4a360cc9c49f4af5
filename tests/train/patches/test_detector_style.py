"""A detector's style changes gray levels, and neither moves an edge nor depends on the class."""

import cv2
import numpy as np
from bonefx_train.patches.detector_style import detector_style
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.integers(40, 120), more=st.integers(60, 130))
def test_an_edge_stays_where_it_is_and_keeps_its_direction(seed, level, more) -> None:
    patch = np.full((150, 150), level, np.uint8)
    patch[:, 75:] = level + more
    styled = detector_style(patch, np.random.default_rng(seed))
    assert (styled.shape, styled.dtype) == (patch.shape, np.uint8)
    profile = cv2.GaussianBlur(styled, (0, 0), 1).astype(float)[10:-10].mean(axis=0)
    slope = np.diff(profile)[5:-5]
    assert abs(int(slope.argmax()) + 5 - 74) <= 2
    assert profile[85] > profile[65]


def test_the_same_seed_gives_the_same_patch_and_the_given_one_is_not_changed() -> None:
    patch = np.random.default_rng(0).integers(0, 256, (150, 150)).astype(np.uint8)
    before = patch.copy()
    first, second = (detector_style(patch, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(patch, before)
    assert not np.array_equal(first, patch)
