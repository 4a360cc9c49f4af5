"""What has been seen, tried and decided, on disk before anyone is told.

A film is a content, known by its sha256; a file is a name that has, or had, a content.

    received -> claimed -> done | refused | failed (claimed again after a while)
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.backoff import LONGEST_RETRY_S, pause_before_retry
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, connect, in_words, lock
from bonefx_edge.watch.journal.states import ABSENT, Claim, FilmState, Known, Receipt
from bonefx_edge.watch.journal.transitions import (
    MARK_ABSENT,
    next_film,
    path_of,
    receive_content,
    repeat,
    supersede,
)

_WRITING: Final = threading.RLock()
"""The threads of a process take turns: SQLite waits by sleeping, and would starve one beside
another that writes without a pause."""


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
            receive_content(run, row["sha256"], now=0.0)
        return Known.BACK

    def receive(
        self,
        path: bytes,
        signature: Signature,
        sha256: str,
        *,
        now: float,
        repeats: bool = False,
    ) -> Receipt:
        """Note that a file at rest holds this content; one transaction.

        What the same file held before is superseded, unless another file holds it too. A file that
        was gone in between is another film under an old name: nothing is superseded. With `repeats`
        a content that has its result already is classified once more.
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
            receipt = receive_content(run, sha256, now=now)
            if receipt is Receipt.DUPLICATE and repeats:
                receipt = repeat(run, sha256)
            if before and before["sha256"] not in (None, sha256):
                supersede(run, before["sha256"], by=sha256)
        return receipt

    def note_gone(self, paths: Iterable[bytes]) -> None:
        """Note that files are not there any more; their results stay. One transaction."""
        with self._transaction() as run:
            for path in paths:
                run(
                    "UPDATE file SET present = 0, failure = NULL WHERE path = ? AND present",
                    (path,),
                )

    def note_back(self, path: bytes, sha256: str) -> None:
        """Note that a file is there after all, unless it holds another content by now."""
        with self._transaction() as run:
            run("UPDATE file SET present = 1 WHERE path = ? AND sha256 = ?", (path, sha256))

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
            row = next_film(run, now=now)
            if row is not None and path_of(run, row["sha256"]) is None:
                # All of them at once: an archive may be moved away while it waits.
                run(MARK_ABSENT, (ABSENT,))
                row = next_film(run, now=now)
            if row is None:
                return None
            path = path_of(run, row["sha256"])
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

    def superseded_by(self, sha256: str) -> Sequence[str]:
        """Return the contents that a file held before it held this one; read-only."""
        rows = self._connection.execute(
            "SELECT sha256 FROM film WHERE superseded_by = ? ORDER BY number", (sha256,)
        )
        return [row["sha256"] for row in rows]

    def finish(
        self,
        sha256: str,
        record: dict[str, Any],
        *,
        answered_by: str,
        now: float,
        message: str | None = None,
    ) -> None:
        """Note the result of a claimed film, whose file is on disk; put a message into the outbox.

        Both or neither: a result that is noted is told of, and told of once for each decision.
        """
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
            if message is not None:
                run("INSERT INTO outbox (body, written) VALUES (?, ?)", (message, now))

    def fail(self, sha256: str, code: str, *, now: float) -> float:
        """Note that a claimed film could not be tried; return when it will be, seconds since 1970.

        See `pause_before_retry`.
        """
        row = self._film(sha256)
        pause_s = pause_before_retry(attempts=row["attempts"] if row else 1)
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

    def alone(self) -> AbstractContextManager[Any]:
        """Keep other threads of this process from writing: for steps that include a file."""
        return _WRITING

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Yield what runs a statement; all of them take effect and are on disk, or none is."""
        with _WRITING:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
