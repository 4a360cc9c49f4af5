"""The watching service: workers, results and journal; the intake has its own thread.

    intake -> journal -> worker -> result file -> journal

An image that is done in the journal has its result file on disk. A kill between the two repeats the
image under the same name. `step` does what is due, `serve` waits between two steps.
"""

import logging
import select
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.clock_steps import ClockSteps
from bonefx_edge.watch.intake.thread import IntakeThread
from bonefx_edge.watch.job_queue import JobQueue
from bonefx_edge.watch.journal.connection import damage_as_journal_error, error_code
from bonefx_edge.watch.journal.drift import DRIFT
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.outbox import message
from bonefx_edge.watch.journal.states import MAYBE_INCOMPLETE, Claim
from bonefx_edge.watch.marked_folder import MarkedFolder
from bonefx_edge.watch.monitoring.drift_log import count_film
from bonefx_edge.watch.monitoring.health import Pause, ServiceSnapshot
from bonefx_edge.watch.results import ResultFolder, result_record
from bonefx_edge.watch.storage import Storage
from bonefx_edge.watch.workers.pool import WorkerPool
from bonefx_edge.watch.workers.protocol import Job, JobResult, JobStatus

if TYPE_CHECKING:  # it takes 14 MiB, and is there only if a health port was asked for
    from bonefx_edge.watch.monitoring.metrics import Metrics
    from bonefx_edge.watch.pictures.writer import PictureWriter

logger = logging.getLogger(__name__)

MAX_WAIT_S: Final = 1.0
"""Between two steps: interval of the checks for a stop, disk space and `edge-admin requeue`."""
INCOMPLETE_GRACE_S: Final = 30.0
"""A file that may be incomplete is refused this long after its arrival: the upload may continue."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the service; those of the classification are in `WorkerConfig`."""

    out: Path
    """Folder of results."""
    min_free_bytes: int
    """Free space on the disk of `out`; with less, nothing is classified."""
    once: bool
    """Process what is in the folder, incomplete files included, then end."""
    has_receiver: bool = False
    """Whether messages are delivered: each result adds one to the outbox."""
    message_names: bool = False
    """Whether messages contain the path of the file."""


class Service:
    """Everything that `--watch` does, step by step."""

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
        pictures: "PictureWriter | None" = None,
        archives: Sequence[MarkedFolder] = (),
    ) -> None:
        """Store the parts; `clock` gives monotonic seconds, `wall` those since 1970.

        Cleans up partial results after a kill; the first step does so with superseded ones. A disk
        that is away or full is waited for.

        Raises
        ------
        JournalError
            The folder of the results belongs to the service of another journal.
        """
        self._settings, self._journal, self._intake = settings, journal, intake
        self._results, self._pool, self._clock, self._wall = results, pool, clock, wall
        self._metrics, self._pictures = metrics, pictures
        self._clock_steps = ClockSteps(clock=clock, wall=wall)
        self._queue = JobQueue(journal, clock=clock, wall=wall, retries=not settings.once)
        self._accepts = True
        self.classified = self.refused = 0
        """Results, and refusals among them, since the start."""
        self._archives = archives
        self._storage = Storage(journal, results, settings.min_free_bytes, clock=clock)
        self._storage.begin()

    @property
    def pause(self) -> Pause:
        """Why no image is classified at the moment."""
        return self._storage.pause

    # ---- the loop ----

    def serve(self, stop: Callable[[], bool], *, heartbeat: Callable[[], None]) -> None:
        """Run until `stop()`, or with `--once` until all is done; `heartbeat()` after each step.

        Raises
        ------
        InterpreterError
            The model cannot be used; with `--once`, the self-test failed.
        """
        while not stop():
            self.step()
            heartbeat()
            if self._settings.once:
                self._pool.canary.require_healthy()
                if self.is_done():
                    break
            self.wait()

    def close(self, *, timeout_s: float) -> None:
        """Claim nothing more, wait for the images in progress, release those that do not end."""
        self._accepts = False
        end = self._clock() + timeout_s
        while not self._pool.is_idle and self._clock() < end:
            self.step()
            self.wait()
        dropped = [*self._pool.stop(), *self._queue.clear()]
        try:
            for image in [] if self._storage.journal_is_lost else dropped:
                self._journal.release(image.sha256)
        except sqlite3.OperationalError as err:
            cause = error_code(err)
            logger.warning("cannot release the images in progress (%s): the next start does", cause)
        self._intake.close()
        if self._settings.once:
            self._storage.require_journal()

    def is_ready(self) -> bool:
        """Return whether a worker is ready. The folder need not exist yet."""
        return self._pool.ready > 0

    def snapshot(self) -> ServiceSnapshot:
        """Return the state of the service, for other threads."""
        return ServiceSnapshot(
            last_step=self._clock(),
            folder_exists=self._intake.folder_exists is True,
            folder_answered=self._intake.folder_answered,
            workers_ready=self._pool.ready,
            pause=self.pause,
            canary_is_healthy=self._pool.canary.is_healthy,
            canary_last_passed=self._pool.canary.last_passed,
            classified=self.classified,
            refused=self.refused,
            clock_steps=self._clock_steps.found,
            picture_failure=self._pictures.noted if self._pictures else "",
            away=self._storage.away,
            archives_away=tuple(each.name for each in self._archives if each.away is not None),
        )

    def is_done(self) -> bool:
        """Return whether every image has a result, or must wait for a retry."""
        if self._storage.is_broken:
            return False
        if self._intake.folder_exists is False:
            return self._pool.is_idle and not self._queue.has_poison_jobs
        # In this order: what the intake accepted before it became idle has changed the journal.
        intake_is_idle = self._intake.is_idle
        return self._pool.is_idle and intake_is_idle and self._queue.is_exhausted()

    def wait(self) -> None:
        """Return when there is something to do, or after `MAX_WAIT_S`."""
        now = self._clock()
        times, sources = [now + MAX_WAIT_S], list[Any]()
        if self._polls_results:  # else a result that waits would end every wait at once
            sources += self._pool.sources()
        if self._accepts and self.pause is Pause.NONE:
            sources.append(self._intake)
            if self._pool.has_capacity and self._queue.next_claim is not None:
                times.append(self._queue.next_claim)
        select.select(sources, [], [], max(0.0, min(times) - now))

    @property
    def _polls_results(self) -> bool:
        """Whether results are written: at the stop also below the watermark, as they are small."""
        return self.pause is Pause.NONE or (self.pause is Pause.DISK_LOW and not self._accepts)

    def step(self) -> None:
        """Do what is due: write results, claim images."""
        self._clock_steps.observe()
        try:
            with damage_as_journal_error():
                self._step()
        except (OSError, sqlite3.OperationalError, JournalError) as err:
            self._suspend(err)

    def _step(self) -> None:
        if self._storage.check():
            self._queue.wake()
        accepts = self._accepts and self.pause is Pause.NONE
        if accepts:
            self._intake.resume()
        else:
            self._intake.suspend()
        if self._polls_results:
            for result in self._pool.poll():
                self._record(result)
            self._retire()
        if accepts:
            self._pool.maintain()
            self._claim()

    def _suspend(self, err: OSError | sqlite3.OperationalError | JournalError) -> None:
        """Pause after the disk of results or journal failed: it is full, missing or read-only.

        Images in progress are dropped; the journal has them, and they are classified later.
        """
        self._storage.suspend(err)
        self._pool.stop()
        self._queue.clear()

    # ---- claims and results ----

    def _claim(self) -> None:
        """Submit jobs to the workers as far as they have capacity."""
        while self._pool.has_capacity:
            job = self._queue.next()
            if job is None:
                return
            self._pool.submit(job)

    def _record(self, result: JobResult) -> None:
        """Write a job's result to disk: the result file first, then the journal."""
        claim, finding, now = result.claim, result.finding, self._wall()
        if result.status is JobStatus.NOT_STARTED:
            self._journal.release(claim.sha256)
            self._queue.wake()
        elif result.status is JobStatus.CRASHED:
            self._queue.add_poison_job(Job(claim, result.reason))
        elif result.status is JobStatus.DRAWN:
            if self._pictures:
                self._pictures.add(claim.sha256, result.pictures, result.code)
        elif finding is None:
            self._retry(claim, result.code or result.status.value)
        elif self._is_incomplete(claim, finding, now=now):
            self._retry(claim, finding["reason"])
        else:
            with self._journal.exclusive():  # the intake could supersede it in between
                self._publish(result, finding, now=now)

    def _retry(self, claim: Claim, code: str) -> None:
        retry_at = self._journal.fail(claim.sha256, code, now=self._wall())
        if self._metrics:
            self._metrics.count_failure(code)
        logger.warning("%s %s, retry in %.0f s", claim.sha256[:8], code, retry_at - self._wall())
        self._queue.wake()

    def _is_incomplete(self, claim: Claim, finding: dict[str, Any], *, now: float) -> bool:
        """Return whether the upload may continue: the file is damaged, and arrived recently."""
        age_s = self._clock_steps.age_s(claim.received)
        is_future = age_s == 0.0 and claim.received > now  # an earlier run had a wrong clock
        early = age_s < INCOMPLETE_GRACE_S and not is_future
        return finding["reason"] in MAYBE_INCOMPLETE and early and not self._settings.once

    def _publish(self, result: JobResult, finding: dict[str, Any], *, now: float) -> None:
        claim, predictor = result.claim, result.predictor
        record = result_record(
            finding, received=claim.received, classified_at=now, predictor=predictor
        )
        body = None
        if not self._journal.is_superseded(claim.sha256):
            self._results.publish(claim.sha256, record)
            if self._settings.has_receiver:
                body = message(
                    record,
                    supersedes=self._journal.superseded_by(claim.sha256),
                    with_name=self._settings.message_names,
                )
        # What the journal has: no film twice whose result could not be recorded at first.
        drift = count_film(self._journal.get_meta(DRIFT), result.departures, predictor)
        self._journal.finish(
            claim.sha256, record, predictor=predictor, now=now, message=body, drift=drift
        )
        if self._metrics:
            self._metrics.count_result(finding, lag_s=self._clock_steps.age_s(claim.received))
        self.classified += 1
        self.refused += finding["reason"] is not None
        reason = f" ({finding['reason']})" if finding["reason"] else ""
        logger.info("%s %s%s", claim.sha256[:8], finding["state"], reason)

    def _retire(self) -> None:
        with self._journal.exclusive():  # the intake could make one current again in between
            for sha256 in self._journal.retired_results():
                self._results.retire(sha256)
                self._journal.mark_retired(sha256)
