"""Open the SQLite file of the journal: locked, durable, checked, private."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.journal.meta import journal_id
from bonefx_edge.watch.journal.schema import STEPS, migrate, version_of

JOURNAL_NAME: Final = "journal.sqlite"
LOCK_NAME: Final = "journal.lock"
WAL_PAGES: Final = 100
"""Of 4 KiB, before the log is copied into the journal: about ten images. The default of 1000 would
fill a small disk, and the journal could then not be written even to free space."""
_NOT_WHOLE: Final = "its pages do not fit together"
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TEMPORARY: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_TEMPORARY_SQLITE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)
_PRIMARY: Final = 0xFF
"""Part of an error code that is the same for all its kinds (sqlite.org/rescode.html)."""
BUSY_TIMEOUT_S: Final = 10.0
"""For the transaction of another process: edge-admin writes while the service runs."""


class OtherJournalError(JournalError):
    """The journal at a path is not the one that was expected there."""


def connect(
    folder: Path, *, owner: bool, create: bool = True, expected: str | None = None
) -> sqlite3.Connection:
    """Return a connection to the journal in a folder, created if there is none.

    Parameters
    ----------
    folder
        On a disk of this machine: SQLite's locks do not hold on network file systems
        (sqlite.org/howtocorrupt.html, section 2.1).
    owner
        Whether the caller holds the lock of the service. Then every page is checked first, which
        takes seconds for a large journal.
    create
        Otherwise a journal that does not exist is an error: its disk may not be mounted.
    expected
        Id of the journal, compared before anything is written; None: whatever is there.

    Raises
    ------
    OtherJournalError
        It has another id, or none.
    JournalError
        It is damaged, of a newer bonefx, cannot be opened, or is of an older version and in use.
    OSError
        The folder cannot be written, or FileNotFoundError.
    """
    path = folder / JOURNAL_NAME
    if create:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_private(path)
    elif not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "the journal does not exist any more")
    uri = f"file:{quote(os.fsencode(path))}?mode=rw"  # rw: without it SQLite creates the file
    connection = sqlite3.connect(uri, isolation_level=None, timeout=BUSY_TIMEOUT_S, uri=True)
    connection.row_factory = sqlite3.Row
    try:
        _compare(connection, expected)
        _prepare(connection, check=owner)
        _migrate(connection, folder, owner=owner)
    except sqlite3.DatabaseError as err:
        connection.close()
        raise JournalError(describe_error(path, err)) from err
    except BaseException:
        connection.close()
        raise
    return connection


def reopen(folder: Path, *, expected: str | None = None) -> sqlite3.Connection:
    """Return another connection to an existing journal, see `connect`.

    Raises
    ------
    JournalError, OSError
        As `connect`; also if it does not exist, as when its disk is not mounted.
    """
    return connect(folder, owner=False, create=False, expected=expected)


def _compare(connection: sqlite3.Connection, expected: str | None) -> None:
    """Raise `OtherJournalError` if the journal has not the expected id."""
    if expected is None:
        return
    # Older versions have no such table, or no id: no journal of this process is one of them.
    has_values = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone()
    if not has_values or journal_id(connection) != expected:
        msg = "another journal is there"
        raise OtherJournalError(msg)


def _make_private(path: Path) -> None:
    """Create the file, if there is none, with mode 0600: it contains names of files.

    An existing one is not opened: closing it would release every lock that this process holds on it
    through SQLite (sqlite.org/howtocorrupt.html, section 2.2), and another process could then
    delete the log in use.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def lock(path: Path) -> int:
    """Return a descriptor that holds the lock of the service, until the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        msg = (
            f"{path.parent}: the journal is in use by another edge-classify --watch; "
            "stop that one, or use another --out"
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


def error_code(err: OSError | sqlite3.OperationalError | JournalError) -> str:
    """Return the code of an error of the disk or of SQLite, such as ENOSPC, without file name."""
    if isinstance(err, JournalError):
        return err.code
    return error_name(err) if isinstance(err, OSError) else err.sqlite_errorname


def is_temporary(err: OSError | sqlite3.OperationalError) -> bool:
    """Return whether an error of a disk can pass: it is full or does not answer."""
    if isinstance(err, OSError):
        return err.errno in _TEMPORARY
    return err.sqlite_errorcode & _PRIMARY in _TEMPORARY_SQLITE


@contextmanager
def damage_as_journal_error() -> Iterator[None]:
    """Raise what SQLite takes for damage as JournalError: a disk that goes away reads as zeros.

    Whether it is damage turns out when the journal is opened anew.
    """
    try:
        yield
    except sqlite3.DatabaseError as err:
        if getattr(err, "sqlite_errorcode", 0) & _PRIMARY not in _DAMAGE:
            raise
        msg = f"the journal cannot be read ({err})"
        raise JournalError(msg) from err


def describe_error(path: Path, err: sqlite3.DatabaseError) -> str:
    """Return what to do about a journal that cannot be opened; not every error means damage."""
    if err.args[0] == _NOT_WHOLE or getattr(err, "sqlite_errorcode", 0) in _DAMAGE:
        return (
            f"{path}: the journal is damaged ({err}). Stop the service, move the file away and run "
            "edge-admin rebuild: it uses the result files."
        )
    return f"{path}: cannot open the journal ({err}). Check disk space, permissions and disk."


def _prepare(connection: sqlite3.Connection, *, check: bool) -> None:
    """Set durability, and check the journal for damage."""
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit is on disk when it returns. NORMAL may lose the last ones at a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    if check:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(_NOT_WHOLE)


def _migrate(connection: sqlite3.Connection, folder: Path, *, owner: bool) -> None:
    """Migrate the journal; never under a running service, whose statements would then fail."""
    if owner or version_of(connection) > len(STEPS):
        migrate(connection)
    elif version_of(connection) < len(STEPS):
        try:
            held = lock(folder / LOCK_NAME)
        except JournalError as err:
            msg = f"{folder}: the running service is of an older bonefx; restart it, then try again"
            raise JournalError(msg) from err
        try:
            migrate(connection)
        finally:
            os.close(held)
