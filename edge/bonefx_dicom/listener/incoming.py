"""Data sets on their way to disk: written as they arrive, visible only when complete."""

import fcntl
import os
import threading
from collections.abc import Callable
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Final

from bonefx_edge.decode.limits import Limits
from bonefx_edge.watch.files import sync_folder

PARTIAL_FOLDER: Final = ".dicom"
"""Inside the folder of the films, on the same disk; hidden folders are not watched."""
_MODE: Final = 0o640
"""Members of the group of the folder may read films."""


class Fault(StrEnum):
    """Why a data set is not kept."""

    DISK_LOW = "disk_low"
    """Less free space than the watermark."""
    DISK_ERROR = "disk_error"
    """The disk is full, or cannot be written for another cause."""
    TOO_LARGE = "too_large"
    """More bytes than the decoder reads."""


class IncomingFile:
    """One data set with its file meta information; the part of a file that pynetdicom uses.

    A fault is remembered, not raised: the rest of the data set is then read and dropped, so that
    the sender gets a status that says why, and not an abort.
    """

    def __init__(self, path: Path, *, owner: threading.Thread, is_low: bool) -> None:
        self.name = str(path)
        self.owner = owner
        """Thread that receives it."""
        self.fault: Fault | None = None
        self._size, self._descriptor = 0, -1
        if is_low:
            self.fault = Fault.DISK_LOW
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(path, flags, _MODE)
        except OSError:
            self.fault = Fault.DISK_ERROR

    @property
    def file(self) -> "IncomingFile":
        """The object that pynetdicom flushes after each write."""
        return self

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def write(self, data: bytes) -> int:
        """Append data; after a fault they are dropped."""
        if self.fault is None:
            self._size += len(data)
            if self._size > Limits().max_bytes:
                self._give_up(Fault.TOO_LARGE)
            else:
                self._append(memoryview(data))
        return len(data)

    def publish(self, target: Path) -> None:
        """Make the complete file durable, then give it its name, then make the name durable.

        Raises
        ------
        OSError
            The disk is full or cannot be written; nothing may be acknowledged.
        """
        os.fsync(self._descriptor)
        Path(self.name).rename(target)
        self.close()
        sync_folder(target.parent)

    def close(self) -> None:
        """Close the file; it stays on disk."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close the file and remove it, if it has no name of its own yet."""
        self.close()
        Path(self.name).unlink(missing_ok=True)

    def _append(self, data: memoryview) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self._give_up(Fault.DISK_ERROR)

    def _give_up(self, fault: Fault) -> None:
        """Free the space at once: the rest of the data set may take minutes."""
        self.fault = fault
        self.discard()


class IncomingFiles:
    """All data sets that are being received; used by the threads of all associations."""

    def __init__(self, folder: Path, *, is_low: Callable[[], bool]) -> None:
        """Remove what an earlier process left in the folder of partial files.

        Raises
        ------
        BlockingIOError
            Another listener uses the folder: its films must not be taken for leftovers.
        OSError
            The folder cannot be created or written.
        """
        self._folder, self._is_low = folder / PARTIAL_FOLDER, is_low
        self._folder.mkdir(exist_ok=True)
        # Held until the process ends, also by SIGKILL.
        self._claim = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._claim)
            raise
        for left in self._folder.iterdir():
            left.unlink()
        self._numbers = count()
        self._open: dict[str, IncomingFile] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def open(self) -> IncomingFile:
        """Return a new file, owned by the calling thread."""
        path = self._folder / f"{next(self._numbers)}.part"
        incoming = IncomingFile(path, owner=threading.current_thread(), is_low=self._is_low())
        with self._lock:
            self._open[incoming.name] = incoming
        return incoming

    def take(self, path: Path) -> IncomingFile | None:
        """Return a complete file, which now belongs to the caller; None where it was swept."""
        with self._lock:
            return self._open.pop(str(path), None)

    def sweep(self) -> int:
        """Remove the files whose association has ended; return how many."""
        with self._lock:
            ended = [each for each in self._open.values() if not each.owner.is_alive()]
            for each in ended:
                del self._open[each.name]
        for each in ended:
            each.discard()
        return len(ended)
