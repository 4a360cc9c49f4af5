"""HTTP server on 127.0.0.1: /livez, /readyz and /metrics, in a thread of its own.

It reads the last snapshot of the main loop, and the journal over its own connection: it works also
while the main loop hangs.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check
from bonefx_edge.errors import BonefxError
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.admin import JournalAdmin, Status
from bonefx_edge.watch.monitoring.health import ServiceSnapshot, check_alive, check_ready
from bonefx_edge.watch.monitoring.metrics import Metrics
from bonefx_edge.watch.monitoring.page_server import (
    PROMETHEUS,
    PageServer,
    Response,
    checks_response,
)

QUERY_TIMEOUT_S: Final = 5.0
"""Longest wait for the query of another client: a disk may never answer."""
MAX_QUERY_SHARE: Final = 0.01
"""Upper limit for the share of time spent on queries of the journal, at any request rate. A query
over 100,000 images takes half a second on x86-64; its result is then up to 45 s old."""


class HealthServer:
    """Serves requests until it is closed."""

    def __init__(
        self,
        port: int,
        *,
        snapshot: Callable[[], ServiceSnapshot],
        journal: JournalAccess,
        out: Path,
        metrics: Metrics,
    ) -> None:
        """Start to serve on `port`, 0 for any free one.

        Parameters
        ----------
        snapshot
            Returns the state after the last step of the main loop.
        journal
            Connections are counted there: the journal is opened anew only when none is left.
        out
            Folder of the results.
        metrics
            What `/metrics` shows.

        Raises
        ------
        PortError
            The port is in use, or needs more rights.
        """
        self._snapshot, self._journal, self._out, self._metrics = snapshot, journal, out, metrics
        self._status: Status | str = ""
        self._next_query = 0.0
        self._one_query = threading.Lock()
        pages = {"/livez": self.livez, "/readyz": self.readyz, "/metrics": self.metrics}
        self._server = PageServer(port, pages)
        self.port = self._server.port

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def livez(self) -> Response:
        """Return status, type and body."""
        return checks_response([check_alive(self._snapshot(), now=time.monotonic())])

    def readyz(self) -> Response:
        """Return status, type and body."""
        checks, _ = self._run_checks()
        return checks_response(checks)

    def metrics(self) -> Response:
        """Return status, type and body."""
        checks, status = self._run_checks()
        try:
            free_bytes = shutil.disk_usage(self._out).free
        except OSError:  # the checks report the cause
            free_bytes = None
        text = self._metrics.text(checks, status, free_bytes=free_bytes)
        return HTTPStatus.OK, PROMETHEUS, text

    def _run_checks(self) -> tuple[list[Check], Status | None]:
        now, wall = time.monotonic(), time.time()
        found: Status | str = TimeoutError.__name__
        if self._one_query.acquire(timeout=QUERY_TIMEOUT_S):
            try:
                now, wall = time.monotonic(), time.time()
                if now >= self._next_query:
                    self._status = _query(self._journal, self._snapshot(), wall=wall)
                    self._next_query = now + (time.monotonic() - now) / MAX_QUERY_SHARE
                found = self._status
            finally:
                self._one_query.release()
        checks = check_ready(self._snapshot(), found, now=now, wall=wall)
        return checks, None if isinstance(found, str) else found


def _query(journal: JournalAccess, snapshot: ServiceSnapshot, *, wall: float) -> Status | str:
    """Return the status of the journal, or the type of the error: no message, no file name."""
    try:
        with journal.connect("health port") as connection:
            admin = JournalAdmin(connection, journal.folder)
            return admin.status(now=wall, clock_steps=snapshot.clock_steps)
    except (OSError, sqlite3.Error, BonefxError) as err:
        return type(err).__name__
