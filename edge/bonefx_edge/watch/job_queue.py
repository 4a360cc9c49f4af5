"""The next job for a worker: from the journal, or the refusal of an image that ended a worker."""

from collections.abc import Callable

from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.protocol import Job


class JobQueue:
    """Claims images when they are due; asks the journal only when there can be one."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        retries: bool,
    ) -> None:
        """Store the parts.

        Parameters
        ----------
        clock, wall
            Monotonic seconds; seconds since 1970.
        retries
            Whether failed images are tried again.
        """
        self._journal, self._clock, self._wall, self._retries = journal, clock, wall, retries
        self._poison_jobs: list[Job] = []
        self._seen_changes = -1
        self.next_claim: float | None = clock()
        """Monotonic second at which an image may be due; None until the journal changes."""

    @property
    def has_poison_jobs(self) -> bool:
        """Whether images that ended a worker are still to be refused."""
        return bool(self._poison_jobs)

    def is_exhausted(self) -> bool:
        """Return whether no image is due, also after changes by other processes or threads."""
        unchanged = self._journal.changes() == self._seen_changes
        return not self._poison_jobs and self.next_claim is None and unchanged

    def wake(self) -> None:
        """Ask the journal at the next call of `next`."""
        self.next_claim = self._clock()

    def add_poison_job(self, job: Job) -> None:
        """Add the refusal of an image that ended a worker; it comes before all others."""
        self._poison_jobs.append(job)

    def clear(self) -> list[Claim]:
        """Drop the refusals and return their images."""
        claims = [job.claim for job in self._poison_jobs]
        self._poison_jobs.clear()
        return claims

    def next(self) -> Job | None:
        """Return the next job, None if there is none for now."""
        changes = self._journal.changes()
        if changes != self._seen_changes:
            self._seen_changes = changes
            self.wake()
        if self._poison_jobs:
            return self._poison_jobs.pop()
        if self.next_claim is None or self._clock() < self.next_claim:
            return None
        claim = self._journal.claim(now=self._wall())
        if claim:
            return Job(claim)
        retry = self._journal.next_retry(now=self._wall()) if self._retries else None
        pause_s = None if retry is None else max(0.0, retry - self._wall())
        self.next_claim = None if pause_s is None else self._clock() + pause_s
        return None
