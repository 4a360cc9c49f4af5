"""What the kernel tells of changes in the watched folder (inotify(7)): hints, never the truth."""

import errno
import os
from typing import Final, NamedTuple

from inotify_simple import INotify, flags

_MASK: Final = (
    flags.CREATE | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
    | flags.ATTRIB | flags.DONT_FOLLOW | flags.ONLYDIR
)  # fmt: skip
"""No MODIFY: a file in slow pieces would send one for each, and is looked at again anyhow."""
_FOLDER_COMES: Final = flags.CREATE | flags.MOVED_TO
_GOES: Final = flags.DELETE | flags.MOVED_FROM


class FileEvents(NamedTuple):
    """What may have changed since the last time."""

    files: frozenset[bytes]
    """Below the watched folder; came, changed or went."""
    folders: frozenset[bytes]
    """That came: what lies in them was not listened to until now."""
    lost: bool
    """The kernel's queue was full: anything may have happened."""
    removed: frozenset[bytes] = frozenset()
    """Those of `files` that went, even if another one has come under the name since."""


class InotifyWatcher:
    """Listens to folders of the watched folder, each named once."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._inotify = INotify(nonblocking=True)
        self._folders: dict[int, bytes] = {}

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are hints."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Stop listening."""
        self._inotify.close()

    def add(self, folder: bytes) -> None:
        """Listen to a folder below the root, from now on; a folder that is gone is passed over.

        Raises
        ------
        OSError
            ENOSPC: more folders than fs.inotify.max_user_watches; else the folder is forbidden.
        """
        try:
            watch = self._inotify.add_watch(os.path.join(self._root, folder), _MASK)
        except OSError as err:
            if err.errno in (errno.ENOENT, errno.ENOTDIR):
                return
            raise
        # The kernel gives a folder that was moved its old number: its name is the new one.
        self._folders[watch] = folder

    def read(self) -> FileEvents:
        """Return what happened since the last call, at once."""
        named, lost = [], False
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                lost = True
            elif event.mask & flags.IGNORED:  # folder removed, or its file system unmounted
                self._folders.pop(event.wd, None)
            elif event.name and event.wd in self._folders:
                path = os.path.join(self._folders[event.wd], os.fsencode(event.name))
                named.append((path, event.mask))
        files = [(path, mask) for path, mask in named if not mask & flags.ISDIR]
        folders = [(path, mask) for path, mask in named if mask & flags.ISDIR]
        # Of a folder that moved every file went, without an event of its own.
        lost = lost or any(mask & flags.MOVED_FROM for _, mask in folders)
        return FileEvents(
            files=frozenset(path for path, _ in files),
            folders=frozenset(path for path, mask in folders if mask & _FOLDER_COMES),
            lost=lost,
            removed=frozenset(path for path, mask in files if mask & _GOES),
        )
