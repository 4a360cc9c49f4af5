"""HTTP server on 127.0.0.1: /livez, /readyz and /metrics, in a thread of its own.

It reads the last snapshot of the main loop, and the journal over its own connection: it works also
while the main loop hangs.
"""

import dataclasses
import json
import logging
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.errors import BonefxError, PortError
from bonefx_edge.watch.journal.admin import JournalAdmin, Status
from bonefx_edge.watch.monitoring.health import ServiceSnapshot, check_alive, check_ready
from bonefx_edge.watch.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
CLIENT_TIMEOUT_S: Final = 5.0
"""For a silent client."""
MAX_CLIENTS: Final = 16
"""Threads that serve a client each: far below TasksMax= of the unit."""
QUERY_TIMEOUT_S: Final = 5.0
"""Longest wait for the query of another client: a disk may never answer."""
MAX_QUERY_SHARE: Final = 0.01
"""Upper limit for the share of time spent on queries of the journal, at any request rate. A query
over 100,000 images takes half a second on x86-64; its result is then up to 45 s old."""
_JSON: Final = "application/json"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """Serves requests until it is closed."""

    def __init__(
        self,
        port: int,
        *,
        snapshot: Callable[[], ServiceSnapshot],
        journal: Path,
        out: Path,
        metrics: Metrics,
    ) -> None:
        """Start to serve on `port`, 0 for any free one; `journal` and `out` are folders.

        Raises
        ------
        PortError
            The port is in use, or needs more rights.
        """
        self._snapshot, self._journal, self._out, self._metrics = snapshot, journal, out, metrics
        self._status: Status | str = ""
        self._next_query = 0.0
        self._one_query = threading.Lock()
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
        logger.info("health checks at http://%s:%d/readyz", HOST, self.port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def livez(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        return _response([check_alive(self._snapshot(), now=time.monotonic())])

    def readyz(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        checks, _ = self._run_checks()
        return _response(checks)

    def metrics(self) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and body."""
        checks, status = self._run_checks()
        try:
            free_bytes = shutil.disk_usage(self._out).free
        except OSError:  # the checks report the cause
            free_bytes = None
        text = self._metrics.text(checks, status, free_bytes=free_bytes)
        return HTTPStatus.OK, _PROMETHEUS, text

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


def _query(folder: Path, snapshot: ServiceSnapshot, *, wall: float) -> Status | str:
    """Return the status of the journal, or the type of the error: no message, no file name."""
    try:
        admin = JournalAdmin.open(folder)
        try:
            return admin.status(now=wall, clock_steps=snapshot.clock_steps)
        finally:
            admin.close()
    except (OSError, sqlite3.Error, BonefxError) as err:
        return type(err).__name__


def _response(checks: list[Check]) -> tuple[HTTPStatus, str, bytes]:
    passed = all(check.status is not CheckStatus.FAIL for check in checks)
    body = {
        "passed": passed,
        "checks": [dataclasses.asdict(check) for check in checks],
        "notice": NOTICE,
    }
    code = HTTPStatus.OK if passed else HTTPStatus.SERVICE_UNAVAILABLE
    return code, _JSON, (json.dumps(body, indent=1) + "\n").encode("ascii")


class _Server(ThreadingHTTPServer):
    """One thread per client; when there are too many, the first that has not asked yet must go."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._has_asked: dict[Any, bool] = {}
        """Connection -> whether its request has come, in the order in which they came."""
        self._changed = threading.Condition()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread of its own."""
        with self._changed:
            while len(self._has_asked) >= MAX_CLIENTS:
                silent = next((key for key, asked in self._has_asked.items() if not asked), None)
                if silent is None:
                    self._changed.wait()
                    continue
                del self._has_asked[silent]
                with suppress(OSError):  # it may have hung up
                    silent.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and closes it
            self._has_asked[request] = False
        super().process_request(request, client_address)

    def mark_asked(self, request: Any) -> None:
        """Record that the request of a connection has come: it gets its response."""
        with self._changed:
            if request in self._has_asked:
                self._has_asked[request] = True

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._changed:
            self._has_asked.pop(request, None)
            self._changed.notify()
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Log the type of an error, except when the client closed the connection."""
        kind = sys.exc_info()[0]
        if kind and not issubclass(kind, OSError):
            logger.error("health check failed: %s", kind.__name__)


def _handler(server: HealthServer) -> type[BaseHTTPRequestHandler]:
    pages = {"/livez": server.livez, "/readyz": server.readyz, "/metrics": server.metrics}

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            if isinstance(self.server, _Server):
                self.server.mark_asked(self.request)
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                found = f"expected one of {', '.join(pages)}\n".encode("ascii")
                self._send(HTTPStatus.NOT_FOUND, "text/plain", found)
                return
            self._send(*page())

        do_HEAD = do_GET  # noqa: N815 -- the name that the base class calls

        def _send(self, code: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Do not log requests: a monitor sends one every few seconds."""

    return Handler
