"""Report readiness, status and watchdog heartbeats to systemd: sd_notify(3)."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from bonefx_edge.errors import UsageError

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S: Final = 1.0
"""If the queue of the manager is full; far below the interval of any watchdog."""
_HEARTBEATS: Final = 2
"""Per watchdog interval, as sd_watchdog_enabled(3) recommends."""


class Notifier:
    """Sends messages to systemd; does nothing without NOTIFY_SOCKET, as in a shell."""

    def __init__(
        self, address: str, *, heartbeat_s: float | None, clock: Callable[[], float]
    ) -> None:
        r"""Store the address ("" or "\0name" too) and the seconds between heartbeats, if any."""
        self._address, self._heartbeat_s, self._clock = address, heartbeat_s, clock
        self._next_heartbeat, self._is_lost = clock(), False

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> "Notifier":
        """Return the notifier of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, or UsageError."""
        name = environ.get("NOTIFY_SOCKET", "")
        if name[:1] not in ("", "/", "@"):
            msg = f"NOTIFY_SOCKET: expected /path or @name, got {name!r}; unset it, or use systemd"
            raise UsageError(msg)
        address = f"\0{name[1:]}" if name.startswith("@") else name
        return cls(address, heartbeat_s=_heartbeat_s(environ), clock=clock)

    def ready(self, status: str) -> None:
        """Report that the service is ready, and its status."""
        self._send(f"READY=1\nSTATUS={' '.join(status.splitlines())}")

    def status(self, text: str) -> None:
        """Set the text of `systemctl status`: no patient data, no file name."""
        # One line: a second one would be another assignment.
        self._send(f"STATUS={' '.join(text.splitlines())}")

    def heartbeat(self) -> None:
        """Send the watchdog heartbeat if half an interval has passed; call it at every step."""
        due = self._heartbeat_s is not None and self._clock() >= self._next_heartbeat
        # A heartbeat that was not delivered is due again at the next call.
        if due and self._send("WATCHDOG=1"):
            self._next_heartbeat = self._clock() + (self._heartbeat_s or 0.0)

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        """Return whether the message was delivered."""
        if not self._address:
            return False
        # A new socket each time, as in systemd: the manager may have been restarted.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.settimeout(SEND_TIMEOUT_S)
            try:
                connection.connect(self._address)  # without it, the timeout would be a busy loop
                connection.send(message.encode("utf-8", "replace"))
            except OSError as err:
                # Logged once and not raised: classification goes on. A manager that misses READY
                # or a heartbeat restarts the service.
                if not self._is_lost:
                    logger.warning("cannot notify the service manager: %s", err)
                self._is_lost = True
                return False
        self._is_lost = False
        return True


def _heartbeat_s(environ: Mapping[str, str]) -> float | None:
    """Return the seconds between two heartbeats; None if no watchdog is set for this process."""
    usec = environ.get("WATCHDOG_USEC")
    if usec is None or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not (usec.isascii() and usec.isdigit() and int(usec) > 0):
        msg = f"WATCHDOG_USEC: expected microseconds, got {usec!r}; unset it, or use systemd"
        raise UsageError(msg)
    return int(usec) / 1e6 / _HEARTBEATS
