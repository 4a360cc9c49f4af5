"""One worker process: films go in, answers come out, and of its death it is told why."""

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
from bonefx_edge.watch.backoff import pause_before_retry
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.protocol import Answer, Done, Job, Options

logger = logging.getLogger(__name__)

IN_HAND: Final = 2
"""Films a worker has at a time: while the service files one result, it works on the next."""
GRACE_S: Final = 90.0
"""Beyond the worker's own time limit, for reading: a file at the cap over a link of 3 MB/s. A share
that hangs holds a worker for so long; then it is killed, and the film tried again later."""
START_S: Final = 60.0
"""For a worker to load its model; a third of a second on x86-64, more from a slow card."""
MOST_LOADING_CRASHES: Final = 3
"""In a row, no worker ready in between. One may be bad luck; three are the model, the interpreter
or this processor, and a fourth would be no other."""
FIRST_PAUSE_S: Final = 5.0
"""Before another worker loads where one was killed as it did. Each pause is twice the last:
loading in vain takes a tenth of a core at first, nothing later; and it is what wants the memory."""
_KILLED: Final = (-signal.SIGKILL, -signal.SIGTERM)
"""If it was not us: by the kernel, out of memory, or by programs that forestall it."""
PROGRAM: Final = (sys.executable, "-m", "bonefx_edge.watch.workers.main")
_READ_BYTES: Final = 1 << 16


class Loading:
    """How loading the model went lately, over all workers."""

    def __init__(self) -> None:
        self._crashes = self._kills = 0

    def succeeded(self) -> None:
        """Note that a worker is ready."""
        self._crashes = self._kills = 0

    def was_killed(self) -> float:
        """Note that something else ended a worker; return the pause before the next, seconds."""
        self._kills += 1
        return pause_before_retry(attempts=self._kills, first_s=FIRST_PAUSE_S)

    def crashed(self, code: int) -> None:
        """Note that a worker ended by itself, with this exit code or negative signal.

        Raises
        ------
        InterpreterError
            For an exit code at once, as it was said why; for a signal when it is no bad luck.
        """
        self._crashes += 1
        if code < 0 and self._crashes < MOST_LOADING_CRASHES:
            return
        ended = "it ended" if code >= 0 else f"{self._crashes} in a row ended"
        how = f"{ended} ({_how(code)}); run edge-admin doctor"
        msg = f"expected a worker to load the model, {how}"
        raise InterpreterError(msg)


class Worker:
    """One process, with the films it has in hand in the order in which it takes them."""

    def __init__(
        self,
        options: Options,
        *,
        loading: Loading,
        clock: Callable[[], float],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._options, self._loading, self._clock = options, loading, clock
        self.answered_by = ""
        """Model, reading and operating point; "" until it is ready."""
        self.made_of = ""
        """Versions of what computes the answer; "" until it is ready."""
        self.is_proven = False
        """Whether it has answered the canary film rightly."""
        self.canary_due = clock()
        """Monotonic second from which it is to be asked about the canary film."""
        self._jobs: deque[Job] = deque()
        self._untold = 0  # of them, the last ones
        self.is_gone = False
        """Whether it ended by itself; its films have come out of `answers`."""
        self._killed = False
        self._replace_at = 0.0
        self._rest = b""
        self._since = clock()
        self._process = subprocess.Popen(  # noqa: S603 -- our own module, our own words
            [*program, json.dumps(asdict(options))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @property
    def has_room(self) -> bool:
        """Whether it can take another film: not before it has answered the canary rightly."""
        is_up = self.answered_by and not self.is_gone
        return bool(is_up and self.is_proven) and len(self._jobs) < IN_HAND

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be heard from it."""
        return self.is_gone or not self._jobs

    @property
    def may_be_replaced(self) -> bool:
        """Whether it is gone, and it is time to hire another."""
        return self.is_gone and self._clock() >= self._replace_at

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer or the process is gone."""
        assert self._process.stdout is not None  # noqa: S101 -- opened above, as a pipe
        return self._process.stdout.fileno()

    def deadline(self) -> float | None:
        """Return the monotonic second at which it has taken too long, None for never."""
        if self.is_gone:
            return None
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
            self._untold += 1  # it died: `answers` says so, and of what

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
                # What it says after this is not heard any more; `stop` gives back all it had.
                self.kill()
                self.is_gone = True
                raise InterpreterError(message["message"])
            if "ready" in message:
                self.answered_by, self.made_of = message["ready"], message["made_of"]
                self._loading.succeeded()
                logger.info("a worker is ready: %s; %s", self.answered_by, self.made_of)
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
        """Yield the fate of each film in hand: the first it was told of may be why it died.

        SIGALRM is the worker's own time limit. A kill is the machine's trouble, not the film's.
        """
        code = self._process.wait()
        self._close()
        self.is_gone = True
        logger.warning("a worker ended (%s) with %d films in hand", _how(code), len(self._jobs))
        if not self.answered_by and (self._killed or code in _KILLED):
            self._replace_at = self._clock() + self._loading.was_killed()
        elif not self.answered_by:
            self._loading.crashed(code)
        for number, (claim, refuse) in enumerate(self._jobs):
            if refuse is not None:  # still what an earlier worker died of
                yield Done(claim, Answer.CRASHED, reason=refuse)
            elif number > 0 or len(self._jobs) == self._untold:
                yield Done(claim, Answer.UNTOUCHED)
            elif code == -signal.SIGALRM:
                yield Done(claim, Answer.CRASHED, reason=Reason.DECODER_HUNG)
            elif code in _KILLED:
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
