"""Order statistics: what a threshold from n films promises, checked against exact arithmetic."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from bonefx_edge.diagnostics.commissioning.guarantee import (
    Rule,
    binomial_cdf,
    choose,
    exact_interval,
    films_needed,
)
from hypothesis import given
from hypothesis import strategies as st

TENTH = {"wanted": 0.1, "confidence": 0.9}


def exact_cdf(k: int, n: int, p: Fraction) -> float:
    return float(sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)))


@given(st.integers(1, 150), st.data())
def test_the_binomial_tail_is_that_of_exact_fractions(n, data) -> None:
    k, percent = data.draw(st.integers(0, n)), data.draw(st.integers(1, 99))
    got = binomial_cdf(k, n, percent / 100)
    # lgamma is good to some 1e-15 of its value, below 700 here, so terms to 1e-12 of theirs
    assert got == pytest.approx(exact_cdf(k, n, Fraction(percent, 100)), rel=1e-10, abs=1e-300)


def test_the_ends_of_the_binomial_tail() -> None:
    assert binomial_cdf(-1, 5, 0.5) == 0
    assert binomial_cdf(5, 5, 0.5) == 1
    assert binomial_cdf(0, 5, 0.0) == 1
    assert binomial_cdf(4, 5, 1.0) == 0


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.30850),
        (5, 10, 0.18709, 0.81291),
        (3, 3, 0.29240, 1),
    ],
)
def test_the_exact_interval_is_that_of_the_tables(hits, n, low, high) -> None:
    assert exact_interval(hits, n) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))


@given(st.integers(1, 200), st.data())
def test_at_the_ends_of_the_exact_interval_the_tails_are_a_fortieth(n, data) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = exact_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    if hits < n:
        assert binomial_cdf(hits, n, high) == pytest.approx(0.025, rel=1e-6)
    if hits > 0:
        assert 1 - binomial_cdf(hits - 1, n, low) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "rule", "beyond"),
    [
        (60, Rule.EXPECTED, 5),
        (60, Rule.GUARANTEED, 2),
        (84, Rule.GUARANTEED, 4),
        (22, Rule.GUARANTEED, 0),
        (21, Rule.GUARANTEED, None),
        (9, Rule.EXPECTED, 0),
        (8, Rule.EXPECTED, None),
    ],
)
def test_how_many_of_n_normals_may_be_beyond(n, rule, beyond) -> None:
    scores = list(range(n))
    chosen = choose(scores, rule=rule, **TENTH)
    assert (chosen and chosen.beyond) == beyond
    if chosen:
        assert sum(score > chosen.threshold for score in scores) == beyond
        if rule is Rule.GUARANTEED:
            assert chosen.at_most <= 0.1
        else:
            assert chosen.expected <= 0.1


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("wanted", [0.02, 0.05, 0.1, 0.2, 0.5])
def test_the_number_of_films_needed_is_the_least_that_gives_a_threshold(rule, wanted) -> None:
    n = films_needed(wanted=wanted, confidence=0.9, rule=rule)
    assert choose([0.0] * n, wanted=wanted, confidence=0.9, rule=rule)
    assert choose([0.0] * (n - 1), wanted=wanted, confidence=0.9, rule=rule) is None


@pytest.mark.parametrize("shape", ["normal", "two lumps", "ties"])
def test_the_promises_hold_whatever_the_distribution(shape) -> None:
    rng = np.random.default_rng(14)
    draws = rng.normal(size=(2000, 60))
    if shape == "two lumps":
        draws = np.where(rng.random(draws.shape) < 0.5, draws, draws * 0.01 + 9)
    if shape == "ties":
        draws = np.round(draws)
    further = draws.ravel()  # 120,000 of the same distribution stand for all of them
    above = {}
    for rule in Rule:  # the rank depends on n only
        chosen = choose(list(range(60)), rule=rule, **TENTH)
        assert chosen
        thresholds = np.sort(draws, axis=1)[:, int(chosen.threshold)]
        above[rule] = 1 - np.searchsorted(np.sort(further), thresholds, side="right") / further.size
    broken = float((above[Rule.GUARANTEED] > 0.1).mean())
    assert broken <= 0.1 + 3 * (0.1 * 0.9 / 2000) ** 0.5  # three standard errors
    # The standard deviation of one share is 0.038 at most, of the mean of 2000 below 0.001.
    assert above[Rule.EXPECTED].mean() <= 6 / 61 + 0.003
