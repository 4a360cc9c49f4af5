"""The watching service: workers and results around one journal; the intake has its own thread.

    intake -> journal -> worker -> result file -> journal

The order of the last two is the promise: what the journal calls done has its result on disk. A kill
in between repeats the film under the same name. `turn` does what is due, `serve` waits in between.
"""

import logging
import select
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bonefx_edge.errors import JournalError, Reason
from bonefx_edge.watch.intake.thread import IntakeThread
from bonefx_edge.watch.journal.connection import name_of_trouble
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.outbox import message
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.monitoring.health import Pause, ServiceSnapshot
from bonefx_edge.watch.results import ResultFolder, result_record
from bonefx_edge.watch.workers.pool import WorkerPool
from bonefx_edge.watch.workers.protocol import Job, JobResult, JobStatus

if TYPE_CHECKING:  # it takes 14 MiB, and is there only if a health port was asked for
    from bonefx_edge.watch.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

LONGEST_WAIT_S: Final = 1.0
"""Between two turns: edge-admin's requeue, the disk and the stop are looked for so often."""
DISK_CHECK_S: Final = 1.0
TROUBLE_PAUSE_S: Final = 5.0
"""Before the disk of the results is tried again after it failed us."""
LEAST_ROOM_BYTES: Final = 1 << 20
"""To go on after a full disk, whatever the watermark: room for a few hundred films."""
UNFINISHED_GRACE_S: Final = 30.0
"""For a file that is empty or ends early to be completed before it is refused for that."""
_UNFINISHED: Final = frozenset((Reason.TRUNCATED, Reason.EMPTY))


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service behaves, apart from how a film is read."""

    out: Path
    """Folder of results and journal."""
    min_free_bytes: int
    """Free on the disk of `out`, below which nothing is taken."""
    once: bool
    """End when everything that is there has been dealt with, unfinished files included."""
    tells: bool = False
    """Whether a message about each result goes into the outbox."""


class Service:
    """Everything that `--watch` does, one turn at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        journal: Journal,
        intake: IntakeThread,
        results: ResultFolder,
        pool: WorkerPool,
        clock: Callable[[], float],
        wall: Callable[[], float],
        metrics: "Metrics | None" = None,
    ) -> None:
        """Take the parts; `clock` gives monotonic seconds, `wall` those since 1970.

        What a kill left is put right here: partial results, and superseded ones among the current.
        """
        self._settings, self._journal, self._intake = settings, journal, intake
        self._results, self._pool, self._clock, self._wall = results, pool, clock, wall
        self._metrics, self._next_disk_check = metrics, clock()
        self._next_claim: float | None = clock()
        self._poison_jobs: list[Job] = []
        self._takes, self._seen_changes = True, -1
        self.pause = Pause.NONE
        self.decided = self.refused = self.failed = 0
        """Results, refusals among them, and attempts that came to nothing, since the beginning."""
        results.sweep()
        self._unfile()

    # ---- the loop ----

    def serve(self, stop: Callable[[], bool], *, heartbeat: Callable[[], None]) -> None:
        """Work until `stop()`, or with `--once` until nothing is left; `heartbeat()` at every turn.

        Raises
        ------
        InterpreterError
            The model cannot be used; with `--once`, the canary film is answered wrongly.
        """
        while not stop():
            self.turn()
            heartbeat()
            if self._settings.once:
                self._pool.canary.require_healthy()
                if self.is_done():
                    break
            self.wait()

    def close(self, *, patience_s: float) -> None:
        """Take no more, wait for what is in hand, hand back what does not end in time."""
        self._takes = False
        end = self._clock() + patience_s
        while not self._pool.is_idle and self._clock() < end:
            self.turn()
            self.wait()
        try:
            for claim in [*self._pool.stop(), *(job.claim for job in self._poison_jobs)]:
                self._journal.hand_back(claim.sha256)
        except sqlite3.OperationalError as err:
            logger.warning(
                "cannot release the images in progress (%s): the next start does",
                name_of_trouble(err),
            )
        self._intake.close()

    def is_ready(self) -> bool:
        """Return whether a worker is up; a folder or disk that is not there yet is waited for."""
        return self._pool.ready > 0

    def snapshot(self) -> ServiceSnapshot:
        """Return how it stands, for other threads: a value that nobody changes."""
        return ServiceSnapshot(
            last_step=self._clock(),
            folder_exists=self._intake.folder_is_there is True,
            folder_answered=self._intake.answered,
            workers_ready=self._pool.ready,
            pause=self.pause,
            canary_is_healthy=self._pool.canary.is_healthy,
            canary_last_passed=self._pool.canary.last_passed,
            decided=self.decided,
            refused=self.refused,
        )

    def is_done(self) -> bool:
        """Return whether all that is there has a result or can have none for now."""
        idle = self._pool.is_idle and not self._poison_jobs
        if self._intake.folder_is_there is False:
            return idle
        # In this order: what was taken before it came to rest is a change that `_claim` must see.
        at_rest = self._intake.is_at_rest
        claimed = self._next_claim is None and self._journal.changes() == self._seen_changes
        return idle and at_rest and claimed

    def wait(self) -> None:
        """Return when there is something to do, or after `LONGEST_WAIT_S`."""
        now = self._clock()
        times, sources = [now + LONGEST_WAIT_S], list[Any]()
        if self._collects:  # else what waits there would wake us for ever
            sources += self._pool.sources()
        if self._takes and self.pause is Pause.NONE:
            sources.append(self._intake)
            if self._pool.has_capacity and self._next_claim is not None:
                times.append(self._next_claim)
        select.select(sources, [], [], max(0.0, min(times) - now))

    @property
    def _collects(self) -> bool:
        """Whether results are written; at the stop also below the watermark: they are small."""
        return self.pause is Pause.NONE or (self.pause is Pause.DISK_LOW and not self._takes)

    def turn(self) -> None:
        """Do what is due: all answers, new claims."""
        try:
            self._check_disk()
            takes = self._takes and self.pause is Pause.NONE
            if takes:
                self._intake.resume()
            else:
                self._intake.suspend()
            if self._collects:
                for result in self._pool.poll():
                    self._record(result)
                self._unfile()
            if takes:
                self._pool.maintain()
                self._claim()
        except (OSError, sqlite3.OperationalError, JournalError) as err:
            self._stall(err)

    def _check_disk(self) -> None:
        """Stop taking while the disk is low; go on by itself, from what the journal holds."""
        now = self._clock()
        if now < self._next_disk_check:
            return
        self._next_disk_check = now + DISK_CHECK_S
        free = shutil.disk_usage(self._settings.out).free
        if self.pause is Pause.NONE and free < self._settings.min_free_bytes:
            logger.error("only %d MiB free: paused", free >> 20)
            self.pause = Pause.DISK_LOW
        elif self.pause is not Pause.NONE and free >= max(
            self._settings.min_free_bytes, LEAST_ROOM_BYTES
        ):
            if self.pause is Pause.STORAGE_ERROR:  # what was in hand was dropped
                self._journal.hand_back_all()
                self._results.sweep()
            logger.warning("resumed")
            self.pause, self._next_claim = Pause.NONE, now

    def _stall(self, err: OSError | sqlite3.OperationalError | JournalError) -> None:
        """Give up what is in hand: it stands in the journal, and is done when the trouble is over.

        The disk of results and journal is full, gone or read-only: no film can be dealt with.
        """
        stage = "results" if isinstance(err, OSError) else "journal"
        logger.error("cannot write the %s (%s): paused", stage, name_of_trouble(err))
        self.pause = Pause.STORAGE_ERROR
        self._next_disk_check = self._clock() + TROUBLE_PAUSE_S
        self._pool.stop()
        self._poison_jobs.clear()

    # ---- claims and answers ----

    def _claim(self) -> None:
        """Give the workers what they have room for: condemned films first, then the next due."""
        changes = self._journal.changes()
        if changes != self._seen_changes:
            self._seen_changes, self._next_claim = changes, self._clock()
        while self._pool.has_capacity:
            job = self._poison_jobs.pop() if self._poison_jobs else self._next_job()
            if job is None:
                return
            self._pool.submit(job)

    def _next_job(self) -> Job | None:
        if self._next_claim is None or self._clock() < self._next_claim:
            return None
        claim = self._journal.claim(now=self._wall())
        if claim:
            return Job(claim)
        retry = self._journal.next_retry(now=self._wall())
        waits = retry is not None and not self._settings.once
        self._next_claim = (
            self._clock() + max(0.0, retry - self._wall()) if retry and waits else None
        )
        return None

    def _record(self, result: JobResult) -> None:
        """Bring what became of a film to disk: the result first, then the journal."""
        claim, finding, now = result.claim, result.finding, self._wall()
        if result.status is JobStatus.NOT_STARTED:
            self._journal.hand_back(claim.sha256)
            self._next_claim = self._clock()
        elif result.status is JobStatus.CRASHED:
            self._poison_jobs.append(Job(claim, result.reason))
        elif finding is None:
            self._retry(claim, result.code or result.status.value)
        elif self._is_unfinished(claim, finding, now=now):
            self._retry(claim, finding["reason"])
        else:
            with self._journal.alone():  # else the intake may supersede it in between
                self._publish(claim, finding, answered_by=result.predictor, now=now)

    def _retry(self, claim: Claim, code: str) -> None:
        retry_at = self._journal.fail(claim.sha256, code, now=self._wall())
        self.failed += 1
        if self._metrics:
            self._metrics.failed(code)
        logger.warning("%s %s, retry in %.0f s", claim.sha256[:8], code, retry_at - self._wall())
        self._next_claim = self._clock()

    def _is_unfinished(self, claim: Claim, finding: dict[str, Any], *, now: float) -> bool:
        """Return whether a file may still be on its way: it ends early, and came just now."""
        early = 0 <= now - claim.received < UNFINISHED_GRACE_S
        return finding["reason"] in _UNFINISHED and early and not self._settings.once

    def _publish(
        self, claim: Claim, finding: dict[str, Any], *, answered_by: str, now: float
    ) -> None:
        record = result_record(
            finding, received=claim.received, decided=now, answered_by=answered_by
        )
        told = None
        if not self._journal.is_superseded(claim.sha256):
            self._results.publish(claim.sha256, record)
            if self._settings.tells:
                told = message(record, supersedes=self._journal.superseded_by(claim.sha256))
        self._journal.finish(claim.sha256, record, answered_by=answered_by, now=now, message=told)
        if self._metrics:
            self._metrics.decided(finding, lag_s=self._wall() - claim.received)
        self.decided += 1
        self.refused += finding["reason"] is not None
        reason = f" ({finding['reason']})" if finding["reason"] else ""
        logger.info("%s %s%s", claim.sha256[:8], finding["state"], reason)

    def _unfile(self) -> None:
        with self._journal.alone():  # else one of them may come back in between
            for sha256 in self._journal.to_unfile():
                self._results.unfile(sha256)
                self._journal.note_unfiled(sha256)
