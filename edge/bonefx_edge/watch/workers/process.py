"""One worker process: jobs go in, results come out, and an exit becomes results with a cause."""

import json
import logging
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from bonefx_edge.errors import InterpreterError, Reason
from bonefx_edge.text import exit_cause
from bonefx_edge.watch.backoff import pause_before_retry
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.protocol import Job, JobResult, JobStatus, WorkerConfig

logger = logging.getLogger(__name__)

PREFETCH: Final = 2
"""Jobs per worker: it classifies one while the service writes the result of the other."""
READ_GRACE_S: Final = 90.0
"""For reading a file, beyond the time limit of a job: the largest file at 3 MB/s. A hanging share
blocks a worker this long; then the worker is killed, and the image is retried later."""
LOAD_TIMEOUT_S: Final = 60.0
"""For loading the model: a third of a second on x86-64, more from a slow SD card."""
MAX_LOAD_CRASHES: Final = 3
"""In a row, over all workers. Then the model, the interpreter or the processor is the cause, and
another worker would crash, too."""
FIRST_RESTART_DELAY_S: Final = 5.0
"""After a worker was killed while loading; each further delay is twice as long. Loading needs the
memory whose lack is the likely cause."""
_KILLED: Final = (-signal.SIGKILL, -signal.SIGTERM)
"""By the kernel when out of memory, or by a program such as earlyoom."""
PROGRAM: Final = (sys.executable, "-m", "bonefx_edge.watch.workers.main")
_READ_BYTES: Final = 1 << 16


class CrashLoopBackoff:
    """Counts failed model loads over all workers."""

    def __init__(self) -> None:
        self._crashes = self._kills = 0

    def reset(self) -> None:
        """Record that a worker has loaded the model."""
        self._crashes = self._kills = 0

    def record_kill(self) -> float:
        """Record that a worker was killed; return the delay before the next one, seconds."""
        self._kills += 1
        return pause_before_retry(attempts=self._kills, first_s=FIRST_RESTART_DELAY_S)

    def record_crash(self, code: int) -> None:
        """Record that a worker ended with this exit code, or negative signal number.

        Raises
        ------
        InterpreterError
            At once for an exit code; for a signal at the third crash in a row.
        """
        self._crashes += 1
        if code < 0 and self._crashes < MAX_LOAD_CRASHES:
            return
        count = "" if code >= 0 else f" {self._crashes} times in a row"
        msg = f"A worker crashed while loading the model{count} ({exit_cause(code)}). "
        raise InterpreterError(msg + "Run edge-admin doctor.")


class WorkerProcess:
    """One process with its jobs, in the order in which it executes them."""

    def __init__(
        self,
        config: WorkerConfig,
        *,
        backoff: CrashLoopBackoff,
        clock: Callable[[], float],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._config, self._backoff, self._clock = config, backoff, clock
        self.predictor = ""
        """Model, mode and operating point; "" until the model is loaded."""
        self.environment = ""
        """Versions of the libraries and the machine; "" until the model is loaded."""
        self.is_verified = False
        """Whether it has passed the self-test."""
        self.canary_due = clock()
        """Monotonic second of its next self-test."""
        self._jobs: deque[Job] = deque()
        self._unsent = 0  # the last ones of `_jobs`
        self._drawing: Claim | None = None  # its result was read, its pictures were not
        self.has_exited = False
        """Whether the process has ended; `read_results` has yielded its jobs."""
        self._killed = False
        self._replace_at = 0.0
        self._buffer = b""
        self._since = clock()
        self._process = subprocess.Popen(  # noqa: S603 -- our own module and arguments
            [*program, json.dumps(asdict(config))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @property
    def has_capacity(self) -> bool:
        """Whether it accepts another job: only after it has passed the self-test."""
        is_up = self.predictor and not self.has_exited
        return bool(is_up and self.is_verified) and len(self._jobs) < PREFETCH

    @property
    def is_idle(self) -> bool:
        """Whether no result is expected."""
        return self.has_exited or not (self._jobs or self._drawing)

    @property
    def can_be_replaced(self) -> bool:
        """Whether it has exited, and the restart delay is over."""
        return self.has_exited and self._clock() >= self._replace_at

    def fileno(self) -> int:
        """Return the descriptor that is readable at a result and at the exit of the process."""
        assert self._process.stdout is not None  # noqa: S101 -- opened above, as a pipe
        return self._process.stdout.fileno()

    def deadline(self) -> float | None:
        """Return the monotonic second after which to kill it, None for never."""
        if self.has_exited:
            return None
        if not self.predictor:
            return self._since + LOAD_TIMEOUT_S
        return None if self.is_idle else self._since + self._config.time_limit_s + READ_GRACE_S

    def submit(self, job: Job) -> None:
        """Send a job to the process."""
        if self.is_idle:
            self._since = self._clock()
        self._jobs.append(job)
        claim = job.claim
        message = {"path": os.fsdecode(claim.path), "sha256": claim.sha256, "refuse": job.refuse}
        line = json.dumps(message) + "\n"
        assert self._process.stdin is not None  # noqa: S101 -- opened above, as a pipe
        try:
            os.write(self._process.stdin.fileno(), line.encode("ascii"))
        except BrokenPipeError:
            self._unsent += 1  # the process has ended: `read_results` gives the cause

    def read_results(self) -> Iterator[JobResult]:
        """Yield the results that can be read; after an exit, one for each remaining job.

        Raises
        ------
        InterpreterError
            The model cannot be used: another worker would not help.
        """
        data = os.read(self.fileno(), _READ_BYTES)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self._since = self._clock()
            if message.get("status") == JobStatus.FATAL:
                # Later messages are ignored; `stop` returns all its jobs.
                self.kill()
                self.has_exited = True
                raise InterpreterError(message["message"])
            if "ready" in message:
                self.predictor, self.environment = message["ready"], message["environment"]
                self._backoff.reset()
                logger.info("worker ready: %s; %s", self.predictor, self.environment)
                continue
            yield self._result(message)
        if not data:
            yield from self._reap()

    def _result(self, message: dict[str, Any]) -> JobResult:
        status = JobStatus(message["status"])
        if status is JobStatus.DRAWN and self._drawing:
            drawn = {kind: b64decode(text) for kind, text in message["pictures"].items()}
            claim, self._drawing = self._drawing, None
            return JobResult(claim, status, code=message["code"], pictures=drawn)
        claim = self._jobs.popleft().claim
        self._drawing = claim if message.get("draws") else None
        return JobResult(
            claim,
            status,
            message.get("finding"),
            message.get("code", ""),
            predictor=self.predictor,
            departures=message.get("departures", {}),
        )

    def kill(self) -> None:
        """Kill it; `read_results` then reports its first job as a timeout."""
        self._killed = True
        self._process.kill()

    def stop(self) -> list[Claim]:
        """Kill it, and return the images of its jobs."""
        self._process.kill()
        self._process.wait()
        self._close()
        return [job.claim for job in self._jobs]

    def _reap(self) -> Iterator[JobResult]:
        """Yield a result for each job: the first one that was sent may be the cause of the exit.

        SIGALRM is the time limit. Any other kill comes from the system, not from the file.
        """
        code = self._process.wait()
        self._close()
        self.has_exited = True
        logger.warning("worker exited (%s) with %d jobs", exit_cause(code), len(self._jobs))
        if not self.predictor and (self._killed or code in _KILLED):
            self._replace_at = self._clock() + self._backoff.record_kill()
        elif not self.predictor:
            self._backoff.record_crash(code)
        for number, job in enumerate(self._jobs):
            yield self._unfinished(job, is_cause=number == 0, code=code)
        self._jobs.clear()
        if self._drawing:
            yield JobResult(self._drawing, JobStatus.DRAWN, code="worker_exited")
            self._drawing = None

    def _unfinished(self, job: Job, *, is_cause: bool, code: int) -> JobResult:
        """Return the result of a job that the exit with this code ended."""
        claim, refuse = job
        if refuse is not None:  # the verdict of an earlier worker stays
            return JobResult(claim, JobStatus.CRASHED, reason=refuse)
        if not is_cause or self._drawing or len(self._jobs) == self._unsent:
            return JobResult(claim, JobStatus.NOT_STARTED)
        if code == -signal.SIGALRM:
            return JobResult(claim, JobStatus.CRASHED, reason=Reason.DECODER_HUNG)
        if code in _KILLED:
            cause = "timeout" if self._killed else "out_of_memory"
            return JobResult(claim, JobStatus.TRANSIENT, code=cause)
        return JobResult(claim, JobStatus.CRASHED, reason=Reason.DECODER_CRASHED)

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
