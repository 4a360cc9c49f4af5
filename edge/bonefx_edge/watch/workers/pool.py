"""All workers together: they get films, those that die are replaced, the canary is asked about."""

import logging
import math
import select
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.canary import AGAIN_S, CANARY, EVERY_S, Canary
from bonefx_edge.watch.workers.process import Worker
from bonefx_edge.watch.workers.protocol import Answer, Done, Job

logger = logging.getLogger(__name__)

START_RETRY_S: Final = 5.0
"""After the system refused to start a process: too many of them, or no memory."""


class Told(NamedTuple):
    """What became of a film, and who says so."""

    done: Done
    answered_by: str
    """Model, reading and operating point."""


class Crew:
    """A fixed number of workers. Films given while the canary is answered wrongly come back."""

    def __init__(
        self,
        size: int,
        *,
        hire: Callable[[], Worker],
        canary: Canary,
        clock: Callable[[], float],
    ) -> None:
        """Take what makes `size` workers, >= 1; none is hired before the first `renew`."""
        self.canary = canary
        self._size, self._hire, self._clock = size, hire, clock
        self._workers: list[Worker] = []
        self._next_start = -math.inf

    @property
    def ready(self) -> int:
        """How many have loaded the model."""
        return sum(bool(worker.answered_by) for worker in self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether none has anything in hand."""
        return all(worker.is_idle for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether one of them may be given a film."""
        return self.canary.is_sound and any(worker.has_room for worker in self._workers)

    def sources(self) -> list[Worker]:
        """Return what is readable when there is something to collect."""
        return [worker for worker in self._workers if not worker.is_gone]

    def give(self, job: Job) -> None:
        """Give a film to the emptiest hand: two workers with one each before one with two."""
        free = [worker for worker in self._workers if worker.has_room]
        min(free, key=lambda worker: not worker.is_idle).give(job)

    def collect(self) -> Iterator[Told]:
        """Yield what became of films since the last time; end workers that take too long.

        Raises
        ------
        InterpreterError
            The model cannot be used.
        """
        readable, _, _ = select.select(self.sources(), [], [], 0)
        for worker in readable:
            for done in worker.answers():
                if done.claim == CANARY:
                    self._judge(done, worker)
                elif self.canary.is_sound:
                    yield Told(done, worker.answered_by)
                else:
                    yield Told(Done(done.claim, Answer.UNTOUCHED), worker.answered_by)
        now = self._clock()
        for worker in self._workers:
            deadline = worker.deadline()
            if deadline is not None and now > deadline:
                worker.kill()

    def renew(self) -> None:
        """Hire where one is missing or gone, and ask about the canary where it is time.

        Each is asked before its first film, and now and then: no result is believed of a worker
        that has not answered rightly.
        """
        now = self._clock()
        self._workers = [worker for worker in self._workers if not worker.may_be_replaced]
        while len(self._workers) < self._size and now >= self._next_start:
            self._start_worker(now)
        for worker in self._workers:
            if worker.answered_by and not worker.is_gone and worker.canary_due <= now:
                worker.give(Job(CANARY))
                worker.canary_due = now + EVERY_S

    def _start_worker(self, now: float) -> None:
        try:
            worker = self._hire()
        except OSError as err:
            logger.warning(
                "a worker process cannot be started (%s): tried again in %g s",
                *(error_name(err), START_RETRY_S),
            )
            self._next_start = now + START_RETRY_S
            return
        worker.canary_due += 0.0 if self.canary.is_sound else AGAIN_S
        self._workers.append(worker)

    def stop(self) -> list[Claim]:
        """End all, and return what they had in hand; `renew` hires anew."""
        claims = [claim for worker in self._workers for claim in worker.stop()]
        self._workers = []
        return [claim for claim in claims if claim != CANARY]

    def _judge(self, done: Done, worker: Worker) -> None:
        """End a worker that answers the canary wrongly; the next one is asked in a while."""
        if done.answer in (Answer.UNTOUCHED, Answer.UNAVAILABLE):
            # No memory, or no time: it says nothing of the answer, but is no right one either.
            worker.canary_due = self._clock() + AGAIN_S
            return
        self.canary.judge(done.finding, answered_by=worker.answered_by, made_of=worker.made_of)
        worker.is_proven = self.canary.is_sound
        if not self.canary.is_sound and not worker.is_gone:
            worker.kill()
