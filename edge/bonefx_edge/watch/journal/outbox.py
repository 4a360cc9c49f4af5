"""Messages about results: kept in the journal until they are delivered."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bonefx_edge import NOTICE
from bonefx_edge.watch.backoff import MAX_RETRY_S, pause_before_retry

SCHEMA: Final = "bonefx.message/2"
"""The number changes when a key changes its meaning or is removed, not for new keys."""
SEQUENCE: Final = "message_sequence"
"""Name of the number of the last message among the metadata of the journal."""


class Message(NamedTuple):
    """A message to deliver."""

    id: int
    """Its sequence number: larger than those of all messages before it."""
    body: str
    """JSON, ASCII."""
    attempts: int
    """Failed ones."""


def message(record: dict[str, Any], *, supersedes: Sequence[str], with_name: bool = False) -> str:
    """Return the message about a result, without patient data.

    Parameters
    ----------
    record
        Of `results.result_record`.
    supersedes
        sha256 of the earlier contents of the file: their results are no longer current.
    with_name
        Whether to add the path of the file, relative to the watched folder: it may name a patient.
    """
    finding = record["finding"]
    body = {
        "schema": SCHEMA,
        "sha256": record["sha256"],
        "classified_at": record["classified_at"],
        "predictor": record["predictor"],
        "state": finding["state"],
        "reason": finding["reason"],
        "caution": finding.get("caution"),  # results of bonefx 0.5 have none
        "p_fracture": finding["p_fracture"],
        "score": finding.get("score"),  # results of bonefx 0.4 have neither
        "site_profile": finding.get("site_profile"),
        "accepted": finding.get("accepted", []),
        "supersedes": list(supersedes),
        "notice": NOTICE,
    }
    if with_name:
        body["path"] = finding["path"]
    return json.dumps(body, allow_nan=False)


def add(run: Any, body: str, *, now: float) -> None:
    """Add a message inside a transaction; its number is never used again, `now` since 1970."""
    run(
        "INSERT INTO meta (name, value) SELECT ?, 1 + coalesce(max(id), 0) FROM outbox WHERE true"
        " ON CONFLICT (name) DO UPDATE"
        " SET value = max(value + 1, CAST(excluded.value AS INTEGER))",
        (SEQUENCE,),
    )
    run(
        "INSERT INTO outbox (id, body, written)"
        " SELECT CAST(value AS INTEGER), ?, ? FROM meta WHERE name = ?",
        (body, now, SEQUENCE),
    )


_NEXT: Final = """
SELECT id, body, attempts FROM outbox AS message
WHERE (retry_at <= ? OR retry_at > ?) AND NOT EXISTS (
  SELECT 1 FROM outbox AS earlier WHERE earlier.id < message.id AND (
    json_extract(earlier.body, '$.sha256') = json_extract(message.body, '$.sha256')
    OR json_extract(earlier.body, '$.sha256')
      IN (SELECT value FROM json_each(message.body, '$.supersedes'))
  )
)
ORDER BY id LIMIT 1
"""
"""A message waits for the earlier ones about the same file."""
_IS_CURRENT: Final = """
SELECT 1 FROM image WHERE sha256 = ? AND superseded_by IS NULL
AND ? IN (json_extract(record, '$.classified_at'), json_extract(record, '$.decided'))
"""


class Outbox:
    """The messages in a journal; `Journal.finish` adds them, with the result."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next(self, *, now: float) -> Message | None:
        """Return the oldest message that is due, None if there is none; `now` since 1970.

        Those about one file come in their order. The body says whether its result is current.
        """
        # Far ahead: the clock was wrong.
        row = self._connection.execute(_NEXT, (now, now + MAX_RETRY_S)).fetchone()
        if row is None:
            return None
        body = json.loads(row["body"])
        classified_at = body.get("classified_at", body.get("decided"))  # until version 0.4
        current = self._connection.execute(_IS_CURRENT, (body["sha256"], classified_at)).fetchone()
        body |= {"sequence": row["id"], "current": current is not None}
        return Message(row["id"], json.dumps(body, allow_nan=False), row["attempts"])

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
