"""The files of the verdicts: one for each film, one JSON object a line, oldest first.

A new verdict is first written to the folder `next`, with all lines before it. The commit of the
database decides whether it counts: then the new file takes the place of the old one, or goes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bonefx_edge.watch.files import sync_folder

FOLDER: Final = "verdicts"
_NEXT: Final = "next"
"""In it, files that wait for the commit: none, but after a kill."""
_SUFFIX: Final = ".jsonl"


class VerdictFiles:
    """The folder of these files, in that of the page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._next = self._folder / _NEXT

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other threads and processes from changing the files."""
        self._next.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def prepare(self, sha256: str, line: str) -> None:
        """Write the next file of a film; it is on disk when this returns."""
        lines = [*_complete_lines(self._folder / _name(sha256)), line]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(self._next / _name(sha256), flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.writelines(f"{each}\n" for each in lines)
            stream.flush()
            os.fsync(descriptor)
        sync_folder(self._next)
        sync_folder(self._folder)  # it may just have got the folder `next`

    def publish(self, sha256: str) -> None:
        """Put the next file of a film in the place of the present one."""
        (self._next / _name(sha256)).replace(self._folder / _name(sha256))
        sync_folder(self._folder)

    def discard(self, sha256: str) -> None:
        """Remove the next file of a film, if there is one."""
        (self._next / _name(sha256)).unlink(missing_ok=True)

    def waiting(self) -> list[tuple[str, str]]:
        """Return the films that have a next file, with its last whole line or nothing."""
        found = []
        for path in sorted(self._next.glob(f"*{_SUFFIX}")):
            lines = _complete_lines(path)
            found.append((path.stem, lines[-1] if lines else ""))
        return found

    def lines(self) -> Iterator[tuple[Path, str]]:
        """Yield each verdict with its file."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            for line in _complete_lines(path):
                yield path, line


def _name(sha256: str) -> str:
    return f"{sha256}{_SUFFIX}"


def _complete_lines(path: Path) -> list[str]:
    """Return the lines of a file; half a line at its end is of a power cut, and never counted."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()
