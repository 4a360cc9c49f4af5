"""Reports to the service manager and the health port after each step."""

from collections.abc import Callable
from typing import Final

from bonefx_edge.watch.monitoring.health import status_line
from bonefx_edge.watch.monitoring.systemd import Notifier
from bonefx_edge.watch.service import Service

STATUS_EVERY_S: Final = 10.0
"""Minimum between two status lines for the service manager."""


class Heartbeat:
    """Reports readiness, watchdog and status to the service manager, once per step."""

    def __init__(self, service: Service, notifier: Notifier, *, clock: Callable[[], float]) -> None:
        """Store the parts; `clock` gives monotonic seconds."""
        self._service, self._notifier, self._clock = service, notifier, clock
        self._was_ready, self._last_status, self._next_status = False, "", clock()
        self.snapshot = service.snapshot()
        """After the last step, for the thread of the health port."""

    def __call__(self) -> None:
        """Report the state of the service."""
        self.snapshot = self._service.snapshot()
        if not self._was_ready and self._service.is_ready():
            self._was_ready = True
            self._notifier.ready("watching")
        self._notifier.heartbeat()
        status = status_line(self.snapshot)
        if status != self._last_status and self._clock() >= self._next_status:
            self._notifier.status(status)
            self._last_status, self._next_status = status, self._clock() + STATUS_EVERY_S
