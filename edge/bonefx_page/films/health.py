"""The health of the service in one line."""

import http.client
import json
import threading
import time
from typing import Any, Final, NamedTuple

TIMEOUT_S: Final = 2.0
KEEP_S: Final = 10.0
"""An answer is used so long: each page shows it."""
_LIMIT_BYTES: Final = 1 << 16


class Health(NamedTuple):
    """What /readyz says."""

    is_ready: bool
    problems: tuple[tuple[str, str, str], ...]
    """Name, what was found and what to do, of each check that is not ok."""


class HealthReader:
    """Asks the health port of the service."""

    def __init__(self, port: int | None) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._answer: Health | None = None
        self._until = 0.0

    def read(self) -> Health | None:
        """Return the health; None if no port was given."""
        if self._port is None:
            return None
        with self._lock:
            if self._answer is None or time.monotonic() >= self._until:
                self._answer = _ask(self._port)
                self._until = time.monotonic() + KEEP_S
            return self._answer


def _ask(port: int) -> Health:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer: dict[str, Any] = json.loads(connection.getresponse().read(_LIMIT_BYTES))
        problems = [
            (str(check["name"]), str(check["found"]), str(check["remedy"]))
            for check in answer["checks"]
            if check["status"] != "ok"
        ]
        return Health(bool(answer["passed"]), tuple(problems))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as err:
        found = f"port {port}: {type(err).__name__}"
        return Health(is_ready=False, problems=(("health port", found, "is the service running?"),))
    finally:
        connection.close()
