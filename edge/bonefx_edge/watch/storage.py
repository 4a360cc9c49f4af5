"""The disks of results and journal: full, failed, not mounted, and back again."""

import logging
import shutil
import sqlite3
from collections.abc import Callable
from typing import Final

from bonefx_edge.errors import JournalError, JournalHeldError
from bonefx_edge.watch.backoff import pause_before_retry
from bonefx_edge.watch.folder_claims import claim
from bonefx_edge.watch.journal.connection import error_code, is_temporary
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.journal_file import JOURNAL
from bonefx_edge.watch.marked_folder import AwayLog, FolderAwayError
from bonefx_edge.watch.monitoring.health import Pause
from bonefx_edge.watch.results import ResultFolder

logger = logging.getLogger(__name__)

DISK_CHECK_S: Final = 1.0
ERROR_PAUSE_S: Final = 5.0
"""After results or journal could not be written; doubled each time, up to `MAX_ERROR_PAUSE_S`."""
MAX_ERROR_PAUSE_S: Final = 30.0
HELD_WARNING_S: Final = 5.0
"""A part of the service closes its connection within a second, unless it waits for something."""
MAX_HELD_S: Final = 120.0
"""Then the service ends. Longer than a command or receiver of messages may take."""
MIN_RESUME_BYTES: Final = 1 << 20
"""Free space to resume after a full disk: enough for a few hundred results."""


class Storage:
    """Says whether results and journal can be written, and opens the journal anew if need be."""

    def __init__(
        self,
        journal: Journal,
        results: ResultFolder,
        min_free_bytes: int,
        *,
        clock: Callable[[], float],
    ) -> None:
        """Store the parts; `clock` gives monotonic seconds."""
        self._journal, self._results, self._min_free_bytes = journal, results, min_free_bytes
        self._clock, self._next_check, self._errors = clock, clock(), 0
        self._away_log, self._lost_since = AwayLog(clock), clock()
        self.pause = Pause.NONE
        self.away = ""
        """Which folder is waited for, results or journal; which parts, if they hold the journal."""
        self.journal_is_lost = False
        """Whether the journal must be opened anew; its connection cannot be used."""

    @property
    def is_broken(self) -> bool:
        """Whether the images in progress were dropped at the pause."""
        return self.pause not in (Pause.NONE, Pause.DISK_LOW)

    def begin(self) -> None:
        """Recognize or mark the folder of the results, and clean it up; pause if it must wait.

        Raises
        ------
        JournalError
            It belongs to the service of another journal.
        OSError, sqlite3.OperationalError
            It cannot be used, and nothing suggests that this will pass.
        """
        try:
            self.claim()
            self._results.sweep()
        except FolderAwayError as err:
            self.suspend(err)
        except (OSError, sqlite3.OperationalError) as err:
            if not is_temporary(err):
                raise
            self.suspend(err)

    def claim(self) -> None:
        """Check that the folder of the results is the one of this journal.

        Raises
        ------
        FolderAwayError
            It is not, or it is missing.
        JournalError
            It belongs to the service of another journal.
        """
        if self._results.marked.marker is None:
            claim(self._journal.connection, self._results.marked, journal=self._journal.folder)
        self._results.marked.check()

    def require_journal(self) -> None:
        """Raise JournalError if the journal is away: what is left to do is not known."""
        if self.journal_is_lost:
            msg = f"{self._journal.folder}: the journal is away; mount its disk and start again"
            raise JournalError(msg)

    def check(self) -> bool:
        """Check what is due: pause while a disk is low; return whether work is resumed.

        Raises
        ------
        FolderAwayError, OSError, sqlite3.OperationalError, JournalError
            Call `suspend` with it.
        JournalHeldError
            The service must end.
        """
        now = self._clock()
        if now < self._next_check:
            return False
        self._next_check = now + DISK_CHECK_S
        if not self._has_journal():
            return False
        try:
            self.claim()
        except JournalError as err:  # another service has taken the folder meanwhile
            raise FolderAwayError(self._results.marked.name, str(err)) from err
        free = shutil.disk_usage(self._results.marked.path).free
        if self.pause is Pause.NONE:
            self._errors = 0
            if free < self._min_free_bytes:
                logger.error("only %d MiB free: paused", free >> 20)
                self.pause = Pause.DISK_LOW
        elif free >= max(self._min_free_bytes, MIN_RESUME_BYTES):
            self._resume()
            return True
        return False

    def _has_journal(self) -> bool:
        """Check that the journal is in its place, or open it anew; False: not yet."""
        if not self.journal_is_lost:
            self._journal.check_place()
            return True
        users = self._journal.access.users
        if users:
            self._wait_for(", ".join(users))
            return False
        self._journal.reopen()
        self.journal_is_lost = False
        self._journal.access.allow()
        logger.warning("the journal was opened again")
        return True

    def _wait_for(self, users: str) -> None:
        """Say which parts of the service keep the journal from being opened again.

        Raises
        ------
        JournalHeldError
            For too long: a new process has no connection to the old file.
        """
        held_s = self._clock() - self._lost_since
        if held_s > MAX_HELD_S:
            msg = (
                f"the journal cannot be opened again: in use by {users} for {held_s:.0f} s; "
                "check the disk or share that does not answer, then start the service again"
            )
            raise JournalHeldError(msg)
        if held_s > HELD_WARNING_S and self.pause is not Pause.JOURNAL_HELD:
            logger.error("the journal cannot be opened again while in use by %s", users)
            self.pause, self.away = Pause.JOURNAL_HELD, users

    def _resume(self) -> None:
        if self.is_broken:  # images in progress were dropped
            self._journal.release_all_claimed()
            self._results.sweep()
        self._away_log.clear()
        logger.warning("resumed")
        self.pause, self.away = Pause.NONE, ""

    def suspend(self, err: OSError | sqlite3.OperationalError | JournalError) -> None:
        """Pause after a disk failed; look again soon if a folder is away, else with back-off."""
        pause_s = DISK_CHECK_S
        if isinstance(err, FolderAwayError):
            self._away_log.report(err)
            self.pause, self.away = Pause.FOLDER_AWAY, err.name
        else:
            stage = "results" if isinstance(err, OSError) else "journal"
            cause = str(err) if isinstance(err, JournalError) else error_code(err)
            logger.error("cannot write the %s (%s): paused", stage, cause)
            self.pause, self.away = Pause.STORAGE_ERROR, ""
            self._errors += 1
            pause_s = pause_before_retry(attempts=self._errors, first_s=ERROR_PAUSE_S)
        self._next_check = self._clock() + min(pause_s, MAX_ERROR_PAUSE_S)
        if self.away == JOURNAL or not isinstance(err, OSError):
            if not self.journal_is_lost:
                self.journal_is_lost, self._lost_since = True, self._clock()
            self._journal.access.shut()
