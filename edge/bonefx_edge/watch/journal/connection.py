"""Open the journal's SQLite file: alone, durable, whole, readable by its owner only."""

import errno
import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.journal.schema import migrate

JOURNAL_NAME: Final = "journal.sqlite"
LOCK_NAME: Final = "journal.lock"
WAL_PAGES: Final = 100
"""Of 4 KiB, before the log goes into the journal: ten films' worth. SQLite's own 1000 would fill a
small disk, and a full disk could then never be emptied."""
_NOT_WHOLE: Final = "its pages do not fit together"
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY_TIMEOUT_S: Final = 10.0
"""edge-admin writes while the service runs: each waits for the other's transaction."""


def connect(folder: Path, *, check: bool) -> sqlite3.Connection:
    """Return a connection to the journal in a folder, made there if there is none.

    Parameters
    ----------
    folder
        On a disk of this machine: SQLite's locks do not hold on network file systems
        (sqlite.org/howtocorrupt.html, section 2.1).
    check
        Whether every page is looked at first: it takes seconds for a large journal.

    Raises
    ------
    JournalError
        It is damaged, of a newer bonefx, or cannot be opened.
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / JOURNAL_NAME
    _make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    try:
        _prepare(connection, check=check)
    except JournalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as err:
        connection.close()
        raise JournalError(in_words(path, err)) from err
    return connection


def reopen(folder: Path) -> sqlite3.Connection:
    """Return another connection to a journal that must be there, see `connect`.

    Raises
    ------
    JournalError, OSError
        As `connect`; also if its disk is not mounted just now: none must be made in its place.
    """
    if not (folder / JOURNAL_NAME).is_file():
        raise FileNotFoundError(errno.ENOENT, "expected a journal, it is gone")
    return connect(folder, check=False)


def _make_private(path: Path) -> None:
    """Make the file, if there is none, for its rights: names of films are in it.

    One that is there is never opened: closing it again would drop every lock that this process
    holds on it through SQLite (sqlite.org/howtocorrupt.html, section 2.2), and another process
    could then take the log away from under us.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def lock(path: Path) -> int:
    """Return a descriptor that holds the lock of the one service; the kernel frees it at death."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        msg = (
            f"{path.parent}: expected a journal of our own, it is in use by another edge-classify "
            "--watch; stop that one, or give this one another --out"
        )
        raise JournalError(msg) from err
    return descriptor


def is_locked(path: Path) -> bool:
    """Return whether a service holds this lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def name_of_trouble(err: OSError | sqlite3.OperationalError | JournalError) -> str:
    """Return what a disk or SQLite refused with, such as ENOSPC: no name of a file is in it."""
    if isinstance(err, JournalError):
        return err.code
    return error_name(err) if isinstance(err, OSError) else err.sqlite_errorname


def in_words(path: Path, err: sqlite3.DatabaseError) -> str:
    """Return what to do about a journal that cannot be opened; few errors mean that it is lost."""
    if err.args[0] == _NOT_WHOLE or getattr(err, "sqlite_errorcode", 0) in _DAMAGE:
        return (
            f"{path}: expected a whole journal, got: {err}; stop the service, move the file "
            "away and run edge-admin rebuild: the result files hold what is needed"
        )
    return f"{path}: expected to open the journal, got: {err}; check disk space, rights and disk"


def _prepare(connection: sqlite3.Connection, *, check: bool) -> None:
    """Set durability, prove the journal whole, and bring it to the newest version."""
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit is on disk when it returns. NORMAL may lose the last ones at a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    if check:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(_NOT_WHOLE)
    migrate(connection)
