"""What has been seen, tried and decided, on disk before anyone is told.

A film is a content, known by its sha256; a file is a name that has, or had, a content.

    received -> claimed -> done | refused | failed (claimed again after a while)
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.migrations import migrate
from bonefx_edge.watch.signature import Signature

JOURNAL_FOLDER: Final = "journal"
"""In the folder of results, unless another is named."""
JOURNAL_NAME: Final = "journal.sqlite"
LOCK_NAME: Final = "journal.lock"
WAL_PAGES: Final = 100
"""Of 4 KiB, before the log goes into the journal: ten films' worth. SQLite's own 1000 would fill a
small disk, and a full disk could then never be emptied."""
_NOT_WHOLE: Final = "its pages do not fit together"
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY_TIMEOUT_S: Final = 10.0
"""edge-admin writes while the service runs: each waits for the other's transaction."""
SUSPECT_DEATHS: Final = 3
"""In hand so often when the service was killed: it comes last, should it be the cause."""
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 300.0
"""Five minutes after the disk or the share is back, everything that waited for it moves again."""
ABSENT: Final = "absent"
"""Failure of a film that no file holds any more; tried again when one does, not before."""


class FilmState(StrEnum):
    """Where a film is in its life; `failed` is tried again for ever."""

    RECEIVED = "received"
    CLAIMED = "claimed"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Receipt(StrEnum):
    """What a file turned out to be."""

    NEW = "new"
    """A content that was never seen: a film to classify."""
    DUPLICATE = "duplicate"
    """A content that has a result, or will have one."""
    AGAIN = "again"
    """A content that was superseded or had vanished, and is back: to classify."""


class Known(StrEnum):
    """Whether a file needs to be read."""

    NO = "no"
    YES = "yes"
    BACK = "back"
    """It was gone, and is as it was before."""


class Claim(NamedTuple):
    """A film in hand."""

    sha256: str
    path: bytes
    """Of a file that holds it, below the watched folder."""
    received: float
    """When it first came, seconds since 1970."""


class Journal:
    """The journal of one watched folder. One process writes results; others may look or requeue."""

    def __init__(self, connection: sqlite3.Connection, lock: int | None) -> None:
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, *, owner: bool) -> Self:
        """Return the journal in a folder, made there if there is none.

        Parameters
        ----------
        folder
            On a disk of this machine: SQLite's locks do not hold on network file systems
            (sqlite.org/howtocorrupt.html, section 2.1).
        owner
            The service: alone; what an earlier one held in its hands is handed back.

        Raises
        ------
        JournalError
            It is in use by another service, damaged, or of a newer bonefx.
        OSError
            The folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(folder / LOCK_NAME) if owner else None
        path = folder / JOURNAL_NAME
        # Made here, for its rights: names of files are in it. SQLite's other files take them over.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        connection.row_factory = sqlite3.Row
        journal = cls(connection, lock)
        try:
            _prepare(connection, check=owner)
            if owner:
                journal.hand_back_all()
        except JournalError:
            journal.close()
            raise
        except sqlite3.DatabaseError as err:
            journal.close()
            raise JournalError(_words(path, err)) from err
        return journal

    def close(self) -> None:
        """Close it, and let another service in."""
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

    # ---- intake ----

    def recognize(self, path: bytes, signature: Signature) -> Known:
        """Return whether the file's content was taken when its signature was this.

        A file that was gone is noted as back: a share that is mounted again is not read anew.
        """
        row = self._connection.execute(
            "SELECT sha256, size, mtime_ns, ctime_ns, present, failure FROM file WHERE path = ?",
            (path,),
        ).fetchone()
        if row is None or row["sha256"] is None or row["failure"]:
            return Known.NO
        if (row["size"], row["mtime_ns"], row["ctime_ns"]) != signature:
            return Known.NO
        if row["present"]:
            return Known.YES
        with self._transaction() as run:
            run("UPDATE file SET present = 1 WHERE path = ?", (path,))
            _receive_content(run, row["sha256"], now=0.0)
        return Known.BACK

    def receive(self, path: bytes, signature: Signature, sha256: str, *, now: float) -> Receipt:
        """Note that a file at rest holds this content; one transaction.

        What the same file held before is superseded, unless another file holds it too. A file that
        was gone in between is another film under an old name: nothing is superseded.
        """
        with self._transaction() as run:
            before = run("SELECT sha256 FROM file WHERE path = ? AND present", (path,)).fetchone()
            run(
                "INSERT INTO file (path, sha256, size, mtime_ns, ctime_ns, present, seen)"
                " VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT (path) DO UPDATE SET"
                " seen = CASE WHEN sha256 IS excluded.sha256 THEN seen ELSE excluded.seen END,"
                " sha256 = excluded.sha256, size = excluded.size, mtime_ns = excluded.mtime_ns,"
                " ctime_ns = excluded.ctime_ns, present = 1, failure = NULL",
                (path, sha256, *signature, now),
            )
            receipt = _receive_content(run, sha256, now=now)
            if before and before["sha256"] not in (None, sha256):
                _supersede(run, before["sha256"], by=sha256)
        return receipt

    def note_gone(self, paths: Iterable[bytes]) -> None:
        """Note that files are not there any more; their results stay. One transaction."""
        with self._transaction() as run:
            for path in paths:
                run(
                    "UPDATE file SET present = 0, failure = NULL WHERE path = ? AND present",
                    (path,),
                )

    def note_unreadable(self, path: bytes, code: str, *, now: float) -> bool:
        """Note that a file is there and cannot be read; return whether that is news."""
        row = self._connection.execute(
            "SELECT failure, present FROM file WHERE path = ?", (path,)
        ).fetchone()
        if row and row["present"] and row["failure"] == code:
            return False
        with self._transaction() as run:
            run(
                "INSERT INTO file (path, present, seen, failure) VALUES (?, 1, ?, ?)"
                " ON CONFLICT (path) DO UPDATE SET present = 1, failure = excluded.failure",
                (path, now, code),
            )
        return True

    def present_files(self, *, after: bytes, limit: int) -> Sequence[bytes]:
        """Return up to `limit` files that were there when last looked for, in order of name."""
        rows = self._connection.execute(
            "SELECT path FROM file WHERE present AND path > ? ORDER BY path LIMIT ?", (after, limit)
        )
        return [row["path"] for row in rows]

    # ---- work ----

    def claim(self, *, now: float) -> Claim | None:
        """Return the next film to classify, noted as in hand; None where none is due.

        In order of arrival, suspects last. Retry times far ahead are those of a clock that was
        wrong, and count as due.
        """
        with self._transaction() as run:
            row = _next_film(run, now=now)
            if row is not None and _path_of(run, row["sha256"]) is None:
                # All of them at once: an archive may be moved away while it waits.
                run(_MARK_ABSENT, (ABSENT,))
                row = _next_film(run, now=now)
            if row is None:
                return None
            path = _path_of(run, row["sha256"])
            assert path is not None  # noqa: S101 -- those without one have just been marked
            run(
                "UPDATE film SET state = 'claimed', attempts = attempts + 1 WHERE number = ?",
                (row["number"],),
            )
        return Claim(row["sha256"], path, row["received"])

    def next_retry(self, *, now: float) -> float | None:
        """Return when the next failed film is due, seconds since 1970; None if none waits."""
        row = self._connection.execute(
            "SELECT min(min(retry_at, ?)) FROM film WHERE state = 'failed' AND failure <> ?"
            " AND superseded_by IS NULL",
            (now + LONGEST_RETRY_S, ABSENT),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def changes(self) -> int:
        """Return a number that changes when another process has written, such as edge-admin."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def is_superseded(self, sha256: str) -> bool:
        """Return whether the file that held this film has been rewritten; read-only."""
        row = self._film(sha256)
        return bool(row and row["superseded_by"])

    def finish(self, sha256: str, record: dict[str, Any], *, answered_by: str, now: float) -> None:
        """Note the result of a claimed film, whose file is on disk already."""
        reason = record["finding"]["reason"]
        state = FilmState.REFUSED if reason else FilmState.DONE
        with self._transaction() as run:
            run(
                "UPDATE film SET state = ?, decided = ?, answered_by = ?, reason = ?, record = ?,"
                " attempts = 0, deaths = 0, retry_at = NULL, failure = NULL,"
                " filed = max(filed, superseded_by IS NULL)"
                " WHERE sha256 = ?",
                (state, now, answered_by, reason, json.dumps(record), sha256),
            )

    def fail(self, sha256: str, code: str, *, now: float) -> float:
        """Note that a claimed film could not be tried; return when it will be, seconds since 1970.

        The pause doubles from `FIRST_RETRY_S` to `LONGEST_RETRY_S`.
        """
        row = self._film(sha256)
        attempts = max(1, row["attempts"] if row else 1)
        pause_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempts - 1, 20))
        with self._transaction() as run:
            run(
                "UPDATE film SET state = 'failed', failure = ?, retry_at = ?"
                " WHERE sha256 = ? AND state = 'claimed'",
                (code, now + pause_s, sha256),
            )
        return now + pause_s

    def hand_back(self, sha256: str) -> None:
        """Put a claimed film back where it was: nothing was wrong with it."""
        with self._transaction() as run:
            run(
                "UPDATE film SET state = 'received', attempts = max(0, attempts - 1)"
                " WHERE sha256 = ? AND state = 'claimed'",
                (sha256,),
            )

    def hand_back_all(self) -> int:
        """Put back what a service that was killed had in its hands; return how many.

        Its death is counted against them: one of them may be what killed it.
        """
        with self._transaction() as run:
            found = run(
                "UPDATE film SET state = 'received', deaths = deaths + 1 WHERE state = 'claimed'"
            )
            return int(found.rowcount)

    def to_unfile(self) -> Sequence[str]:
        """Return the films whose result files are no longer current: superseded by decided ones."""
        rows = self._connection.execute(
            "SELECT old.sha256 FROM film AS old JOIN film AS new ON new.sha256 = old.superseded_by"
            " WHERE old.superseded_by IS NOT NULL AND old.filed AND new.filed"
        )
        return [row["sha256"] for row in rows]

    def note_unfiled(self, sha256: str) -> None:
        """Note that a superseded film's result file is out of the current ones."""
        with self._transaction() as run:
            run("UPDATE film SET filed = 0 WHERE sha256 = ?", (sha256,))

    # ---- facts ----

    def fact(self, name: str) -> str | None:
        """Return something remembered by name, None if it is not; read-only."""
        row = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def remember(self, name: str, value: str) -> None:
        """Remember something under a name, in place of what was there."""
        with self._transaction() as run:
            run(
                "INSERT INTO fact (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    # ---- inside ----

    def _film(self, sha256: str) -> sqlite3.Row | None:
        found = self._connection.execute("SELECT * FROM film WHERE sha256 = ?", (sha256,))
        row: sqlite3.Row | None = found.fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Yield what runs a statement; all of them take effect and are on disk, or none is."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.execute
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


_MARK_ABSENT: Final = (
    "UPDATE film SET state = 'failed', failure = ? WHERE state IN ('received', 'failed')"
    " AND NOT EXISTS (SELECT 1 FROM file WHERE file.sha256 = film.sha256 AND present)"
)


def _next_film(run: Any, *, now: float) -> sqlite3.Row | None:
    """Return the film to claim next. Each query walks an index in order of arrival and stops."""
    for deaths in ("deaths < ?", "deaths >= ?"):  # suspects after all others
        received = run(
            f"SELECT number, sha256, received FROM film WHERE state = 'received' AND {deaths}"  # noqa: S608
            " AND superseded_by IS NULL ORDER BY number LIMIT 1",
            (SUSPECT_DEATHS,),
        ).fetchone()
        failed = run(
            f"SELECT number, sha256, received FROM film WHERE state = 'failed' AND {deaths}"  # noqa: S608
            " AND superseded_by IS NULL AND failure <> ? AND (retry_at <= ? OR retry_at > ?)"
            " ORDER BY number LIMIT 1",
            (SUSPECT_DEATHS, ABSENT, now, now + LONGEST_RETRY_S),
        ).fetchone()
        found = [row for row in (received, failed) if row is not None]
        if found:
            first: sqlite3.Row = min(found, key=lambda row: int(row["number"]))
            return first
    return None


def _receive_content(run: Any, sha256: str, *, now: float) -> Receipt:
    film = run(
        "SELECT state, failure, superseded_by FROM film WHERE sha256 = ?", (sha256,)
    ).fetchone()
    if film is None:
        run(
            "INSERT INTO film (sha256, state, received) VALUES (?, 'received', ?)",
            (sha256, now),
        )
        return Receipt.NEW
    absent = film["state"] == FilmState.FAILED and film["failure"] == ABSENT
    if film["superseded_by"] is None and not absent:
        return Receipt.DUPLICATE
    # Its result, if it had one, is made anew where its file is no longer among the current ones.
    run(
        "UPDATE film SET superseded_by = NULL, attempts = 0, failure = NULL, retry_at = NULL,"
        " state = CASE WHEN state = 'claimed' OR (filed AND state IN ('done', 'refused'))"
        " THEN state ELSE 'received' END WHERE sha256 = ?",
        (sha256,),
    )
    return Receipt.AGAIN


def _supersede(run: Any, old: str, *, by: str) -> None:
    """Note that a file was rewritten, unless another file still holds the old content."""
    if _path_of(run, old) is None:
        run(
            "UPDATE film SET superseded_by = ? WHERE sha256 = ? OR superseded_by = ?",
            (by, old, old),
        )


def _path_of(run: Any, sha256: str) -> bytes | None:
    """Return a file that holds a content, None where none is there."""
    row = run("SELECT path FROM file WHERE sha256 = ? AND present LIMIT 1", (sha256,)).fetchone()
    return None if row is None else bytes(row["path"])


def _lock(path: Path) -> int:
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


def _words(path: Path, err: sqlite3.DatabaseError) -> str:
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
