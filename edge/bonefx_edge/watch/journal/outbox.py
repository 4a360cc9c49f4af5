"""Messages about results: kept in the journal until they are delivered."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bonefx_edge import NOTICE
from bonefx_edge.watch.backoff import MAX_RETRY_S, pause_before_retry

SCHEMA: Final = "bonefx.message/2"
"""The number changes when a key changes its meaning or is removed, not for new keys."""


class Message(NamedTuple):
    """A message to deliver."""

    id: int
    body: str
    """JSON, ASCII."""
    attempts: int
    """Failed ones."""


def message(record: dict[str, Any], *, supersedes: Sequence[str]) -> str:
    """Return the message about a result, without patient data and file names.

    Parameters
    ----------
    record
        Of `results.result_record`.
    supersedes
        sha256 of the earlier contents of the file: their results are no longer current.
    """
    finding = record["finding"]
    body = {
        "schema": SCHEMA,
        "sha256": record["sha256"],
        "classified_at": record["classified_at"],
        "predictor": record["predictor"],
        "state": finding["state"],
        "reason": finding["reason"],
        "p_fracture": finding["p_fracture"],
        "supersedes": list(supersedes),
        "notice": NOTICE,
    }
    return json.dumps(body, allow_nan=False)


class Outbox:
    """The messages in a journal; `Journal.finish` adds them, with the result."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next(self, *, now: float) -> Message | None:
        """Return the oldest message that is due, None if there is none; `now` since 1970."""
        row = self._connection.execute(
            "SELECT id, body, attempts FROM outbox WHERE retry_at <= ? OR retry_at > ?"
            " ORDER BY id LIMIT 1",
            (now, now + MAX_RETRY_S),  # far ahead: the clock was wrong
        ).fetchone()
        return None if row is None else Message(row["id"], row["body"], row["attempts"])

    def delete(self, message: Message) -> None:
        """Delete a message that was delivered."""
        self._connection.execute("DELETE FROM outbox WHERE id = ?", (message.id,))

    def postpone(self, message: Message, *, now: float) -> None:
        """Record a failed attempt; the pause before the next one grows."""
        attempts = message.attempts + 1
        self._connection.execute(
            "UPDATE outbox SET attempts = ?, retry_at = ? WHERE id = ?",
            (attempts, now + pause_before_retry(attempts=attempts), message.id),
        )
