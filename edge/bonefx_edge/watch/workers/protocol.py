"""Messages between the service and its workers; imports no OpenCV, to keep the service small."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from bonefx_edge.errors import Reason
from bonefx_edge.watch.journal.states import Claim

TIME_LIMIT_S: Final = 30.0
"""For one file, without reading it from disk. 100 megapixel take one second on x86-64."""
MEMORY_LIMIT_BYTES: Final = 3 << 30
"""Address space, libraries included. The largest image takes 1.2 GB (benchmarks/memory.py)."""


class JobStatus(StrEnum):
    """How a job ended."""

    OK = "ok"
    """The image was classified or refused: there is a finding."""
    CHANGED = "changed"
    """The file no longer has the content of the job."""
    TRANSIENT = "transient"
    """The system did not give the file or the memory: retry later."""
    FATAL = "fatal"
    """The model or the interpreter is unusable: nothing can be classified."""
    CRASHED = "crashed"
    """The worker process ended at this file. Set by the service."""
    NOT_STARTED = "not_started"
    """The worker process ended before this job. Set by the service."""
    DRAWN = "drawn"
    """Pictures of an image that has its result, or why there are none; ends no job."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker process is started with."""

    root: str
    """The watched folder."""
    model: str
    """Path of the model file."""
    threads: Sequence[int] = (1,)
    runtime: str | None = None
    operating_point: str | None = None
    mode: str | None = None
    site_profile: str | None = None
    accept: Sequence[str] = ()
    """These six as for `Classifier.load`."""
    pictures: bool = False
    """Whether to draw pictures of each film after its result."""
    time_limit_s: float = TIME_LIMIT_S
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES


class Job(NamedTuple):
    """An image to classify."""

    claim: Claim
    refuse: Reason | None = None
    """Refuse the file for this reason without opening it: it crashed a worker before."""


class JobResult(NamedTuple):
    """How a job ended, with the finding if there is one."""

    claim: Claim
    status: JobStatus
    finding: dict[str, Any] | None = None
    """For OK: `Finding.to_dict`."""
    code: str = ""
    """For TRANSIENT, and for DRAWN without pictures: the cause, such as EACCES."""
    reason: Reason | None = None
    """For CRASHED: the reason of the refusal."""
    predictor: str = ""
    """Model, mode and operating point or site profile, see `main.describe`."""
    departures: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """For OK with a site profile: how a film departs from its films (`diagnostics.departure`)."""
    pictures: Mapping[str, bytes] = MappingProxyType({})
    """For DRAWN: JPEG files by kind, see `drawing`."""
