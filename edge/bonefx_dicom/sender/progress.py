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
from bonefx_dicom.sender.result import ResultMessage

SENT_FOLDER: Final = "dicom-sent"
PAUSE_S: Final = 5.0
"""After a failed connection. A backlog of messages would start a process each second."""
MAX_WAIT_S: Final = 86_400.0
"""Until a message is given up that can only be sent if a person corrects something: enough for a
working day. Not longer, since each message that waits starts a command every five minutes."""
NOT_SENT: Final = "dicom-not-sent.jsonl"
"""In the folder of the results: one JSON object a line, for a person to read."""
_DIGITS: Final = 16
"""Of a sha256, in the names of the files."""


class Progress:
    """Destinations of one message that have its objects; empty files, kept until all have them."""

    def __init__(self, results: Path, message: ResultMessage) -> None:
        self._folder = results / SENT_FOLDER
        # With the content: a new journal counts its messages from 1 again.
        self._message = f"{message.sequence}-{message.sha256[:_DIGITS]}"

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

    def waited_for_film(self) -> bool:
        """Return whether the film of this message has been away or another for `MAX_WAIT_S`."""
        return self._is_old(self._folder / f"{self._message}-film")

    def waited_for(self, destination: Destination) -> bool:
        """Return whether a destination has accepted no SOP class for `MAX_WAIT_S`."""
        return self._is_old(self._unaccepted(destination))

    def note_accepted(self, destination: Destination) -> None:
        """Note that a destination accepts objects."""
        self._unaccepted(destination).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget a message that need not be repeated."""
        for mark in self._folder.glob(f"{self._message}-*"):
            mark.unlink(missing_ok=True)

    def _is_old(self, mark: Path) -> bool:
        """Return whether a mark is older than `MAX_WAIT_S`; make it if there is none."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if not mark.exists():
            mark.touch()
        return time.time() - mark.stat().st_mtime > MAX_WAIT_S

    def _sent(self, destination: Destination) -> Path:
        return self._folder / f"{self._message}-{_name(destination)}"

    def _unaccepted(self, destination: Destination) -> Path:
        return self._folder / f"unaccepted-{_name(destination)}"

    def _paused(self, destination: Destination) -> Path:
        return self._folder / f"paused-{_name(destination)}"


def _name(destination: Destination) -> str:
    return hashlib.sha256(str(destination).encode()).hexdigest()[:_DIGITS]


def note_not_sent(results: Path, sha256: str, *, to: str, cause: str, now: str) -> None:
    """Add a line to the list of results that will not be sent; it is on disk when this returns."""
    line = json.dumps({"time": now, "sha256": sha256, "to": to, "cause": cause})
    path = results / NOT_SENT
    with path.open("a", encoding="ascii") as stream:
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(results)


def count_not_sent(results: Path) -> int:
    """Return the number of lines in the list of results that will not be sent.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        with (results / NOT_SENT).open("rb") as stream:
            return sum(1 for _ in stream)
    except FileNotFoundError:
        return 0
