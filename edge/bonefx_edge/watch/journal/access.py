"""Connections of the other threads to the journal, which can be closed from the main loop.

A journal whose disk failed is opened anew only when no connection of this process is left: SQLite
keeps one state for all connections to a file, and would use that of the dead disk for the new one.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.journal.connection import reopen


class JournalAccess:
    """Lets threads connect to an existing journal until it is shut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal_id: str | None = None
        """Connections are made to the journal of this id only; None: it is not known yet."""
        self._lock = threading.Lock()
        self._users: list[str] = []
        self.is_shut = False
        """Whether threads must close their connections and make no new ones."""
        self._noted = threading.Condition()
        self._results = 0

    @property
    def users(self) -> list[str]:
        """What has a connection open, sorted."""
        with self._lock:
            return sorted(self._users)

    @contextmanager
    def connect(self, user: str) -> Iterator[sqlite3.Connection]:
        """Yield a connection for the thread that calls; it ends its work when `is_shut`.

        Parameters
        ----------
        user
            What uses it, for people: intake, messages, archive.

        Raises
        ------
        JournalError, OSError, sqlite3.OperationalError
            As `connection.reopen`; JournalError while it is shut.
        """
        with self._lock:
            if self.is_shut:
                msg = "the journal is closed until its disk is back"
                raise JournalError(msg)
            self._users.append(user)
        try:
            with closing(reopen(self.folder, expected=self.journal_id)) as connection:
                yield connection
        finally:
            with self._lock:
                self._users.remove(user)

    @property
    def results(self) -> int:
        """How often `note_result` was called."""
        return self._results

    def note_result(self) -> None:
        """Wake the threads that wait for a result, as one was recorded, or as they must end."""
        with self._noted:
            self._results += 1
            self._noted.notify_all()

    def wait_for_result(self, seen: int, *, timeout_s: float) -> None:
        """Return when there are others than `seen` results, or after a time."""
        with self._noted:
            self._noted.wait_for(lambda: self._results != seen, timeout_s)

    def shut(self) -> None:
        """Make the threads close their connections, each after its step."""
        with self._lock:
            self.is_shut = True

    def allow(self) -> None:
        """Let them connect again."""
        with self._lock:
            self.is_shut = False
