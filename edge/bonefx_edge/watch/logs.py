"""Log lines of the service."""

import logging
import os
import sys
import time
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass


def tell_error(
    kind: type[BaseException], _error: BaseException, trace: TracebackType | None
) -> None:
    """Say on standard error what broke and where, for `sys.excepthook` of a service.

    Not the words of the error: they may quote the name of a file or a value of a film.
    """
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]
    sys.stderr.write(f"{kind.__name__} at {' > '.join(places)}\n")


_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of syslog, sd-daemon(3)."""


def configure_logging() -> None:
    """Log to standard error, with the priorities that the system's journal reads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    package = logging.getLogger("bonefx_edge")
    package.addHandler(handler)
    package.setLevel(logging.INFO)


class _Lines(logging.Formatter):
    """`<priority>message` for the system's journal, which adds the time; else time and level."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if "JOURNAL_STREAM" in os.environ:
            return f"<{_PRIORITIES[record.levelname]}>{message}"
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {record.levelname:<7} {message}"
