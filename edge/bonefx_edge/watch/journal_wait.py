"""Wait at the start for the disk of the journal: an empty journal below its mount point is wrong.

Nothing else can begin before. The health port and the service manager show it meanwhile.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.folder_claims import KnownJournalAwayError, find_journal
from bonefx_edge.watch.journal.journal_file import JOURNAL
from bonefx_edge.watch.marked_folder import AwayLog, FolderAwayError, MarkedFolder
from bonefx_edge.watch.monitoring.health import Pause, ServiceSnapshot
from bonefx_edge.watch.monitoring.systemd import Notifier

CHECK_S: Final = 1.0
"""Between two searches for the journal, and between two checks for a stop."""


class JournalWait:
    """Searches for the journal until it is there or the service is to stop."""

    def __init__(self, journal: Path, folders: Sequence[MarkedFolder], notifier: Notifier) -> None:
        """Store the parts: the folder of the journal, and those that it may have marked."""
        self._journal, self._folders, self._notifier = journal, folders, notifier
        self._log = AwayLog(time.monotonic)
        self.is_first_start = False
        """Whether there was no journal and no folder of one: it may be created."""
        self._was_known = False
        """Whether a marker named the journal. The disk of that marker may go away, too."""

    def is_needed(self, *, once: bool) -> bool:
        """Return whether the journal can neither be opened nor created now.

        Raises
        ------
        JournalError
            A folder belongs to another journal; with `once`, also instead of True.
        """
        try:
            self._find()
        except FolderAwayError as err:
            if once:
                msg = f"{self._journal}: {err.strerror}; mount its disk, or run edge-admin rebuild"
                raise JournalError(msg) from err
            return True
        return False

    def _find(self) -> None:
        try:
            is_there = find_journal(self._journal, self._folders)
        except KnownJournalAwayError:
            self._was_known = True
            raise
        if not is_there and self._was_known:
            raise FolderAwayError(JOURNAL, "it does not exist")
        self.is_first_start = not is_there

    def snapshot(self) -> ServiceSnapshot:
        """Return the state of a service that has not begun."""
        now = time.monotonic()
        return ServiceSnapshot(
            last_step=now,
            folder_exists=True,
            folder_answered=now,
            workers_ready=0,
            pause=Pause.FOLDER_AWAY,
            canary_is_healthy=True,
            canary_last_passed=None,
            classified=0,
            refused=0,
            away=JOURNAL,
        )

    def run(self, stop: Callable[[], bool]) -> bool:
        """Return True when the journal is there, False after `stop()`."""
        self._notifier.ready(f"waiting for the folder of the {JOURNAL}")
        while not stop():
            self._notifier.heartbeat()
            try:
                self._find()
            except FolderAwayError as err:
                self._log.report(err)
            else:
                self._log.clear()
                return True
            time.sleep(CHECK_S)
        return False
