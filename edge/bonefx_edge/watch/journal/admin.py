"""What a person asks of a journal, whether the service runs or not."""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, connect, is_locked
from bonefx_edge.watch.journal.states import ABSENT, FilmState

RATE_WINDOW_S: Final = 3600.0
"""For the rate of results: an hour."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a watched folder stands; superseded films are in no number."""

    is_running: bool
    """Whether a service holds the journal."""
    folder: str | None
    """That it was begun for."""
    states: dict[str, int]
    """Films by `FilmState`; `failed` without those that are absent."""
    refusals: dict[str, int]
    """Refused films by reason."""
    failures: dict[str, int]
    """Films that wait for another try, by what stood in the way."""
    absent: int
    """Films whose files went before they had a result; taken up if they come back."""
    unreadable: dict[str, int]
    """Files that are there and cannot be read, by the system's name of the error."""
    duplicates: int
    """Files that hold what another one holds too."""
    oldest_waiting_s: float | None
    """Age of the oldest film without a result, seconds; None where none waits."""
    oldest_untried_s: float | None
    """The same of those that do not wait for another try; None where there is none."""
    last_result: float | None
    """Seconds since 1970."""
    per_hour: int
    """Results of the last hour."""
    untold: int
    """Messages in the outbox."""
    oldest_untold_s: float | None
    """Age of the oldest of them, seconds; None where there is none."""
    models: dict[str, int]
    """Results by what answered: model, mode, operating point."""


class Requeue(StrEnum):
    """Which films are to be classified again, and what the value beside it means."""

    NOT_ANSWERED_BY = "not_answered_by"
    """Whose result is not by this model, mode and operating point."""
    REFUSED_FOR = "refused_for"
    """Refused for this reason."""
    FAILED = "failed"
    """Waiting for another try: now. No value."""
    SHA256 = "sha256"
    """The first digits, or all, of the content's sha256."""


_AGAIN: Final = (
    "UPDATE film SET state = 'received', attempts = 0, deaths = 0, retry_at = NULL, failure = NULL"
    " WHERE superseded_by IS NULL AND state IN ('done', 'refused', 'failed')"
    " AND failure IS NOT 'absent' AND "
)
_REQUEUE: Final = {
    Requeue.NOT_ANSWERED_BY: _AGAIN + "answered_by <> :value",
    Requeue.REFUSED_FOR: _AGAIN + "state = 'refused' AND reason = :value",
    Requeue.FAILED: _AGAIN + "state = 'failed'",
    Requeue.SHA256: _AGAIN + "substr(sha256, 1, length(:value)) = :value AND :value <> ''",
}


class Desk:
    """A journal, opened to look at or to requeue in; it must be there."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection, self._folder = connection, folder

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the desk of the journal in a folder.

        Raises
        ------
        UsageError
            If there is no journal.
        JournalError
            If it cannot be read.
        """
        if not (folder / JOURNAL_NAME).is_file():
            msg = f"{folder}: expected the journal of a watched folder, got none; name its --out"
            raise UsageError(msg)
        return cls(connect(folder, check=False), folder)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def status(self, *, now: float) -> Status:
        """Return how it stands; `now` in seconds since 1970."""
        one, counts = self._one, self._counts
        states = counts("SELECT stands, count(*) FROM standing GROUP BY 1")
        oldest = one(
            "SELECT min(received) FROM standing WHERE stands IN ('received', 'claimed', 'failed')"
        )
        untried = one("SELECT min(received) FROM standing WHERE stands IN ('received', 'claimed')")
        untold = one("SELECT min(written) FROM outbox")
        return Status(
            is_running=is_locked(self._folder / LOCK_NAME),
            folder=one("SELECT value FROM fact WHERE name = 'folder'"),
            states={state.value: states.get(state, 0) for state in FilmState},
            refusals=counts(
                "SELECT reason, count(*) FROM standing WHERE stands = 'refused'"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
            failures=counts(
                "SELECT failure, count(*) FROM standing WHERE stands = 'failed'"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
            absent=states.get(ABSENT, 0),
            unreadable=counts(
                "SELECT failure, count(*) FROM file WHERE present AND failure IS NOT NULL"
                " GROUP BY 1"
            ),
            duplicates=one("SELECT count(sha256) - count(DISTINCT sha256) FROM file WHERE present"),
            oldest_waiting_s=None if oldest is None else max(0.0, now - oldest),
            oldest_untried_s=None if untried is None else max(0.0, now - untried),
            last_result=one("SELECT max(decided) FROM film"),
            per_hour=one(
                "SELECT count(*) FROM film WHERE decided > ? AND decided <= ?",
                *(now - RATE_WINDOW_S, now),
            ),
            untold=one("SELECT count(*) FROM outbox"),
            oldest_untold_s=None if untold is None else max(0.0, now - untold),
            models=counts(
                "SELECT answered_by, count(*) FROM standing WHERE answered_by IS NOT NULL"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
        )

    def forget_canary(self) -> int:
        """Have the canary film's next answer count as its first; return how many were forgotten."""
        return self._connection.execute("DELETE FROM fact WHERE name LIKE 'canary %'").rowcount

    def requeue(self, which: Requeue, value: str = "") -> int:
        """Have films classified again; return how many. Their results stay until the new ones.

        Parameters
        ----------
        which, value
            See `Requeue`.
        """
        return self._connection.execute(_REQUEUE[which], {"value": value}).rowcount

    def export(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Yield each current result with the names that its content has or had, oldest first."""
        rows = self._connection.execute(
            "SELECT sha256, record FROM film WHERE superseded_by IS NULL AND record IS NOT NULL"
            " ORDER BY received, number"
        )
        for row in rows:
            names = self._connection.execute(
                "SELECT path FROM file WHERE sha256 = ? ORDER BY path", (row["sha256"],)
            )
            yield json.loads(row["record"]), [os.fsdecode(name["path"]) for name in names]

    def _one(self, sql: str, *values: float) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _counts(self, sql: str) -> dict[str, int]:
        return {str(name): int(n) for name, n in self._connection.execute(sql)}
