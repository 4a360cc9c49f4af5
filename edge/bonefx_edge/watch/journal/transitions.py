"""Changes of the state of an image: SQL that runs inside a transaction.

`run` executes a statement; `Journal` and `FileIndex` combine the changes.
"""

import sqlite3
from typing import Any, Final

from bonefx_edge.watch.backoff import MAX_RETRY_S
from bonefx_edge.watch.journal.states import ABSENT, ImageState, Receipt

SUSPECT_CRASHES: Final = 3
"""An image that was claimed at so many crashes of the service is claimed last."""

MARK_ABSENT: Final = (
    "UPDATE image SET state = 'failed', failure = ? WHERE state IN ('received', 'failed')"
    " AND NOT EXISTS (SELECT 1 FROM file WHERE file.sha256 = image.sha256 AND present)"
)


def next_image(run: Any, *, now: float) -> sqlite3.Row | None:
    """Return the image to claim next. Each query uses an index in order of arrival."""
    for limit in ("crash_count < ?", "crash_count >= ?"):  # suspects after all others
        received = run(
            f"SELECT id, sha256, received FROM image WHERE state = 'received' AND {limit}"  # noqa: S608
            " AND superseded_by IS NULL ORDER BY id LIMIT 1",
            (SUSPECT_CRASHES,),
        ).fetchone()
        failed = run(
            f"SELECT id, sha256, received FROM image WHERE state = 'failed' AND {limit}"  # noqa: S608
            " AND superseded_by IS NULL AND failure <> ? AND (retry_at <= ? OR retry_at > ?)"
            " ORDER BY id LIMIT 1",
            (SUSPECT_CRASHES, ABSENT, now, now + MAX_RETRY_S),
        ).fetchone()
        found = [row for row in (received, failed) if row is not None]
        if found:
            first: sqlite3.Row = min(found, key=lambda row: int(row["id"]))
            return first
    return None


def reclassify_content(run: Any, sha256: str) -> Receipt:
    """Queue an image that has a result again; the others will be classified anyway."""
    again = run(
        "UPDATE image SET state = 'received' WHERE sha256 = ? AND state IN ('done', 'refused')",
        (sha256,),
    )
    return Receipt.REQUEUED if again.rowcount else Receipt.DUPLICATE


def receive_content(run: Any, sha256: str, *, now: float) -> Receipt:
    """Enter a content that a file has; `now` in seconds since 1970."""
    image = run(
        "SELECT state, failure, superseded_by FROM image WHERE sha256 = ?", (sha256,)
    ).fetchone()
    if image is None:
        run(
            "INSERT INTO image (sha256, state, received) VALUES (?, 'received', ?)",
            (sha256, now),
        )
        return Receipt.NEW
    absent = image["state"] == ImageState.FAILED and image["failure"] == ABSENT
    if image["superseded_by"] is None and not absent:
        return Receipt.DUPLICATE
    # It keeps its result if the result file is still among the current ones.
    run(
        "UPDATE image SET superseded_by = NULL, attempts = 0, failure = NULL, retry_at = NULL,"
        " state = CASE WHEN state = 'claimed' OR (published = 1 AND state IN ('done', 'refused'))"
        " THEN state ELSE 'received' END WHERE sha256 = ?",
        (sha256,),
    )
    return Receipt.REQUEUED


def supersede(run: Any, old: str, *, by: str) -> None:
    """Record that a file was overwritten, unless another file still has the old content."""
    if path_of(run, old) is None:
        run(
            "UPDATE image SET superseded_by = ? WHERE sha256 = ? OR superseded_by = ?",
            (by, old, old),
        )


def path_of(run: Any, sha256: str) -> bytes | None:
    """Return a file that has a content, None if there is none."""
    row = run("SELECT path FROM file WHERE sha256 = ? AND present LIMIT 1", (sha256,)).fetchone()
    return None if row is None else bytes(row["path"])
