"""Prometheus metrics: counts, ages and distributions; no file names."""

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
"""From hashing a small image to the time limit."""
_LAG_S: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
_P: Final = tuple(n / 20 for n in range(1, 21))
"""Steps of 0.05: fine enough to see a drift of the scores."""


class Metrics:
    """Counts results; `text` may be called from another thread."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line per counter
        self._registry = CollectorRegistry()

        def counter(name: str, about: str, label: str) -> Counter:
            return Counter(f"bonefx_{name}", about, [label], registry=self._registry)

        self._results = counter(
            "results", "Images with a result since the start of the service", "state"
        )
        self._refusals = counter(
            "refusals", "Images refused since the start of the service", "reason"
        )
        self._failures = counter("failures", "Failed attempts, which are retried", "code")
        about = "Images whose pictures were written, or why not"
        self._pictures = counter("pictures", about, "outcome")
        self._stages = Histogram(
            "bonefx_stage_seconds", "Duration of one stage for one image", ["stage"],
            buckets=_STAGE_S, registry=self._registry,
        )  # fmt: skip
        self._lag = Histogram(
            "bonefx_lag_seconds", "From the complete image in the folder to its result on disk",
            buckets=_LAG_S, registry=self._registry,
        )  # fmt: skip
        self._p = Histogram(
            "bonefx_p_fracture", "Calibrated probability of fracture, without refused images",
            buckets=_P, registry=self._registry,
        )  # fmt: skip

    def count_result(self, finding: dict[str, Any], *, lag_s: float) -> None:
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

    def count_failure(self, code: str) -> None:
        """Count a failed attempt."""
        self._failures.labels(code).inc()

    def count_pictures(self, outcome: str) -> None:
        """Count an image by what became of its pictures: written, or the cause of a failure."""
        self._pictures.labels(outcome).inc()

    def text(self, checks: list[Check], status: Status | None, *, free_bytes: int | None) -> bytes:
        """Return the exposition format 0.0.4; None for what is not known."""
        now = CollectorRegistry()
        now.register(_Gauges(checks, status, free_bytes))
        return bytes(generate_latest(self._registry) + generate_latest(now))


class _Gauges(Collector):
    """Current values of the journal, the disk and the checks."""

    def __init__(self, checks: list[Check], status: Status | None, free_bytes: int | None) -> None:
        self._checks, self._status, self._free_bytes = checks, status, free_bytes

    def collect(self) -> Iterable[Metric]:
        about = GaugeMetricFamily("bonefx_info", "Version of bonefx", labels=["version"])
        about.add_metric([__version__], 1)
        yield about
        passed = {check.name: float(check.status is not CheckStatus.FAIL) for check in self._checks}
        yield _labelled("check_passed", "Whether a check of /readyz passes", "check", passed)
        if self._free_bytes is not None:
            yield _plain("free_bytes", "Free space on the disk of the results", self._free_bytes)
        if self._status is not None:
            yield from _journal_gauges(self._status)


def _journal_gauges(status: Status) -> Iterable[Metric]:
    yield _labelled("films", "Images by state", "state", status.states)
    yield _labelled("waiting", "Images that wait for a retry, by cause", "code", status.failures)
    about = "Files and folders that cannot be read, by cause"
    yield _labelled("unreadable", about, "code", status.unreadable)
    yield _plain("absent", "Images whose file was removed before there was a result", status.absent)
    yield _plain("duplicates", "Files with the same content as another file", status.duplicates)
    yield _plain("outbox_messages", "Messages that are not delivered yet", status.undelivered)
    oldest = status.oldest_waiting_s or 0.0
    yield _plain("oldest_waiting_seconds", "Age of the oldest image without a result", oldest)
    about = "Departure of the films from those of the commissioning; an alarm from 1 on"
    yield _labelled("drift", about, "number", status.drift.levels)
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
