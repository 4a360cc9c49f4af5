"""Keep lines of information that native libraries write off standard error; the rest stays."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

VERBOSE: Final = "BONEFX_VERBOSE"
"""Environment variable: where it is set and not empty, all lines are shown as they are written."""
LITERT_INFORMATION: Final = b"INFO: "
"""So LiteRT begins a line that names what it uses, such as its XNNPACK kernels."""
_STDERR: Final = 2
_LOCK = threading.Lock()
"""The file descriptor belongs to the whole process."""


def show_all_lines() -> None:
    """Show all lines, in this process and in those that it starts."""
    os.environ[VERBOSE] = "1"


@contextmanager
def without_lines(*beginnings: bytes) -> Iterator[None]:
    """Hold standard error back; at the end write it without the lines that begin so.

    C++ writes to the file descriptor, not to `sys.stderr`. An exception ends it too, so messages of
    errors come through. Only if the process is killed inside the block are they lost: `VERBOSE`
    shows them.
    """
    if os.environ.get(VERBOSE):
        yield
        return
    with _LOCK:
        try:
            before = os.dup(_STDERR)
        except OSError:  # closed: nothing can be written there
            yield
            return
        held = os.memfd_create("stderr")
        os.dup2(held, _STDERR)
        try:
            yield
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            _write(held, beginnings)


def _write(held: int, beginnings: tuple[bytes, ...]) -> None:
    os.lseek(held, 0, os.SEEK_SET)
    with open(held, "rb") as lines:
        for line in lines:
            if not line.startswith(beginnings):
                os.write(_STDERR, line)
