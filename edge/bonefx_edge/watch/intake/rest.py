"""How long a file must be unchanged before it is read, in the folder as it is mounted now."""

from collections.abc import Callable
from typing import Final

from bonefx_edge.watch.intake.open_writers import longest_wait_s
from bonefx_edge.watch.intake.stability import FileStabilityTracker

SETTLE_S: Final = 2.0
SHARED_SETTLE_S: Final = 10.0
"""On a network share: writers on other machines are not seen, and a network pauses for longer."""


class Rest:
    """The settle time, and how much longer a file has to rest that seems to be being written."""

    def __init__(
        self,
        settle_s: float | None,
        *,
        is_shared: Callable[[], bool] = lambda: False,
        waits_for_writers: bool = True,
    ) -> None:
        """Store the parts.

        Parameters
        ----------
        settle_s
            Seconds for which a file must be unchanged before it is read; None: `SETTLE_S`, on a
            share `SHARED_SETTLE_S`.
        is_shared
            Whether other machines can write to the folder; it may raise OSError.
        waits_for_writers
            Whether a file that is being written has longer to be unchanged, see `longest_wait_s`.
        """
        self._settle_s, self._waits_for_writers = settle_s, waits_for_writers
        self._asks_shared, self._is_shared = is_shared, False

    def begin(self) -> FileStabilityTracker:
        """Return a tracker without files, with the settle time for the folder as it is mounted."""
        try:
            self._is_shared = self._asks_shared()
        except OSError:  # the mount table; `FolderEvents` logs it
            self._is_shared = True
        usual_s = SHARED_SETTLE_S if self._is_shared else SETTLE_S
        return FileStabilityTracker(usual_s if self._settle_s is None else self._settle_s)

    def longest_wait_s(self, path: bytes) -> float:
        """Return for how many seconds a file must be unchanged that is being written; else 0."""
        if not self._waits_for_writers:
            return 0.0
        return longest_wait_s(path, is_shared=self._is_shared)
