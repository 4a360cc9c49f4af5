"""HTTP server on 127.0.0.1 for a few pages of a service, in a thread of its own."""

import dataclasses
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.errors import PortError

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
CLIENT_TIMEOUT_S: Final = 5.0
"""For a silent client."""
MAX_CLIENTS: Final = 16
"""Threads that serve a client each: far below TasksMax= of the unit."""
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the exposition format."""
_JSON: Final = "application/json"

Response = tuple[HTTPStatus, str, bytes]
"""Status, media type, body."""


class PageServer:
    """Serves requests until it is closed."""

    def __init__(self, port: int, pages: Mapping[str, Callable[[], Response]]) -> None:
        """Start to serve `pages`, path -> function, on `port`, 0 for any free one.

        Raises
        ------
        PortError
            The port is in use, or needs more rights.
        """
        try:
            self._server = _Server((HOST, port), _handler(pages))
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


def checks_response(checks: list[Check]) -> Response:
    """Return the checks as JSON; 503 if one failed."""
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


def _handler(
    pages: Mapping[str, Callable[[], Response]],
) -> type[BaseHTTPRequestHandler]:
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
