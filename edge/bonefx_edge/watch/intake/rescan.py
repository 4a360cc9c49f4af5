"""When the watched folder is walked, and from which folder on."""

import math
from collections.abc import Callable
from typing import Final

RESCAN_EVENTS_S: Final = 60.0
"""Between two walks if the kernel reports changes: the longest wait for one that it missed."""
RESCAN_POLLING_S: Final = 1.0
"""Between two walks if it does not."""
MAX_RESCAN_S: Final = 300.0
MAX_RESCAN_SHARE: Final = 0.004
"""Largest share of the time that is spent on walking, up to `MAX_RESCAN_S` between two walks: a
large folder on a small device is walked less often."""


class RescanSchedule:
    """Walks that are due: of new folders, and of the whole folder at intervals or on request."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._new_folders: set[bytes] = set()
        self._is_whole, self._spent_s = True, 0.0
        self.next_walk = clock()
        """Monotonic second of the next walk of the whole folder."""
        self.completed = 0
        """Walks of the whole folder since the start."""

    @property
    def is_due(self) -> bool:
        """Whether a walk is to be started."""
        return bool(self._new_folders) or self._clock() >= self.next_walk

    @property
    def has_new_folders(self) -> bool:
        """Whether folders that appeared are still to be walked."""
        return bool(self._new_folders)

    def request(self) -> None:
        """Walk the whole folder as soon as possible; after a walk in progress, once more."""
        self.next_walk = self._clock()

    def add_folder(self, folder: bytes) -> None:
        """Walk a folder that appeared, below the watched folder."""
        self._new_folders.add(folder)

    def clear_folders(self) -> None:
        """Drop the folders that appeared."""
        self._new_folders.clear()

    def begin(self) -> bytes:
        """Return where the next walk starts: at a new folder, else b"" for the whole folder."""
        self._is_whole = not self._new_folders
        if self._new_folders:
            return self._new_folders.pop()
        self.next_walk = math.inf  # a request from now on is for another walk, after this one
        return b""

    def add_time(self, seconds: float) -> None:
        """Count time spent on walking. A walk pauses while files of a backlog become stable."""
        self._spent_s += seconds

    def end(self, *, interval_s: float) -> bool:
        """End a walk; return whether it was one of the whole folder."""
        if not self._is_whole:
            return False
        self.completed += 1
        pause_s = max(interval_s, min(self._spent_s / MAX_RESCAN_SHARE, MAX_RESCAN_S))
        self.next_walk = min(self.next_walk, self._clock() + pause_s)
        self._spent_s = 0.0
        return True

    def abort(self, *, interval_s: float) -> bool:
        """End a walk that failed; return whether it was one of the whole folder."""
        if self._is_whole:
            self.next_walk = self._clock() + interval_s
        return self._is_whole
