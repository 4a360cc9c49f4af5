"""The worker processes: films go in, answers come out, and what dies is replaced."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

from bonefx_edge.errors import InterpreterError, Reason
from bonefx_edge.watch.films import Claim
from bonefx_edge.watch.jobs import Answer, Done, Job, Options

logger = logging.getLogger(__name__)

IN_HAND: Final = 2
"""Films a worker has at a time: while the service files one result, it works on the next."""
GRACE_S: Final = 90.0
"""Beyond the worker's own time limit, for reading: a file at the cap over a link of 3 MB/s. A share
that hangs holds a worker for so long; then it is killed, and the film tried again later."""
START_S: Final = 60.0
"""For a worker to load its model; half a second on x86-64, more from a slow card."""
PROGRAM: Final = (sys.executable, "-m", "bonefx_edge.watch.worker")
_READ_BYTES: Final = 1 << 16


class Worker:
    """One process, with the films it has in hand in the order in which it takes them."""

    def __init__(
        self, options: Options, *, clock: Callable[[], float], program: Sequence[str] = PROGRAM
    ) -> None:
        self._options, self._clock = options, clock
        self.answered_by = ""
        """Model, reading and operating point; "" until it is ready."""
        self.runtime = ""
        self._jobs: deque[Job] = deque()
        self.is_gone = False
        """Whether it ended by itself; its films have come out of `answers`."""
        self._killed = False
        self._rest = b""
        self._since = clock()
        self._process = subprocess.Popen(  # noqa: S603 -- our own module, our own words
            [*program, json.dumps(asdict(options))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @property
    def has_room(self) -> bool:
        """Whether it can take another film."""
        return bool(self.answered_by) and len(self._jobs) < IN_HAND

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing in hand."""
        return not self._jobs

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer or the process is gone."""
        assert self._process.stdout is not None  # noqa: S101 -- opened above, as a pipe
        return self._process.stdout.fileno()

    def deadline(self) -> float | None:
        """Return the monotonic second at which it has taken too long, None while it waits."""
        if not self.answered_by:
            return self._since + START_S
        return self._since + self._options.time_limit_s + GRACE_S if self._jobs else None

    def give(self, job: Job) -> None:
        """Give it a film."""
        if not self._jobs:
            self._since = self._clock()
        self._jobs.append(job)
        claim = job.claim
        words = {"path": os.fsdecode(claim.path), "sha256": claim.sha256, "refuse": job.refuse}
        line = json.dumps(words) + "\n"
        assert self._process.stdin is not None  # noqa: S101 -- opened above, as a pipe
        try:
            os.write(self._process.stdin.fileno(), line.encode("ascii"))
        except BrokenPipeError:
            return  # it died: `answers` says so, and of what

    def answers(self) -> Iterator[Done]:
        """Yield what it has answered; at its end, what becomes of the films in its hands.

        Raises
        ------
        InterpreterError
            The model cannot be used: there is no point in another worker.
        """
        data = os.read(self.fileno(), _READ_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self._since = self._clock()
            if message.get("answer") == Answer.BROKEN:
                raise InterpreterError(message["message"])
            if "ready" in message:
                self.answered_by, self.runtime = message["ready"], message["runtime"]
                logger.info("a worker is ready: %s, %s", self.answered_by, self.runtime)
                continue
            yield Done(
                self._jobs.popleft().claim,
                Answer(message["answer"]),
                message.get("finding"),
                message.get("code", ""),
            )
        if not data:
            yield from self._bury()

    def kill(self) -> None:
        """End it now; its films come out of `answers` as those of a worker that hung."""
        self._killed = True
        self._process.kill()

    def stop(self) -> list[Claim]:
        """End it, and return the films it had in hand."""
        self._process.kill()
        self._process.wait()
        self._close()
        return [job.claim for job in self._jobs]

    def _bury(self) -> Iterator[Done]:
        """Yield the fate of each film in hand: the first one may be why it died, never the others.

        SIGALRM is the worker's own time limit. SIGKILL that is not ours is the kernel's, out of
        memory, SIGTERM that of programs that forestall it: the machine's trouble, not the film's.
        """
        code = self._process.wait()
        self._close()
        self.is_gone = True
        logger.warning("a worker ended (%s) with %d films in hand", _how(code), len(self._jobs))
        if not self.answered_by and not self._killed and code >= 0:
            how = f"it ended ({_how(code)}); run edge-admin doctor"
            msg = f"expected a worker to load the model, {how}"
            raise InterpreterError(msg)
        for number, (claim, _) in enumerate(self._jobs):
            if number > 0:
                yield Done(claim, Answer.UNTOUCHED)
            elif code == -signal.SIGALRM:
                yield Done(claim, Answer.CRASHED, reason=Reason.DECODER_HUNG)
            elif code in (-signal.SIGKILL, -signal.SIGTERM):
                cause = "timeout" if self._killed else "out_of_memory"
                yield Done(claim, Answer.UNAVAILABLE, code=cause)
            else:
                yield Done(claim, Answer.CRASHED, reason=Reason.DECODER_CRASHED)
        self._jobs.clear()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
