"""The health port, on 127.0.0.1 only: /livez, /readyz and /metrics, answered in a thread.

The loop knows nothing of it: it leaves its vitals where this thread finds them, and the journal is
read through a connection of its own. A loop that hangs cannot keep the port from saying so.
"""

import dataclasses
import json
import logging
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.errors import BonefxError, PortError
from bonefx_edge.watch.journal.admin import Desk, Status
from bonefx_edge.watch.monitoring.health import Vitals, check_alive, check_ready
from bonefx_edge.watch.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
CLIENT_PATIENCE_S: Final = 5.0
"""For a client that says nothing: one is answered at a time."""
LOOK_SHARE: Final = 0.01
"""Of the time at most that looking into the journal takes, however often a monitor asks: 100,000
films take half a second (a trial on x86-64), and are then told as they were up to 45 s ago."""
_JSON: Final = "application/json"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthPort:
    """NetworkOutputs until it is closed."""

    def __init__(
        self, port: int, *, vitals: Callable[[], Vitals], journal: Path, out: Path, metrics: Metrics
    ) -> None:
        """Open the port, 0 for any; `journal` and `out` are folders.

        Raises
        ------
        PortError
            The port is taken, or not ours to take.
        """
        self._vitals, self._journal, self._out, self._metrics = vitals, journal, out, metrics
        self._found: Status | str = ""
        self._look_again = 0.0
        try:
            self._server = _Server((HOST, port), _handler(self))
        except OSError as err:
            msg = f"--health-port {port}: expected a free port, got: {err.strerror}; give another"
            raise PortError(msg) from err
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health port", daemon=True
        )
        self._thread.start()
        logger.info("health port: http://%s:%d/readyz", HOST, self.port)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def livez(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        return _told([check_alive(self._vitals(), now=time.monotonic())])

    def readyz(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        checks, _ = self._examine()
        return _told(checks)

    def metrics(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        checks, status = self._examine()
        try:
            free_bytes = shutil.disk_usage(self._out).free
        except OSError:  # gone: the checks say what is wrong
            free_bytes = None
        text = self._metrics.text(checks, status, free_bytes=free_bytes)
        return HTTPStatus.OK, _PROMETHEUS, text

    def _examine(self) -> tuple[list[Check], Status | None]:
        now, wall = time.monotonic(), time.time()
        if now >= self._look_again:
            self._found = _look_at(self._journal, wall=wall)
            self._look_again = now + (time.monotonic() - now) / LOOK_SHARE
        checks = check_ready(self._vitals(), self._found, now=now, wall=wall)
        return checks, None if isinstance(self._found, str) else self._found


def _look_at(folder: Path, *, wall: float) -> Status | str:
    """Return the journal's status, or why there is none: in a word, without names."""
    try:
        desk = Desk.open(folder)
        try:
            return desk.status(now=wall)
        finally:
            desk.close()
    except (OSError, sqlite3.Error, BonefxError) as err:
        return type(err).__name__


def _told(checks: list[Check]) -> tuple[HTTPStatus, str, bytes]:
    passed = all(check.status is not CheckStatus.FAIL for check in checks)
    answer = {
        "passed": passed,
        "checks": [dataclasses.asdict(check) for check in checks],
        "notice": NOTICE,
    }
    code = HTTPStatus.OK if passed else HTTPStatus.SERVICE_UNAVAILABLE
    return code, _JSON, (json.dumps(answer, indent=1) + "\n").encode("ascii")


class _Server(HTTPServer):
    def handle_error(self, _request: Any, _address: Any) -> None:
        """Say what broke, in a word; a client that went away is none of our business."""
        kind = sys.exc_info()[0]
        if kind and not issubclass(kind, OSError):
            logger.error("the health port could not answer: %s", kind.__name__)


def _handler(port: HealthPort) -> type[BaseHTTPRequestHandler]:
    pages = {"/livez": port.livez, "/readyz": port.readyz, "/metrics": port.metrics}

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_PATIENCE_S

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                found = f"expected one of {', '.join(pages)}\n".encode("ascii")
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", found)
                return
            self._answer(*page())

        def _answer(self, code: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: a monitor asks every few seconds."""

    return Handler
