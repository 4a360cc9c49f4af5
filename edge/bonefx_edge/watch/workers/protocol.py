"""What goes to a worker and what comes back; light, so that the service loads no OpenCV."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from bonefx_edge.errors import Reason
from bonefx_edge.watch.journal.states import Claim

TIME_LIMIT_S: Final = 30.0
"""For one file, once it is read. One of 100 megapixel is decoded in a second on x86-64."""
MEMORY_LIMIT_BYTES: Final = 3 << 30
"""Of addresses, libraries included. The largest film takes up to 1.2 GB (benchmarks/memory.py)."""


class Answer(StrEnum):
    """What became of a job."""

    FINDING = "finding"
    """It was classified, or refused for what it is."""
    CHANGED = "changed"
    """The file no longer holds the content that was asked about."""
    UNAVAILABLE = "unavailable"
    """The system would not give the file, or not the memory: later, perhaps."""
    BROKEN = "broken"
    """The model or the interpreter gives no usable number: nothing can be classified."""
    CRASHED = "crashed"
    """The file ended the worker that had it; said in its place."""
    UNTOUCHED = "untouched"
    """The worker ended before it came to it; said in its place."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker is started with."""

    root: str
    """The watched folder."""
    model: str
    """Path of the model file."""
    threads: Sequence[int] = (1,)
    runtime: str | None = None
    operating_point: str | None = None
    views: str | None = None
    """These four as `Classifier.load`."""
    time_limit_s: float = TIME_LIMIT_S
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES


class Job(NamedTuple):
    """A film for a worker."""

    claim: Claim
    refuse: Reason | None = None
    """The file is not to be opened, but refused for this: it has ended a worker before."""


class Done(NamedTuple):
    """What became of a job."""

    claim: Claim
    answer: Answer
    finding: dict[str, Any] | None = None
    """Of FINDING: the record of `Finding.to_dict`."""
    code: str = ""
    """Of UNAVAILABLE: what stood in the way."""
    reason: Reason | None = None
    """Of CRASHED: how it ended the worker."""
