"""Figures of the report: results against the verdicts of readers."""

import functools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from bonefx_page.store.verdicts import Answer, Group, Predictor

_Z: Final = 1.959964
"""Of a two-sided interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval (Wilson 1927)."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """Return the share; n must be > 0."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval, [0, 1].

        >>> [round(end, 3) for end in Share(8, 10).interval]
        [0.49, 0.943]
        """
        p, z2 = self.value, _Z * _Z
        center = p + z2 / (2 * self.n)
        half = _Z * math.sqrt(p * (1 - p) / self.n + z2 / (4 * self.n * self.n))
        scale = 1 + z2 / self.n
        return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


@dataclass(slots=True)
class Agreement:
    """How often results and verdicts go together, of some films."""

    counts: Counter[tuple[Answer, str]] = field(default_factory=Counter)
    """Films by verdict and state."""

    def add(self, group: Group) -> None:
        """Count the films of a group."""
        self.counts[group.answer, group.state] += group.n

    @property
    def n(self) -> int:
        """Verdicts."""
        return self.counts.total()

    def of(self, answer: Answer, state: str) -> int:
        """Return the number of films with this verdict and state."""
        return self.counts[answer, state]

    @property
    def sensitivity(self) -> Share:
        """Of the answered films with verdict fracture: those not called no_fracture."""
        return self._share(Answer.FRACTURE, ("fracture", "uncertain"))

    @property
    def specificity(self) -> Share:
        """Of the answered films with verdict no_fracture: those not called fracture."""
        return self._share(Answer.NO_FRACTURE, ("no_fracture", "uncertain"))

    @property
    def agreement(self) -> Share:
        """Of the films where both say yes or no: those where they say the same."""
        same = self.of(Answer.FRACTURE, "fracture") + self.of(Answer.NO_FRACTURE, "no_fracture")
        apart = self.of(Answer.FRACTURE, "no_fracture") + self.of(Answer.NO_FRACTURE, "fracture")
        return Share(same, same + apart)

    def _share(self, answer: Answer, good: tuple[str, ...]) -> Share:
        answered = [self.of(answer, state) for state in ("fracture", "uncertain", "no_fracture")]
        return Share(sum(self.of(answer, state) for state in good), sum(answered))


@dataclass(slots=True)
class Report:
    """Agreement of all films, and of parts of them."""

    all: Agreement = field(default_factory=Agreement)
    weeks: dict[str, Agreement] = field(default_factory=dict)
    """ISO week of the first arrival, such as 2026-W48, newest first."""
    body_parts: dict[str, Agreement] = field(default_factory=dict)
    """By name; films whose body part is not known are left out."""
    predictors: dict[str, Agreement] = field(default_factory=dict)
    """Model with the first digits of its file's sha256, mode, operating point, site profile."""


def report_of(groups: Iterable[Group]) -> Report:
    """Return the report of the verdicts that count."""
    found = Report()
    for group in groups:
        found.all.add(group)
        found.weeks.setdefault(_week(group.day), Agreement()).add(group)
        found.predictors.setdefault(_text(group.predictor), Agreement()).add(group)
        if group.body_part:
            found.body_parts.setdefault(group.body_part, Agreement()).add(group)
    found.weeks = dict(sorted(found.weeks.items(), reverse=True))
    found.body_parts = dict(sorted(found.body_parts.items()))
    return found


@functools.lru_cache(maxsize=4096)
def _week(day: str) -> str:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02}"


def _text(predictor: Predictor) -> str:
    # Two kinds of one model have the same name and version.
    profile = f", site profile {predictor.site_profile}" if predictor.site_profile else ""
    model = f"{predictor.model} ({predictor.model_sha256[:_DIGITS]})"
    return f"{model}, {predictor.mode}, {predictor.operating_point}{profile}"


_DIGITS: Final = 12
