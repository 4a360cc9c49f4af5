"""The file of the journal: opened, locked, opened anew after its disk failed."""

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.connection import (
    JOURNAL_NAME,
    LOCK_NAME,
    OtherJournalError,
    connect,
    describe_error,
    lock,
)
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.meta import journal_id, make_journal_id
from bonefx_edge.watch.marked_folder import FolderAwayError

JOURNAL: Final = "journal"
"""Name of its folder in messages."""


class JournalFile:
    """An open journal; one process holds its lock and writes results."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, held: int | None) -> None:
        self.folder, self._lock = folder, held
        self.access = JournalAccess(folder)
        """For other threads."""
        self._use(connection)
        self.access.journal_id = journal_id(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """That of the thread that opened it."""
        return self._connection

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.files = FileIndex(connection)
        """The files that have, or had, the images."""
        self._place = _place_of(self.folder)

    @classmethod
    def open(cls, folder: Path, *, owner: bool, create: bool = True) -> Self:
        """Return the journal in a folder, created if there is none; see `connection.connect`.

        Parameters
        ----------
        owner
                The service: it locks the journal.
        create
            See `connection.connect`.

        Raises
        ------
        JournalError
            It is in use by another service, or as `connection.connect`.
        OSError
            The folder cannot be written.
        """
        if create:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        elif not (folder / JOURNAL_NAME).is_file():
            raise FolderAwayError(JOURNAL, "it does not exist")
        with ExitStack() as undo:
            held = lock(folder / LOCK_NAME) if owner else None
            if held is not None:
                undo.callback(os.close, held)
            connection = connect(folder, owner=owner, create=create)
            undo.callback(connection.close)
            try:
                journal = cls(connection, folder, held)
                if owner:
                    journal.access.journal_id = make_journal_id(connection)
                    journal._begin()
            except sqlite3.DatabaseError as err:
                raise JournalError(describe_error(folder / JOURNAL_NAME, err)) from err
            undo.pop_all()
        return journal

    def check_place(self) -> None:
        """Raise `FolderAwayError` if another file, or none, is where the journal was opened."""
        try:
            found = _place_of(self.folder)
        except OSError as err:
            raise FolderAwayError(JOURNAL, error_name(err)) from err
        if found != self._place:
            raise FolderAwayError(JOURNAL, "another file is there")

    def reopen(self) -> None:
        """Open it anew after its disk failed or went away; no other thread has a connection.

        Raises
        ------
        FolderAwayError
            It is not there, or another one is.
        JournalError, OSError, sqlite3.OperationalError
            As `open`.
        """
        self._connection.close()
        try:
            connection = connect(
                self.folder, owner=True, create=False, expected=self.access.journal_id
            )
        except FileNotFoundError as err:
            raise FolderAwayError(JOURNAL, error_name(err)) from err
        except OtherJournalError as err:
            raise FolderAwayError(JOURNAL, str(err)) from err
        self._use(connection)
        self._lock_again()

    def _lock_again(self) -> None:
        """Hold the lock file that is there now: the disk may be another device than before."""
        path = self.folder / LOCK_NAME
        if self._lock is not None and _is_at(self._lock, path):
            return
        held = lock(path)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = held

    def close(self) -> None:
        """Close and unlock it."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Do what the owner does first."""


def _place_of(folder: Path) -> tuple[int, int]:
    """Return which file the journal in a folder is. It is not opened, see `connection`."""
    status = os.stat(folder / JOURNAL_NAME)
    return status.st_dev, status.st_ino


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
