"""Thresholds by order statistics: what they promise holds for any distribution of the scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_HALVINGS: Final = 60
"""Of an interval of length 1: to the precision of a float."""


class Rule(StrEnum):
    """What is promised about the share of further films on the wrong side of a threshold."""

    EXPECTED = "expected"
    """The wanted share on average: half of all sites will see somewhat more."""
    GUARANTEED = "guaranteed"
    """At most the wanted share, with the stated confidence."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold between the scores of n films, and what it promises."""

    threshold: float
    """The score of a film; every film beyond it is on the wrong side."""
    beyond: int
    """How many of the n films are beyond, at most: fewer where scores are equal."""
    expected: float
    """Share of further films beyond, on average, (0, 1)."""
    at_most: float
    """Share of further films beyond that is not exceeded, with the confidence asked for."""


def choose(
    scores: Sequence[float], *, wanted: float, confidence: float, rule: Rule
) -> Choice | None:
    """Return the lowest threshold that keeps the promise, None if the films are too few.

    The share of the source's films above the k-th lowest of n scores follows a beta distribution
    with parameters n + 1 - k and k, whatever the distribution of the scores (Wilks 1941); equal
    scores make it smaller. Films must be independent: one for each patient.

    Parameters
    ----------
    scores
        n numbers, in any order; the wrong side is above.
    wanted
        Share of further films on the wrong side, (0, 1).
    confidence
        (0, 1), of `at_most` and of the rule `guaranteed`.
    """
    n = len(scores)
    k = _rank(n, wanted=wanted, confidence=confidence, rule=rule)
    if k is None:
        return None
    return Choice(
        threshold=sorted(scores)[k - 1],
        beyond=n - k,
        expected=(n + 1 - k) / (n + 1),
        at_most=_bound(n - k, n, confidence=confidence),
    )


def films_needed(*, wanted: float, confidence: float, rule: Rule) -> int:
    """Return the least number of films for which `choose` returns a threshold."""
    if rule is Rule.EXPECTED:
        n = math.ceil(1.0 / wanted - 1e-9) - 1
    else:
        n = math.ceil(math.log1p(-confidence) / math.log1p(-wanted) - 1e-9)
    return max(1, n)


def exact_interval(hits: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson 1934), n >= 1."""
    one_sided = 1.0 - (1.0 - confidence) / 2.0
    low = 1.0 - _bound(n - hits, n, confidence=one_sided)
    return low, _bound(hits, n, confidence=one_sided)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(X <= k) for n draws with probability `p` each, by logarithms of gamma functions."""
    if k >= n or p <= 0.0:
        return 1.0 if k >= 0 else 0.0
    if k < 0 or p >= 1.0:
        return 0.0
    log_p, log_q = math.log(p), math.log1p(-p)
    terms = (
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * log_p
        + (n - i) * log_q
        for i in range(k + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def _rank(n: int, *, wanted: float, confidence: float, rule: Rule) -> int | None:
    """Return which of the n scores, counted from the lowest, 1 to n."""
    if rule is Rule.EXPECTED:
        k = math.ceil((n + 1) * (1.0 - wanted) - 1e-9)  # 0.9 * 60 is not quite 54 as a float
        return max(1, k) if k <= n else None
    # The share above is at most `wanted` unless fewer than n + 1 - k scores lie above the quantile.
    beyond = 0
    while binomial_cdf(beyond, n, wanted) <= 1.0 - confidence:
        beyond += 1
    return n + 1 - beyond if beyond else None


def _bound(beyond: int, n: int, *, confidence: float) -> float:
    """Return the upper limit of a share of which `beyond` of n were seen, by halving."""
    if beyond >= n:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if binomial_cdf(beyond, n, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high
