"""How a film departs from those of the commissioning: what it adds to the charts of the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path
from typing import Final, Self

import numpy as np

from bonefx_edge.finding import Analysis
from bonefx_edge.inference.decision import State
from bonefx_edge.model.site_profile import Quantiles, SiteProfile, read_profile

ALLOWED: Final = {"p_fracture": 1.1}
"""Standard deviations that a mean may move, by number: the reference is of normal films, and a
quarter of the films may be fractured and score beyond all normal ones."""
ALLOWED_ELSE: Final = 0.45
"""The same for all others: films of one day are alike."""
REFERENCE_ERROR: Final = 1.0
"""Over the square root of its films, what a reference may be off by besides: 0.13 for 60 films."""
LARGEST: Final = 3.0
"""Standard deviations that one film counts at most."""
MOST_MORE: Final = 3.0
"""Times the share at the commissioning (its upper limit) that a share is compared with."""

Departures = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Reference:
    """The films of the commissioning, as charts need them."""

    levels: tuple[float, ...]
    """Of the quantiles, as standard normal deviates."""
    quantiles: Mapping[str, Quantiles]
    """By number."""
    shares: Mapping[str, float]
    """Upper 95 % limits of the shares of refused films and of films with a caution, (0, 1)."""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return the reference in the file of a site profile.

        Raises
        ------
        UsageError
            The file is no site profile.
        """
        return cls.of(read_profile(Path(path))[0])

    @classmethod
    def of(cls, profile: SiteProfile) -> Self:
        """Return the reference in a profile. Numbers that it does not have are not watched."""
        from statistics import NormalDist  # 0.6 MiB, which a worker without a profile need not have

        deviates = tuple(NormalDist().inv_cdf(level) for level in profile.levels)
        quantiles = {each.name: each for each in profile.reference}
        return cls(deviates, quantiles, {each.name: each.high for each in profile.shares or ()})

    def departures(self, analysis: Analysis) -> Departures:
        """Return for each number what a film says for a rise and for a fall of its mean.

        Log likelihood ratios: of a mean moved by twice what is allowed, for numbers as normal
        deviates of their rank; of a share three times as large, for shares.
        """
        numbers = _numbers(analysis)
        found = {
            name: self._deviates(name, value)
            for name, value in numbers.items()
            if name in self.quantiles
        }
        finding = analysis.finding
        events = {
            "refused": finding.state is State.REFUSED,
            "with_caution": finding.caution is not None,
        }
        for name, share in self.shares.items():
            found[name] = (_share_step(share, is_one=events[name]), 0.0)
        return found

    def _deviates(self, name: str, value: float) -> tuple[float, float]:
        known = self.quantiles[name]
        allowed = ALLOWED.get(name, ALLOWED_ELSE) + REFERENCE_ERROR / sqrt(known.n)
        z = _deviate(value, known.values, self.levels)
        return 2 * allowed * (z - allowed), 2 * allowed * (-z - allowed)


def _numbers(analysis: Analysis) -> dict[str, float]:
    """Return the numbers of an answered film; none of a refused one."""
    stats, whole, p = analysis.statistics, analysis.whole, analysis.finding.p_fracture
    if stats is None or p is None:
        return {}
    numbers = {"mean": stats.mean, "std": stats.std, "roughness": stats.roughness, "p_fracture": p}
    if whole is not None and whole.features is not None:
        numbers["distance"] = float(np.mean(np.square(whole.features, dtype=np.float64)))
    return numbers


def _deviate(value: float, quantiles: tuple[float, ...], deviates: tuple[float, ...]) -> float:
    """Return the normal deviate of the rank, linear between quantiles and beyond the outer ones."""
    if quantiles[0] <= value <= quantiles[-1]:
        return float(np.interp(value, quantiles, deviates))
    inner, outer, at = (1, 0, deviates[0]) if value < quantiles[0] else (-2, -1, deviates[-1])
    width = abs(quantiles[outer] - quantiles[inner])
    slope = abs(deviates[outer] - deviates[inner]) / width if width else float("inf")
    z = at + slope * (value - quantiles[outer])
    return max(-LARGEST, min(LARGEST, z))


def _share_step(share: float, *, is_one: bool) -> float:
    larger = min(MOST_MORE * share, (1.0 + share) / 2.0)
    return log(larger / share) if is_one else log((1.0 - larger) / (1.0 - share))
