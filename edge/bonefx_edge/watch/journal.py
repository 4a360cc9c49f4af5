"""What has been seen, tried and decided, on disk before anyone is told.

A film is a content, known by its sha256; a file is a name that has, or had, a content.

    received -> claimed -> done | refused | failed (claimed again after a while)
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.database import JOURNAL_NAME, LOCK_NAME, connect, in_words, lock
from bonefx_edge.watch.films import ABSENT, Claim, FilmState, Known, Receipt
from bonefx_edge.watch.signature import Signature

SUSPECT_DEATHS: Final = 3
"""In hand so often when the service was killed: it comes last, should it be the cause."""
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 300.0
"""Five minutes after the disk or the share is back, everything that waited for it moves again."""


class Journal:
    """The journal of one watched folder. One process writes results; others may look or requeue."""

    def __init__(self, connection: sqlite3.Connection, lock: int | None) -> None:
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, *, owner: bool) -> Self:
        """Return the journal in a folder, made there if there is none; see `database.connect`.

        Parameters
        ----------
        owner
            The service: alone; what an earlier one held in its hands is handed back.

        Raises
        ------
        JournalError
            It is in use by another service, or as `database.connect`.
        OSError
            The folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = lock(folder / LOCK_NAME) if owner else None
        try:
            journal = cls(connect(folder, check=owner), held)
        except BaseException:
            if held is not None:
                os.close(held)
            raise
        try:
            if owner:
                journal.hand_back_all()
        except sqlite3.DatabaseError as err:
            journal.close()
            raise JournalError(in_words(folder / JOURNAL_NAME, err)) from err
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
                "INSERT INTO file (path, sha256, size, mtime_ns, ctime_ns, present)"
                " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (path) DO UPDATE SET"
                " sha256 = excluded.sha256, size = excluded.size, mtime_ns = excluded.mtime_ns,"
                " ctime_ns = excluded.ctime_ns, present = 1, failure = NULL",
                (path, sha256, *signature),
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

    def note_unreadable(self, path: bytes, code: str) -> bool:
        """Note that a file is there and cannot be read; return whether that is news."""
        row = self._connection.execute(
            "SELECT failure, present FROM file WHERE path = ?", (path,)
        ).fetchone()
        if row and row["present"] and row["failure"] == code:
            return False
        with self._transaction() as run:
            run(
                "INSERT INTO file (path, present, failure) VALUES (?, 1, ?)"
                " ON CONFLICT (path) DO UPDATE SET present = 1, failure = excluded.failure",
                (path, code),
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

    def hand_back_all(self) -> None:
        """Put back what a service that was killed had in its hands.

        Its death is counted against them: one of them may be what killed it.
        """
        with self._transaction() as run:
            run("UPDATE film SET state = 'received', deaths = deaths + 1 WHERE state = 'claimed'")

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
