"""What a monitor is told, in Prometheus' words: counts, ages and distributions, never a name."""

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bonefx_edge import __version__
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.journal.admin import Status

_STAGE_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""From hashing a small film to the time limit of a large one."""
_LAG_S: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
_P: Final = tuple(n / 20 for n in range(1, 21))
"""Twentieths: fine enough to see the scores of a season drift."""


class Metrics:
    """Counts what is decided; its methods are called in the loop, `text` anywhere."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each, that nobody asked for
        self._registry = CollectorRegistry()

        def counter(name: str, about: str, label: str) -> Counter:
            return Counter(f"bonefx_{name}", about, [label], registry=self._registry)

        self._results = counter("results", "Films decided since the service began", "state")
        self._refusals = counter("refusals", "Films refused since the service began", "reason")
        self._failures = counter("failures", "Attempts that will be repeated", "code")
        self._stages = Histogram(
            "bonefx_stage_seconds", "Duration of a stage of one film", ["stage"],
            buckets=_STAGE_S, registry=self._registry,
        )  # fmt: skip
        self._lag = Histogram(
            "bonefx_lag_seconds", "From a film at rest in the folder to its result on disk",
            buckets=_LAG_S, registry=self._registry,
        )  # fmt: skip
        self._p = Histogram(
            "bonefx_p_fracture", "Calibrated probability of fracture, of films not refused",
            buckets=_P, registry=self._registry,
        )  # fmt: skip

    def decided(self, finding: dict[str, Any], *, lag_s: float) -> None:
        """Count a result that is on disk: the record of `Finding.to_dict`."""
        self._results.labels(finding["state"]).inc()
        if finding["reason"]:
            self._refusals.labels(finding["reason"]).inc()
        else:
            self._p.observe(finding["p_fracture"])
        for stage, spent_ms in finding["timings_ms"].items():
            if spent_ms is not None:
                self._stages.labels(stage).observe(spent_ms / 1000.0)
        self._lag.observe(max(0.0, lag_s))

    def failed(self, code: str) -> None:
        """Count an attempt that came to nothing."""
        self._failures.labels(code).inc()

    def text(self, checks: list[Check], status: Status | None, *, free_bytes: int | None) -> bytes:
        """Return the exposition format 0.0.4; without `status` or `free_bytes` less is in it."""
        now = CollectorRegistry()
        now.register(_Gauges(checks, status, free_bytes))
        return bytes(generate_latest(self._registry) + generate_latest(now))


class _Gauges(Collector):
    """What the journal, the disk and the checks say at this moment."""

    def __init__(self, checks: list[Check], status: Status | None, free_bytes: int | None) -> None:
        self._checks, self._status, self._free_bytes = checks, status, free_bytes

    def collect(self) -> Iterable[Metric]:
        about = GaugeMetricFamily("bonefx_info", "Which bonefx runs", labels=["version"])
        about.add_metric([__version__], 1)
        yield about
        passed = {check.name: float(check.status is not CheckStatus.FAIL) for check in self._checks}
        yield _labelled("check_passed", "Whether a check of /readyz passes", "check", passed)
        if self._free_bytes is not None:
            yield _plain("free_bytes", "Free on the disk of the results", self._free_bytes)
        if self._status is not None:
            yield from _of_journal(self._status)


def _of_journal(status: Status) -> Iterable[Metric]:
    yield _labelled("films", "Films by where they stand", "state", status.states)
    yield _labelled("waiting", "Films that wait for another try", "code", status.failures)
    yield _labelled("unreadable", "Files that cannot be read", "code", status.unreadable)
    yield _plain("absent", "Films whose file went before they had a result", status.absent)
    yield _plain("duplicates", "Files that hold what another one holds", status.duplicates)
    yield _plain("outbox_messages", "Messages about results not taken yet", status.untold)
    oldest = status.oldest_waiting_s or 0.0
    yield _plain("oldest_waiting_seconds", "Age of the oldest film without a result", oldest)
    if status.last_result is not None:
        about = "Time of the last result, seconds since 1970"
        yield _plain("last_result_timestamp_seconds", about, status.last_result)


def _plain(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"bonefx_{name}", about, value=value)


def _labelled(name: str, about: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(f"bonefx_{name}", about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
