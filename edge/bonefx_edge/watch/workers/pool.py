"""A fixed number of worker processes: spread jobs, replace dead workers, run the self-test."""

import logging
import math
import select
from collections.abc import Callable, Iterator
from typing import Final

from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.canary import (
    CANARY,
    CANARY_INTERVAL_S,
    CANARY_RETRY_S,
    Canary,
)
from bonefx_edge.watch.workers.process import WorkerProcess
from bonefx_edge.watch.workers.protocol import Job, JobResult, JobStatus

logger = logging.getLogger(__name__)

SPAWN_RETRY_S: Final = 5.0
"""After the system refused to start a process: too many processes, or no memory."""


class WorkerPool:
    """Worker processes; while the self-test fails, jobs come back as NOT_STARTED."""

    def __init__(
        self,
        size: int,
        *,
        spawn: Callable[[], WorkerProcess],
        canary: Canary,
        clock: Callable[[], float],
    ) -> None:
        """Store the parts; `spawn` starts one of `size` >= 1 workers, first in `maintain`."""
        self.canary = canary
        self._size, self._spawn, self._clock = size, spawn, clock
        self._workers: list[WorkerProcess] = []
        self._next_start = -math.inf

    @property
    def ready(self) -> int:
        """Number of workers that have loaded the model."""
        return sum(bool(worker.predictor) for worker in self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether no worker has a job."""
        return all(worker.is_idle for worker in self._workers)

    @property
    def has_capacity(self) -> bool:
        """Whether a job can be submitted."""
        return self.canary.is_healthy and any(worker.has_capacity for worker in self._workers)

    def sources(self) -> list[WorkerProcess]:
        """Return what `select` can wait for: readable when there is something to poll."""
        return [worker for worker in self._workers if not worker.has_exited]

    def submit(self, job: Job) -> None:
        """Submit a job to an idle worker, or to one that has capacity left."""
        free = [worker for worker in self._workers if worker.has_capacity]
        min(free, key=lambda worker: not worker.is_idle).submit(job)

    def poll(self) -> Iterator[JobResult]:
        """Yield the results since the last call, and kill workers past their deadline.

        Raises
        ------
        InterpreterError
            The model cannot be used.
        """
        readable, _, _ = select.select(self.sources(), [], [], 0)
        for worker in readable:
            for result in worker.read_results():
                if result.claim == CANARY:
                    self._verify_canary(result, worker)
                elif self.canary.is_healthy:
                    yield result
                else:
                    yield JobResult(result.claim, JobStatus.NOT_STARTED)
        now = self._clock()
        for worker in self._workers:
            deadline = worker.deadline()
            if deadline is not None and now > deadline:
                worker.kill()

    def maintain(self) -> None:
        """Start missing workers, and submit the self-test image where it is due.

        Each worker gets it before its first image and periodically afterwards: results of a worker
        that failed the self-test are discarded.
        """
        now = self._clock()
        self._workers = [worker for worker in self._workers if not worker.can_be_replaced]
        while len(self._workers) < self._size and now >= self._next_start:
            self._start_worker(now)
        for worker in self._workers:
            if worker.predictor and not worker.has_exited and worker.canary_due <= now:
                worker.submit(Job(CANARY))
                worker.canary_due = now + CANARY_INTERVAL_S

    def _start_worker(self, now: float) -> None:
        try:
            worker = self._spawn()
        except OSError as err:
            logger.warning(
                "cannot start a worker process (%s), next attempt in %g s",
                *(error_name(err), SPAWN_RETRY_S),
            )
            self._next_start = now + SPAWN_RETRY_S
            return
        worker.canary_due += 0.0 if self.canary.is_healthy else CANARY_RETRY_S
        self._workers.append(worker)

    def stop(self) -> list[Claim]:
        """Kill all workers, and return the images they had; `maintain` starts new ones."""
        claims = [claim for worker in self._workers for claim in worker.stop()]
        self._workers = []
        return [claim for claim in claims if claim != CANARY]

    def _verify_canary(self, result: JobResult, worker: WorkerProcess) -> None:
        """Check the result of the self-test, and kill a worker that fails it."""
        if result.status in (JobStatus.NOT_STARTED, JobStatus.TRANSIENT):
            # No memory or no time: neither passed nor failed.
            worker.canary_due = self._clock() + CANARY_RETRY_S
            return
        self.canary.verify(
            result.finding, predictor=worker.predictor, environment=worker.environment
        )
        worker.is_verified = self.canary.is_healthy
        if not self.canary.is_healthy and not worker.has_exited:
            worker.kill()
