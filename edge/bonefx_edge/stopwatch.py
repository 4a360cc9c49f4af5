"""How long each stage of one film takes."""

import time

from bonefx_edge.finding import Timings


class Stopwatch:
    """Wall-clock milliseconds between laps; monotonic."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Note the time since the last lap as that of `stage`, a field of `Timings`."""
        now = time.perf_counter()
        self._laps[stage] = (now - self._last) * 1e3
        self._last = now

    def timings(self) -> Timings:
        """Return the laps, with the total until now."""
        total_ms = (time.perf_counter() - self._start) * 1e3
        return Timings(**self._laps, total_ms=total_ms)
