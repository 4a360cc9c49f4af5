"""Classify on several cores: one process each, the findings in the order of the files."""

import functools
import os
import re
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bonefx_edge.errors import InterpreterError, UsageError
from bonefx_edge.text import exit_cause

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.process import BaseProcess

    from bonefx_edge.classifier import Classifier
    from bonefx_edge.finding import Finding

IMAGES_PER_PROCESS: Final = 25
"""Below this another process costs more than it saves: it starts in the time of five images."""
PREFETCH: Final = 4
"""Films handed out for each process beyond the oldest unfinished one: findings wait in memory."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The arguments of `Classifier.load`."""

    model: Path
    threads: tuple[int, ...]
    operating_point: str | None
    runtime: str | None
    mode: str | None
    site_profile: str | None = None
    accept: tuple[str, ...] = ()


def processes_for(n_files: int) -> int:
    """Return the number of processes, >= 1, for so many images on the cores we may use."""
    return max(1, min(len(os.sched_getaffinity(0)), n_files // IMAGES_PER_PROCESS))


def classify_parallel(
    files: Iterable[Path], options: LoadOptions, *, processes: int
) -> Iterator["Finding"]:
    """Yield the finding of each file, in order; memory does not grow with their number.

    Raises
    ------
    BonefxError
        As `Classifier.load` and `Classifier.classify`.
    InterpreterError
        A worker process died: out of memory, or by a file that crashes its decoder.
    """
    # Here: 20 ms that a single film need not wait for.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    pool = ProcessPoolExecutor(
        processes,
        # Not fork: the threads of OpenCV and interpreter do not survive it.
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C is for us, who end them
    )
    pending: deque[Future[Finding]] = deque()
    workers: set[BaseProcess] = set()
    try:
        for file in files:
            pending.append(pool.submit(_classify, file, options))
            workers.update(active_children())  # the pool hides them
            if len(pending) > PREFETCH * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as err:
        pool.shutdown(cancel_futures=True)  # then all have ended
        causes = {process.exitcode for process in workers} - {None, 0, -signal.SIGTERM}
        raise InterpreterError(_explain(sorted(filter(None, causes)))) from err
    finally:
        pool.shutdown(cancel_futures=True)


def _explain(codes: list[int]) -> str:
    """Return why a worker process ended, from exit codes and negative signal numbers."""
    causes = ", ".join(map(exit_cause, codes)) or "cause not known"
    advice = "It may be a file that crashes its decoder: run with --jobs 1 to find it."
    if -signal.SIGKILL in codes:
        advice = "Memory ran out: run with --jobs 1."
    elif -signal.SIGILL in codes:
        advice = "This processor lacks an instruction: run edge-admin doctor."
    return f"A worker process ended ({causes}). {advice}"


def _classify(file: Path, options: LoadOptions) -> "Finding":
    return _open(options).classify(file)


@functools.cache
def _open(options: LoadOptions) -> "Classifier":
    """Return the classifier of this process: with its first film, so that errors are raised."""
    from bonefx_edge.classifier import Classifier

    return Classifier.load(
        **{field.name: getattr(options, field.name) for field in fields(options)}
    )


AUTO: Final = "auto"
_NUMBER: Final = re.compile("[1-9][0-9]{0,2}")


def threads_to_try(word: str, *, processes: int) -> tuple[int, ...]:
    """Return the numbers of threads to choose from for each process, ascending.

    The number that `word` is; or for "auto" 1, 2, 4, ... up to what each of so many processes has
    of the cores that we may use.

    Raises
    ------
    UsageError
        For any other word.
    """
    if word == AUTO:
        share = max(1, len(os.sched_getaffinity(0)) // processes)
        return tuple(1 << power for power in range(share.bit_length()))
    if not _NUMBER.fullmatch(word):
        msg = f"--threads: expected a number from 1 to 999, or {AUTO}, got {word!r}"
        raise UsageError(msg)
    return (int(word),)
