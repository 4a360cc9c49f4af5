"""How a film goes from one state to another: the SQL of single steps, inside a transaction.

`run` executes a statement; `Journal` says which steps belong together.
"""

import sqlite3
from typing import Any, Final

from bonefx_edge.watch.backoff import LONGEST_RETRY_S
from bonefx_edge.watch.journal.states import ABSENT, FilmState, Receipt

SUSPECT_DEATHS: Final = 3
"""In hand so often when the service was killed: it comes last, should it be the cause."""

MARK_ABSENT: Final = (
    "UPDATE film SET state = 'failed', failure = ? WHERE state IN ('received', 'failed')"
    " AND NOT EXISTS (SELECT 1 FROM file WHERE file.sha256 = film.sha256 AND present)"
)


def next_film(run: Any, *, now: float) -> sqlite3.Row | None:
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


def repeat(run: Any, sha256: str) -> Receipt:
    """Have a decided film classified again; one that is yet to be decided will be anyway."""
    again = run(
        "UPDATE film SET state = 'received' WHERE sha256 = ? AND state IN ('done', 'refused')",
        (sha256,),
    )
    return Receipt.AGAIN if again.rowcount else Receipt.DUPLICATE


def receive_content(run: Any, sha256: str, *, now: float) -> Receipt:
    """Note a content that is there; `now` in seconds since 1970."""
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


def supersede(run: Any, old: str, *, by: str) -> None:
    """Note that a file was rewritten, unless another file still holds the old content."""
    if path_of(run, old) is None:
        run(
            "UPDATE film SET superseded_by = ? WHERE sha256 = ? OR superseded_by = ?",
            (by, old, old),
        )


def path_of(run: Any, sha256: str) -> bytes | None:
    """Return a file that holds a content, None where none is there."""
    row = run("SELECT path FROM file WHERE sha256 = ? AND present LIMIT 1", (sha256,)).fetchone()
    return None if row is None else bytes(row["path"])
