"""Tell the service manager how the service fares, by the protocol of sd_notify(3)."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from bonefx_edge.errors import UsageError

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S: Final = 1.0
"""For a manager whose queue is full: far below any watchdog, and never without end."""
_PULSES: Final = 2
"""In each watchdog interval, as sd_watchdog_enabled(3) asks."""


class Notifier:
    """The line to systemd; without NOTIFY_SOCKET, as in a shell, it says nothing to anyone."""

    def __init__(self, address: str, *, pulse_s: float | None, clock: Callable[[], float]) -> None:
        r"""Take the socket's address, "" or "\0name" too; `pulse_s` between two pulses or None."""
        self._address, self._pulse_s, self._clock = address, pulse_s, clock
        self._next_pulse, self._is_lost = clock(), False

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> "Notifier":
        """Return the notifier of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; else UsageError."""
        name = environ.get("NOTIFY_SOCKET", "")
        if name[:1] not in ("", "/", "@"):
            msg = f"NOTIFY_SOCKET: expected /path or @name, got {name!r}; unset it, or use systemd"
            raise UsageError(msg)
        address = f"\0{name[1:]}" if name.startswith("@") else name
        return cls(address, pulse_s=_pulse_s(environ), clock=clock)

    def ready(self, status: str) -> None:
        """Say that the service is up, and what it does."""
        self._send(f"READY=1\nSTATUS={' '.join(status.splitlines())}")

    def status(self, text: str) -> None:
        """Say what the service does, for `systemctl status`: no patient data, no file name."""
        # One line: the next one would be another assignment.
        self._send(f"STATUS={' '.join(text.splitlines())}")

    def watchdog(self) -> None:
        """Say that the service is alive, if half an interval has passed; call it each turn."""
        due = self._pulse_s is not None and self._clock() >= self._next_pulse
        # What was not delivered is due again at the next call, not half an interval later.
        if due and self._send("WATCHDOG=1"):
            self._next_pulse = self._clock() + (self._pulse_s or 0.0)

    def stopping(self) -> None:
        """Say that the service has begun to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        """Return whether the message was delivered."""
        if not self._address:
            return False
        # A socket each time, as in systemd's own: none is kept that a new manager makes stale.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(SEND_TIMEOUT_S)
            try:
                line.connect(self._address)  # unconnected, the timeout would spin, not wait
                line.send(message.encode("utf-8", "replace"))
            except OSError as err:
                # Logged, not raised: films matter more than words about them, and a manager that
                # misses READY or a pulse restarts us. Once a loss: the log of a device is small.
                if not self._is_lost:
                    logger.warning("the service manager does not hear us: %s", err)
                self._is_lost = True
                return False
        self._is_lost = False
        return True


def _pulse_s(environ: Mapping[str, str]) -> float | None:
    """Return the seconds between two pulses; None if no watchdog waits for this process."""
    usec = environ.get("WATCHDOG_USEC")
    if usec is None or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not (usec.isascii() and usec.isdigit() and int(usec) > 0):
        msg = f"WATCHDOG_USEC: expected microseconds, got {usec!r}; unset it, or use systemd"
        raise UsageError(msg)
    return int(usec) / 1e6 / _PULSES
