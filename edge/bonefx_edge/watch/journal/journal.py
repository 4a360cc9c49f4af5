"""The images in the journal: what was received, tried and classified.

An image is a content, identified by its sha256; a file is a path that has, or had, a content.

    received -> claimed -> done | refused | failed (claimed again later)
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from bonefx_edge.watch.backoff import MAX_RETRY_S, pause_before_retry
from bonefx_edge.watch.journal import outbox
from bonefx_edge.watch.journal.drift import DRIFT
from bonefx_edge.watch.journal.journal_file import JournalFile
from bonefx_edge.watch.journal.meta import SET_META, get_meta, set_meta
from bonefx_edge.watch.journal.states import ABSENT, PERHAPS_PUBLISHED, Claim, ImageState
from bonefx_edge.watch.journal.transaction import WRITE_LOCK, transaction
from bonefx_edge.watch.journal.transitions import MARK_ABSENT, next_image, path_of


class Journal(JournalFile):
    """The journal of one watched folder. One process writes results; others may read or requeue."""

    def _begin(self) -> None:
        self.release_all_claimed()  # of a service that was killed

    # ---- images ----

    def claim(self, *, now: float) -> Claim | None:
        """Claim the next image to classify; None if none is due.

        In order of arrival, suspects last. Retry times far ahead were set by a wrong clock, and
        count as due.
        """
        with transaction(self._connection) as run:
            row = next_image(run, now=now)
            if row is not None and path_of(run, row["sha256"]) is None:
                # All of them at once: a large folder may have been moved away meanwhile.
                run(MARK_ABSENT, (ABSENT,))
                row = next_image(run, now=now)
            if row is None:
                return None
            path = path_of(run, row["sha256"])
            assert path is not None  # noqa: S101 -- the others have just been marked
            run(
                "UPDATE image SET state = 'claimed', attempts = attempts + 1 WHERE id = ?",
                (row["id"],),
            )
        return Claim(row["sha256"], path, row["received"])

    def next_retry(self, *, now: float) -> float | None:
        """Return when the next failed image is due, seconds since 1970; None if there is none."""
        row = self._connection.execute(
            "SELECT min(min(retry_at, ?)) FROM image WHERE state = 'failed' AND failure <> ?"
            " AND superseded_by IS NULL",
            (now + MAX_RETRY_S, ABSENT),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def count_unfinished(self) -> int:
        """Return the number of images without a result and of files that cannot be read.

        Those that were removed or overwritten do not count.
        """
        row = self._connection.execute(
            "SELECT (SELECT count(*) FROM image WHERE state IN ('received', 'claimed', 'failed')"
            " AND superseded_by IS NULL"
            " AND EXISTS (SELECT 1 FROM file WHERE file.sha256 = image.sha256 AND present))"
            " + (SELECT count(*) FROM file WHERE present AND failure IS NOT NULL)"
        ).fetchone()
        return int(row[0])

    def changes(self) -> int:
        """Return a number that changes when another thread or process has written."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def is_superseded(self, sha256: str) -> bool:
        """Return whether the file of this image has been overwritten; read-only."""
        row = self._image(sha256)
        return bool(row and row["superseded_by"])

    def superseded_by(self, sha256: str) -> Sequence[str]:
        """Return the contents that a file had before this one; read-only."""
        rows = self._connection.execute(
            "SELECT sha256 FROM image WHERE superseded_by = ? ORDER BY id", (sha256,)
        )
        return [row["sha256"] for row in rows]

    def finish(
        self,
        sha256: str,
        record: dict[str, Any],
        *,
        predictor: str,
        now: float,
        message: str | None = None,
        drift: str | None = None,
    ) -> None:
        """Record the result of a claimed image, and a message; the result file is on disk already.

        In one transaction: there is exactly one message for each recorded result, and the charts
        of `drift` (None: as they are) have each of them once.
        """
        reason = record["finding"]["reason"]
        state = ImageState.REFUSED if reason else ImageState.DONE
        with transaction(self._connection) as run:
            run(
                "UPDATE image SET state = ?, classified_at = ?, predictor = ?, reason = ?,"
                " record = ?, attempts = 0, crash_count = 0, retry_at = NULL, failure = NULL,"
                " published = CASE WHEN superseded_by IS NULL THEN 1 ELSE published END"
                " WHERE sha256 = ?",
                (state, now, predictor, reason, json.dumps(record), sha256),
            )
            if message is not None:
                outbox.add(run, message, now=now)
            if drift is not None:
                run(SET_META, (DRIFT, drift))
        self.access.note_result()

    def fail(self, sha256: str, code: str, *, now: float) -> float:
        """Record a failed attempt; return when the next one is due, seconds since 1970.

        See `pause_before_retry`.
        """
        row = self._image(sha256)
        pause_s = pause_before_retry(attempts=row["attempts"] if row else 1)
        with transaction(self._connection) as run:
            run(
                "UPDATE image SET state = 'failed', failure = ?, retry_at = ?"
                " WHERE sha256 = ? AND state = 'claimed'",
                (code, now + pause_s, sha256),
            )
        return now + pause_s

    def release(self, sha256: str) -> None:
        """Release a claimed image; the attempt does not count."""
        with transaction(self._connection) as run:
            run(
                "UPDATE image SET state = 'received', attempts = max(0, attempts - 1)"
                " WHERE sha256 = ? AND state = 'claimed'",
                (sha256,),
            )

    def release_all_claimed(self) -> None:
        """Release the images that a killed service had claimed.

        The crash is counted for each of them: one of them may be its cause. Their result files may
        have been written.
        """
        with transaction(self._connection) as run:
            run(
                "UPDATE image SET state = 'received', crash_count = crash_count + 1,"
                " published = CASE published WHEN 0 THEN ? ELSE published END"
                " WHERE state = 'claimed'",
                (PERHAPS_PUBLISHED,),
            )

    def retired_results(self) -> Sequence[str]:
        """Return the images with a published result that is superseded by another published one."""
        rows = self._connection.execute(
            "SELECT old.sha256 FROM image AS old"
            " JOIN image AS new ON new.sha256 = old.superseded_by"
            " WHERE old.superseded_by IS NOT NULL AND old.published AND new.published = 1"
        )
        return [row["sha256"] for row in rows]

    def mark_retired(self, sha256: str) -> None:
        """Record that the result file of a superseded image was moved away."""
        with transaction(self._connection) as run:
            run("UPDATE image SET published = 0 WHERE sha256 = ?", (sha256,))

    # ---- metadata ----

    def get_meta(self, name: str) -> str | None:
        """Return a value by name, None if there is none; read-only."""
        return get_meta(self._connection, name)

    def set_meta(self, name: str, value: str) -> None:
        """Set or replace the value of a name."""
        set_meta(self._connection, name, value)

    def _image(self, sha256: str) -> sqlite3.Row | None:
        found = self._connection.execute("SELECT * FROM image WHERE sha256 = ?", (sha256,))
        row: sqlite3.Row | None = found.fetchone()
        return row

    def exclusive(self) -> AbstractContextManager[Any]:
        """Keep other threads of this process from writing: for steps that include a file."""
        return WRITE_LOCK
