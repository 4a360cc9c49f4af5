"""The watched folder itself: whether it exists, and whether it is still the same one."""

import logging
import math
import os
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from bonefx_edge.text import printable
from bonefx_edge.watch.files import error_name

logger = logging.getLogger(__name__)

ROOT_CHECK_S: Final = 2.0
"""Between two checks whether the folder is still the same: a mount sends no event."""
WARNING_INTERVAL_S: Final = 60.0
"""Between two warnings that the folder cannot be read."""


class RootChange(Enum):
    """What a check of the watched folder found."""

    NONE = auto()
    MISSING = auto()
    """It cannot be read."""
    NEW = auto()
    """It appeared, or it is another folder than before: unmounted, mounted or replaced."""


class RootMonitor:
    """Checks whether the watched folder exists and is still the same one."""

    def __init__(self, root: bytes, *, clock: Callable[[], float]) -> None:
        self._root, self._clock = root, clock
        self._identity: tuple[int, int] | None = None
        self._next_warning = -math.inf
        self.next_check = clock()
        """Monotonic second of the next check."""
        self.exists: bool | None = None
        """Whether the folder could be read at the last check; None before the first."""

    def check(self) -> RootChange:
        """Check it now."""
        self.next_check = self._clock() + ROOT_CHECK_S
        try:
            status = os.stat(self._root)
        except OSError as err:
            self.exists, self._identity = False, None
            self._warn(err)
            return RootChange.MISSING
        self.exists, self._next_warning = True, -math.inf
        before, self._identity = self._identity, (status.st_dev, status.st_ino)
        if before == self._identity:
            return RootChange.NONE
        if before is not None:
            logger.warning("the watched folder was unmounted, mounted or replaced")
        return RootChange.NEW

    def forget(self) -> None:
        """Treat what is there at the next step as another folder, whatever its inode number."""
        self._identity = None
        self.check_soon()

    def check_soon(self) -> None:
        """Check it in the next step."""
        self.next_check = self._clock()

    def _warn(self, err: OSError) -> None:
        """Log that the folder cannot be read, at once and then every minute."""
        now = self._clock()
        if now >= self._next_warning:
            logger.warning(
                "the watched folder %s cannot be read (%s): waiting for it",
                *(printable(os.fsdecode(self._root)), error_name(err)),
            )
            self._next_warning = now + WARNING_INTERVAL_S
