from itertools import pairwise

import numpy as np
import pytest
from bonefx_train.evaluation.metrics import (
    auc,
    bootstrap_by_group,
    brier,
    distinct_scores,
    precision_recall_curve,
    reliability_bins,
    roc_curve,
    share,
    wilson,
)
from hypothesis import given
from hypothesis import strategies as st

P = np.array([0.1, 0.4, 0.35, 0.8])
FRACTURED = np.array([False, False, True, True])

scored = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({truth for _, truth in rows}) == 2
)


def unzip(rows):
    return np.array([s / 6 for s, _ in rows]), np.array([truth for _, truth in rows])


def auc_by_pairs(p, fractured):
    pairs = [(a > b) + (a == b) / 2 for a in p[fractured] for b in p[~fractured]]
    return sum(pairs) / len(pairs)


def test_auc_of_the_textbook_four_is_three_quarters():
    assert auc(P, FRACTURED) == 0.75


@given(scored)
def test_auc_equals_counting_all_pairs_with_ties_as_half(rows):
    p, fractured = unzip(rows)
    assert auc(p, fractured) == pytest.approx(auc_by_pairs(p, fractured))
    assert auc(-p, fractured) == pytest.approx(1 - auc_by_pairs(p, fractured))


@given(scored, st.integers(0, 100))
def test_a_weighted_auc_equals_the_auc_of_repeated_images(rows, seed):
    p, fractured = unzip(rows)
    weights = np.random.default_rng(seed).integers(1, 4, len(p))
    repeated = auc(np.repeat(p, weights), np.repeat(fractured, weights))
    assert auc(p, fractured, weights.astype(float)) == pytest.approx(float(repeated))
    stacked = auc(p, fractured, np.stack([np.ones(len(p)), weights]))
    np.testing.assert_allclose(stacked, [auc(p, fractured), repeated])


def test_auc_of_one_class_is_undefined():
    assert np.isnan(auc(P, np.ones(4, bool)))


def test_shares_count_hits_among_the_images_meant():
    """2 of 3 fractured found; of 4 called, 2 are fractured."""
    fractured = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    called = np.array([1, 1, 0, 1, 1, 0, 0], bool)
    assert share(called, fractured) == pytest.approx(2 / 3)
    assert share(~called, ~fractured) == 0.5
    assert share(fractured, called) == 0.5
    assert np.isnan(share(fractured, np.zeros(7, bool)))


def test_brier_is_the_mean_square_by_hand():
    assert brier(P, FRACTURED) == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert brier(P, FRACTURED, np.array([1.0, 0, 0, 1])) == pytest.approx((0.01 + 0.04) / 2)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Stat Med 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_intervals_equal_the_published_ones(hits, n, low, high):
    interval = wilson(hits, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)
    assert (interval.value, interval.n) == (hits / n, n)


def test_the_bootstrap_interval_of_a_share_is_that_of_the_binomial():
    """400 images, each its own group, 30 % hits: standard error sqrt(0.3 * 0.7 / 400) = 0.0229."""
    hit = np.arange(400) < 120
    every = np.ones(400, bool)
    low, high = bootstrap_by_group(
        lambda w: share(hit, every, w), [str(i) for i in range(400)], seed=1
    )
    assert low == pytest.approx(0.3 - 1.96 * 0.0229, abs=0.008)
    assert high == pytest.approx(0.3 + 1.96 * 0.0229, abs=0.008)


def test_images_that_belong_together_widen_the_interval():
    """Ten alike images a group: a tenth of the independent images, sqrt(10) = 3.2 times as wide."""
    hit = np.repeat(np.arange(40) < 12, 10)
    every = np.ones(400, bool)

    def width(groups):
        low, high = bootstrap_by_group(lambda w: share(hit, every, w), groups, seed=1)
        return high - low

    ratio = width([str(i // 10) for i in range(400)]) / width([str(i) for i in range(400)])
    assert 2.6 < ratio < 3.8


def test_the_bootstrap_repeats_with_its_seed_and_says_when_there_is_nothing_to_say():
    def one(seed):
        return bootstrap_by_group(
            lambda w: auc(P, FRACTURED, w), list("abcd"), seed=seed, resamples=300
        )

    assert one(1) == one(1)
    never = bootstrap_by_group(lambda w: np.full(len(w), np.nan), list("abcd"), seed=1)
    assert np.isnan(never).all()


def test_distinct_scores_are_counted():
    assert distinct_scores(np.array([0.5, 0.5, 0.25])) == 2


@given(scored)
def test_the_area_under_the_roc_curve_is_the_auc(rows):
    p, fractured = unzip(rows)
    false_positive_rate, sensitivity = roc_curve(p, fractured)
    steps = np.diff(false_positive_rate)
    area = (steps * (sensitivity[1:] + sensitivity[:-1]) / 2).sum()
    assert area == pytest.approx(float(auc(p, fractured)))
    assert (false_positive_rate[-1], sensitivity[-1]) == (1, 1)
    assert (np.diff(sensitivity) >= 0).all()


@given(scored)
def test_reliability_bins_hold_every_image_once(rows):
    p, fractured = unzip(rows)
    bins = reliability_bins(p, fractured)
    assert sum(share.n for _, share in bins) == len(p)
    assert sum(round(share.value * share.n) for _, share in bins) == fractured.sum()
    assert all(a < b for (a, _), (b, _) in pairwise(bins))


@given(scored)
def test_precision_and_recall_are_those_of_each_score_as_threshold(rows):
    p, fractured = unzip(rows)
    recall, precision = precision_recall_curve(p, fractured)
    thresholds = np.unique(p)[::-1]
    called = [p >= threshold for threshold in thresholds]
    assert recall == pytest.approx([fractured[each].sum() / fractured.sum() for each in called])
    assert precision == pytest.approx([fractured[each].mean() for each in called])
    assert recall[-1] == 1
