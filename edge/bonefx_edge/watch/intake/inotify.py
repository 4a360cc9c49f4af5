"""Events of changes in the watched folder (inotify(7)); some are lost, so it is walked too."""

import errno
import os
from typing import Final, NamedTuple

from inotify_simple import INotify, flags

_MASK: Final = (
    flags.CREATE | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
    | flags.ATTRIB | flags.DONT_FOLLOW | flags.ONLYDIR
)  # fmt: skip
"""No MODIFY: a slow copy would cause many, and its file is checked again anyway."""
_FOLDER_APPEARS: Final = flags.CREATE | flags.MOVED_TO
_DISAPPEARS: Final = flags.DELETE | flags.MOVED_FROM


class FileEvents(NamedTuple):
    """Paths below the watched folder that may have changed since the last call."""

    files: frozenset[bytes]
    """That appeared, changed or disappeared."""
    folders: frozenset[bytes]
    """That appeared: they were not watched until now."""
    lost: bool
    """Whether events were lost: the kernel's queue was full, or a folder was moved."""
    removed: frozenset[bytes] = frozenset()
    """Those of `files` that disappeared, even if there is another one of that name now."""
    is_root_gone: bool = False
    """Whether the watched folder itself was removed or unmounted: nothing is watched any more."""


class InotifyWatcher:
    """Watches the folders that are added."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._inotify = INotify(nonblocking=True)
        self._folders: dict[int, bytes] = {}

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are events."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()

    def add(self, folder: bytes) -> None:
        """Watch a folder below the root from now on; one that does not exist is ignored.

        Raises
        ------
        OSError
            ENOSPC: more folders than fs.inotify.max_user_watches; else the folder cannot be read.
        """
        try:
            watch = self._inotify.add_watch(os.path.join(self._root, folder), _MASK)
        except OSError as err:
            if err.errno in (errno.ENOENT, errno.ENOTDIR):
                return
            raise
        # A folder that was moved keeps its number in the kernel: it has the new name.
        self._folders[watch] = folder

    def read(self) -> FileEvents:
        """Return the events since the last call; does not block."""
        named, lost, is_root_gone = [], False, False
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                lost = True
            elif event.mask & flags.IGNORED:  # folder removed, or its file system unmounted
                is_root_gone |= self._folders.pop(event.wd, None) == b""
            elif event.name and event.wd in self._folders:
                path = os.path.join(self._folders[event.wd], os.fsencode(event.name))
                named.append((path, event.mask))
        files = [(path, mask) for path, mask in named if not mask & flags.ISDIR]
        folders = [(path, mask) for path, mask in named if mask & flags.ISDIR]
        # The files in a folder that was moved disappear without events of their own.
        lost = lost or any(mask & flags.MOVED_FROM for _, mask in folders)
        return FileEvents(
            files=frozenset(path for path, _ in files),
            folders=frozenset(path for path, mask in folders if mask & _FOLDER_APPEARS),
            lost=lost,
            removed=frozenset(path for path, mask in files if mask & _DISAPPEARS),
            is_root_gone=is_root_gone,
        )
