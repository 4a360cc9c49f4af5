"""The kernel's events of the watched folder, or none where it must be polled."""

import errno
import logging
from collections.abc import Callable
from typing import Final

from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.intake.inotify import FileEvents, InotifyWatcher
from bonefx_edge.watch.intake.rescan import RESCAN_EVENTS_S, RESCAN_POLLING_S

logger = logging.getLogger(__name__)

_LIMIT_REACHED: Final = (errno.ENOSPC, errno.ENOMEM, errno.EMFILE)
"""The kernel watches no more folders."""


class FolderEvents:
    """Events while the kernel can report all changes; without events the folder is polled."""

    def __init__(self, root: bytes, needs_polling: Callable[[], bool]) -> None:
        self._root, self._needs_polling = root, needs_polling
        self._watcher: InotifyWatcher | None = None

    @property
    def interval_s(self) -> float:
        """Seconds between two walks."""
        return RESCAN_POLLING_S if self._watcher is None else RESCAN_EVENTS_S

    def fileno(self) -> int | None:
        """Return the descriptor that is readable when there are events; None while polling."""
        return None if self._watcher is None else self._watcher.fileno()

    def open(self) -> None:
        """Start with no folder watched, or polling."""
        self._watcher = self._open()
        logger.info("watching by %s", "polling" if self._watcher is None else "events")

    def add(self, folder: bytes) -> bool:
        """Watch a folder below the root; return False if polling starts, at the kernel's limit.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        if self._watcher is None:
            return True
        try:
            self._watcher.add(folder)
        except OSError as err:
            if err.errno not in _LIMIT_REACHED:
                raise
            logger.warning(
                "no events (%s): the folder is walked every %g s instead; "
                "raise fs.inotify.max_user_watches",
                *(error_name(err), RESCAN_POLLING_S),
            )
            self.close()
            return False
        return True

    def read(self) -> FileEvents | None:
        """Return the events since the last call; None while polling."""
        return None if self._watcher is None else self._watcher.read()

    def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _open(self) -> InotifyWatcher | None:
        try:
            if self._needs_polling():
                return None
        except OSError as err:
            logger.warning("the mount table cannot be read (%s)", error_name(err))
            return None
        try:
            return InotifyWatcher(self._root)
        except OSError as err:
            logger.warning("no events (%s): raise fs.inotify.max_user_instances", error_name(err))
            return None
