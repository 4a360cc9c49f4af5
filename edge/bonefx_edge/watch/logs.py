"""Log lines of the service."""

import logging
import os
import sys
import time
import traceback
from types import TracebackType
from typing import Final


def log_uncaught(
    kind: type[BaseException], _error: BaseException, trace: TracebackType | None
) -> None:
    """Write the type and the stack of an error to stderr, as `sys.excepthook` of the service.

    Without its message, which may contain the name of a file or a value of an image.
    """
    frames = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]
    sys.stderr.write(f"{kind.__name__} at {' > '.join(frames)}\n")


_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Syslog priorities, see sd-daemon(3)."""


def configure_logging(*packages: str) -> None:
    """Log records of bonefx_edge and of `packages` to stderr; with priorities for systemd."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    for name in ("bonefx_edge", *packages):
        package = logging.getLogger(name)
        package.addHandler(handler)
        package.setLevel(logging.INFO)


class _Formatter(logging.Formatter):
    """`<priority>message` for the systemd journal, which adds the time; else time and level."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if "JOURNAL_STREAM" in os.environ:
            return f"<{_PRIORITIES[record.levelname]}>{message}"
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {record.levelname:<7} {message}"
