"""Whether recent films depart from those that the model was commissioned with: charts of sums.

For each number of a film a two-sided cumulative sum (Page, Biometrika 1954): 0 as long as films are
as they were, and rising by the mean excess of each film. What a film adds is computed by the worker
(`diagnostics.departure`), in log likelihood ratios, so a chart without drift crosses its limit at
most once in exp(limit) films on average (Lorden, Ann. Math. Statist. 1971). A few numbers are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

DRIFT: Final = "drift"
"""Name in the metadata of the journal."""
LIMITS: Final = {"refused": 12.0, "with_caution": 12.0}
"""Of shares: on average one alarm in exp(12) = 162,755 films, 9 years of 50 films a day."""
LIMIT: Final = 50.0
"""Of all other numbers. Far above what independence needs: films of one day are alike, and the
reference is of few films."""
CAP: Final = 1.5
"""Times its limit a chart rises at most: it can come back, and stays bounded."""
WORDS: Final = {
    "mean": "brightness",
    "std": "contrast",
    "roughness": "fine detail",
    "distance": "distance from the training films",
    "p_fracture": "score",
    "refused": "share of refused films",
    "with_caution": "share of films with a caution",
}


@dataclass(slots=True)
class Chart:
    """The sums of one number."""

    up: float = 0.0
    down: float = 0.0
    alarm: str = ""
    """higher or lower from the limit on until the sum is 0 again; else empty."""

    def add(self, up: float, down: float, limit: float) -> None:
        """Add what one film says for a rise and for a fall."""
        self.up = min(max(0.0, self.up + up), CAP * limit)
        self.down = min(max(0.0, self.down + down), CAP * limit)
        if self.alarm and (self.up if self.alarm == "higher" else self.down) == 0.0:
            self.alarm = ""
        if not self.alarm and max(self.up, self.down) >= limit:
            self.alarm = "higher" if self.up >= self.down else "lower"


class DriftWatch:
    """The charts of one predictor; another predictor begins anew."""

    def __init__(self, kept: str | None) -> None:
        """Take up the charts that `state` gave; None or empty: none yet."""
        record: dict[str, Any] = json.loads(kept) if kept else {}
        self.predictor: str = record.get("predictor", "")
        self.films: int = record.get("films", 0)
        """Films since the charts began."""
        self._charts = {name: Chart(*found) for name, found in record.get("charts", {}).items()}

    def add(self, departures: Mapping[str, tuple[float, float]], predictor: str) -> list[str]:
        """Count a film; return what changed, in sentences for the log.

        Parameters
        ----------
        departures
            For each number what the film says for a rise and for a fall, log likelihood ratios.
        predictor
            What made the finding: its site profile is the reference.
        """
        self._begin(predictor)
        self.films += 1
        before = self.alarms
        for name, (up, down) in departures.items():
            chart = self._charts.setdefault(name, Chart())
            chart.add(up, down, LIMITS.get(name, LIMIT))
        after = self.alarms
        return [
            *(describe(name, alarm) for name, alarm in after.items() if name not in before),
            *(f"{WORDS.get(name, name)} is as before" for name in before if name not in after),
        ]

    def drop_others(self, predictor: str) -> str | None:
        """Drop the charts of another predictor; return the state if there were any, else None."""
        if not self.films or predictor == self.predictor:
            return None
        self._begin(predictor)
        return self.state()

    def _begin(self, predictor: str) -> None:
        if predictor != self.predictor:
            self.predictor, self.films, self._charts = predictor, 0, {}

    @property
    def alarms(self) -> dict[str, str]:
        """Numbers that departed, each with higher or lower."""
        return {name: chart.alarm for name, chart in self._charts.items() if chart.alarm}

    @property
    def levels(self) -> dict[str, float]:
        """Of each number, the larger of its sums as a share of the limit, [0, 1.5]."""
        return {
            name: max(chart.up, chart.down) / LIMITS.get(name, LIMIT)
            for name, chart in self._charts.items()
        }

    def state(self) -> str:
        """Return all that is known, as JSON."""
        charts = {name: (each.up, each.down, each.alarm) for name, each in self._charts.items()}
        return json.dumps({"predictor": self.predictor, "films": self.films, "charts": charts})


def describe(name: str, alarm: str) -> str:
    """Return an alarm in words."""
    return f"{WORDS.get(name, name)} is {alarm} than when the model was commissioned"
