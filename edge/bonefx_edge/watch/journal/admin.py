"""What edge-admin and the health checks read from a journal, or change in it."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.clock_steps import ClockStep, age_s
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, connect, is_locked
from bonefx_edge.watch.journal.drift import DRIFT, DriftWatch
from bonefx_edge.watch.journal.listing import Listing
from bonefx_edge.watch.journal.meta import known_folders, set_known_folder
from bonefx_edge.watch.journal.states import ABSENT, PICTURE_FAILURE, ImageState
from bonefx_edge.watch.marked_folder import FolderAwayError, MarkedFolder
from bonefx_edge.watch.result_upgrade import upgrade

RATE_WINDOW_S: Final = 3600.0
"""For `per_hour`."""
ANSWER_S: Final = 5.0
"""For the disks and shares of the folders, together."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a watched folder; superseded images are not counted."""

    is_running: bool
    """Whether a service runs on the journal."""
    folder: str | None
    """For which the journal was created."""
    states: dict[str, int]
    """Images by `ImageState`; `failed` without the absent ones."""
    refusals: dict[str, int]
    """Refused images by reason."""
    failures: dict[str, int]
    """Images that wait for a retry, by cause."""
    absent: int
    """Images whose file was removed before they had a result; classified if it returns."""
    unreadable: dict[str, int]
    """Files and folders that cannot be read, by the name of the system's error."""
    duplicates: int
    """Files with the same content as another file."""
    oldest_waiting_s: float | None
    """Age of the oldest image without a result, seconds; None if there is none."""
    oldest_untried_s: float | None
    """The same of those that do not wait for a retry; None if there is none."""
    last_result: float | None
    """Seconds since 1970."""
    per_hour: int
    """Results of the last hour."""
    undelivered: int
    """Messages in the outbox."""
    oldest_undelivered_s: float | None
    """Age of the oldest of them, seconds; None if there is none."""
    predictors: dict[str, int]
    """Results by predictor: model, mode, operating point."""
    picture_failure: str = ""
    """Why the last image has no pictures; empty if it has, or if none are asked for."""
    drift: DriftWatch = field(default_factory=lambda: DriftWatch(None))
    """How the films depart from those of the commissioning."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """See `JournalAdmin.folders`; empty in what the health port uses."""


class Requeue(StrEnum):
    """Which images are to be classified again, and what the value with it means."""

    OTHER_PREDICTOR = "other_predictor"
    """Whose result is not by this model, mode and operating point."""
    REFUSED_FOR = "refused_for"
    """Refused for this reason."""
    FAILED = "failed"
    """Waiting for a retry. No value."""
    SHA256 = "sha256"
    """The first digits, or all, of the content's sha256."""


_QUEUE: Final = (
    "UPDATE image SET state = 'received', attempts = 0, crash_count = 0, retry_at = NULL,"
    " failure = NULL"
    " WHERE superseded_by IS NULL AND state IN ('done', 'refused', 'failed')"
    " AND failure IS NOT 'absent' AND "
)
_REQUEUE: Final = {
    Requeue.OTHER_PREDICTOR: _QUEUE + "predictor <> :value",
    Requeue.REFUSED_FOR: _QUEUE + "state = 'refused' AND reason = :value",
    Requeue.FAILED: _QUEUE + "state = 'failed'",
    Requeue.SHA256: _QUEUE + "substr(sha256, 1, length(:value)) = :value AND :value <> ''",
}


class JournalAdmin:
    """An existing journal, opened to read its status or to requeue images."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection, self._folder = connection, folder
        self.images = Listing(connection)
        """Single images, for people."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the journal in a folder.

        Raises
        ------
        UsageError
            If there is no journal.
        JournalError
            If it cannot be read, or a running service of an older version uses it.
        """
        if not (folder / JOURNAL_NAME).is_file():
            msg = f"{folder}: there is no journal of a watched folder; give its --out"
            raise UsageError(msg)
        return cls(connect(folder, owner=False, create=False), folder)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def status(self, *, now: float, clock_steps: Sequence[ClockStep] = ()) -> Status:
        """Return the status; `now` in seconds since 1970, ages without the steps of the clock."""

        def age(since: float | None) -> float | None:
            return None if since is None else age_s(clock_steps, since, now=now)

        one, counts = self._one, self._counts
        states = counts("SELECT status, count(*) FROM current_image GROUP BY 1")
        received = "SELECT min(received) FROM current_image WHERE status IN "
        oldest = one(received + "('received', 'claimed', 'failed')")
        untried = one(received + "('received', 'claimed')")
        undelivered = one("SELECT min(written) FROM outbox")
        return Status(
            is_running=is_locked(self._folder / LOCK_NAME),
            folder=one("SELECT value FROM meta WHERE name = 'folder'"),
            states={state.value: states.get(state, 0) for state in ImageState},
            refusals=counts(
                "SELECT reason, count(*) FROM current_image WHERE status = 'refused'"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
            failures=counts(
                "SELECT failure, count(*) FROM current_image WHERE status = 'failed'"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
            absent=states.get(ABSENT, 0),
            unreadable=counts(
                "SELECT failure, count(*) FROM file WHERE present AND failure IS NOT NULL"
                " GROUP BY 1"
            ),
            duplicates=one("SELECT count(sha256) - count(DISTINCT sha256) FROM file WHERE present"),
            oldest_waiting_s=age(oldest),
            oldest_untried_s=age(untried),
            last_result=one("SELECT max(classified_at) FROM image"),
            per_hour=one(
                "SELECT count(*) FROM image WHERE classified_at > ? AND classified_at <= ?",
                *(now - RATE_WINDOW_S, now),
            ),
            undelivered=one("SELECT count(*) FROM outbox"),
            oldest_undelivered_s=age(undelivered),
            predictors=counts(
                "SELECT predictor, count(*) FROM current_image WHERE predictor IS NOT NULL"
                " GROUP BY 1 ORDER BY 2 DESC"
            ),
            picture_failure=self.meta(PICTURE_FAILURE),
            drift=DriftWatch(self.meta(DRIFT)),
        )

    def meta(self, name: str) -> str:
        """Return a value of the metadata, "" if there is none."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row["value"])

    def folders(self, *, timeout_s: float = ANSWER_S) -> dict[str, str]:
        """Return for results, archives and pictures "in place", or "away" and why.

        A share that hangs does not keep this from returning.
        """
        known = known_folders(self._connection)
        places = dict.fromkeys(known, f"no answer within {timeout_s:g} s")
        threads = [
            threading.Thread(
                target=_look,
                args=(MarkedFolder(Path(each.path), name, each.marker), places),
                daemon=True,  # it may never end
            )
            for name, each in known.items()
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return dict(places)

    def adopt_folders(self) -> int:
        """Let the next start of the service use the folders that are at their paths then."""
        known = known_folders(self._connection)
        for name, folder in known.items():
            set_known_folder(self._connection, name, folder._replace(marker=""))
        return len(known)

    def reset_canary(self) -> int:
        """Remove the baselines of the self-test; return their number."""
        return self._connection.execute("DELETE FROM meta WHERE name LIKE 'canary %'").rowcount

    def requeue(self, which: Requeue, value: str = "") -> int:
        """Queue images again; return their number. Their results stay until the new ones.

        Parameters
        ----------
        which, value
            See `Requeue`.
        """
        return self._connection.execute(_REQUEUE[which], {"value": value}).rowcount

    def export(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Yield each current result with the names of its files, oldest first, in version 2."""
        rows = self._connection.execute(
            "SELECT sha256, record FROM image WHERE superseded_by IS NULL AND record IS NOT NULL"
            " ORDER BY received, id"
        )
        for row in rows:
            names = self._connection.execute(
                "SELECT path FROM file WHERE sha256 = ? ORDER BY path", (row["sha256"],)
            )
            yield upgrade(json.loads(row["record"])), [os.fsdecode(name["path"]) for name in names]

    def _one(self, sql: str, *values: float) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _counts(self, sql: str) -> dict[str, int]:
        return {str(name): int(n) for name, n in self._connection.execute(sql)}


def _look(folder: MarkedFolder, places: dict[str, str]) -> None:
    """Note whether a folder is in its place."""
    try:
        folder.check()
    except FolderAwayError as err:
        places[folder.name] = f"away ({err.cause})"
    else:
        places[folder.name] = "in place"
