"""What was sent of a message that must be repeated, and what will never be sent."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.watch.files import sync_folder

from bonefx_dicom.sender.destination import Destination

SENT_FOLDER: Final = "dicom-sent"
PAUSE_S: Final = 5.0
"""After a failed connection. A backlog of messages would start a process each second."""
NOT_SENT: Final = "dicom-not-sent.jsonl"
"""In the folder of the results: one JSON object a line, for a person to read."""


class Progress:
    """Destinations of one message that have its objects; empty files, kept until all have them."""

    def __init__(self, results: Path, sequence: int) -> None:
        self._folder, self._sequence = results / SENT_FOLDER, sequence

    def waiting(self, destinations: Sequence[Destination]) -> list[Destination]:
        """Return the destinations that do not have the objects yet."""
        return [each for each in destinations if not self._sent(each).exists()]

    def note(self, destination: Destination) -> None:
        """Note that a destination has the objects."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sent(destination).touch()
        self._paused(destination).unlink(missing_ok=True)

    def pause(self, destination: Destination) -> None:
        """Leave a destination alone for `PAUSE_S`, for all messages: it could not be reached."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._paused(destination).touch()

    def is_paused(self, destination: Destination) -> bool:
        """Return whether a destination could not be reached a moment ago."""
        try:
            age = time.time() - self._paused(destination).stat().st_mtime
        except FileNotFoundError:
            return False
        return 0 <= age < PAUSE_S

    def clear(self) -> None:
        """Forget a message that need not be repeated."""
        for mark in self._folder.glob(f"{self._sequence}-*"):
            mark.unlink(missing_ok=True)

    def _sent(self, destination: Destination) -> Path:
        return self._folder / f"{self._sequence}-{_name(destination)}"

    def _paused(self, destination: Destination) -> Path:
        return self._folder / f"paused-{_name(destination)}"


def _name(destination: Destination) -> str:
    return hashlib.sha256(str(destination).encode()).hexdigest()[:16]


def note_not_sent(results: Path, sha256: str, *, to: str, cause: str, now: str) -> None:
    """Add a line to the list of results that will not be sent; it is on disk when this returns."""
    line = json.dumps({"time": now, "sha256": sha256, "to": to, "cause": cause})
    path = results / NOT_SENT
    with path.open("a", encoding="ascii") as stream:
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(results)
