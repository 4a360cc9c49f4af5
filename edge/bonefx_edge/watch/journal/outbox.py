"""Messages about results that somebody else waits for: kept in the journal until they are taken."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bonefx_edge import NOTICE
from bonefx_edge.watch.backoff import LONGEST_RETRY_S, pause_before_retry

SCHEMA: Final = "bonefx.message/1"
"""Raised when a key changes its meaning or goes away; new keys do not raise it."""


class Message(NamedTuple):
    """One to deliver."""

    number: int
    body: str
    """JSON, ASCII."""
    attempts: int
    """That failed."""


def message(record: dict[str, Any], *, supersedes: Sequence[str]) -> str:
    """Return what is told of a result: nothing of a person, no name of a file.

    Parameters
    ----------
    record
        Of `results.result_record`.
    supersedes
        sha256 of the contents that the file held before: their results are no longer current.
    """
    finding = record["finding"]
    told = {
        "schema": SCHEMA,
        "sha256": record["sha256"],
        "decided": record["decided"],
        "answered_by": record["answered_by"],
        "state": finding["state"],
        "reason": finding["reason"],
        "p_fracture": finding["p_fracture"],
        "supersedes": list(supersedes),
        "notice": NOTICE,
    }
    return json.dumps(told, allow_nan=False)


class Outbox:
    """The messages in a journal; `Journal.finish` puts them there, with the result."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next(self, *, now: float) -> Message | None:
        """Return the oldest message that is due, None if there is none; `now` since 1970."""
        row = self._connection.execute(
            "SELECT number, body, attempts FROM outbox WHERE retry_at <= ? OR retry_at > ?"
            " ORDER BY number LIMIT 1",
            (now, now + LONGEST_RETRY_S),  # far ahead: the clock was wrong
        ).fetchone()
        return None if row is None else Message(row["number"], row["body"], row["attempts"])

    def drop(self, message: Message) -> None:
        """Forget a message: it was taken."""
        self._connection.execute("DELETE FROM outbox WHERE number = ?", (message.number,))

    def postpone(self, message: Message, *, now: float) -> None:
        """Note that it was not taken: tried again, later each time."""
        attempts = message.attempts + 1
        self._connection.execute(
            "UPDATE outbox SET attempts = ?, retry_at = ? WHERE number = ?",
            (attempts, now + pause_before_retry(attempts=attempts), message.number),
        )
