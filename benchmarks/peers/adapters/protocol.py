"""What every worker of benchmarks.peers does: a word and a path in, a line of JSON out.

    film PATH     {"s": seconds from the path to the answer, "cpu_s": of the processor, all threads,
                   "answer": logit or state}
    check FILE    {"logits": [...]}, of the views in FILE, uint8 (n, side, side, 1)
    memory        {"peak_mib": most memory held so far}

Nothing is imported here that a peer would not load anyway: its memory and its start are measured.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A runtime that prints would break the protocol: what it prints goes to standard error.
_ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


@dataclass(frozen=True)
class Options:
    """What the driver tells a worker, as JSON in its first argument."""

    network: str
    """Path of the network's file."""
    lines: str
    """How a film becomes the network's input: a key of `lines.LINES`, or a reading of ours."""
    side: int
    """Of the network's square input, pixels."""
    logit: int
    """Position of the logit among the network's outputs."""
    scale: float
    """Step of the logit where it is an integer, or 0."""
    zero_point: int
    """Of the logit, where it is an integer."""
    choice: str
    """What this worker leaves open: which import, which precision; "" for nothing."""

    @classmethod
    def from_command(cls) -> "Options":
        return cls(**json.loads(sys.argv[1]))

    def dequantize(self, stored: Any) -> float:
        """Return the logit from the one number that the network gives."""
        number = float(stored.ravel()[0])
        return (number - self.zero_point) * self.scale if self.scale else number


def serve(
    *, answer: Callable[[str], Any], ask: Callable[[Any], float], facts: dict[str, Any]
) -> None:
    """Say that the network is open, then answer line by line until the driver closes the pipe.

    Parameters
    ----------
    answer
        From the path of a film to its answer: this is what is timed.
    ask
        From one view, uint8 (1, side, side, 1), to its logit.
    facts
        Versions and thread settings.
    """

    def film(path: str) -> dict[str, Any]:
        start, cpu = time.perf_counter(), time.process_time()
        said = answer(path)
        took = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
        return took | {"answer": said}

    def check(path: str) -> dict[str, Any]:
        import numpy as np

        views = np.load(path)
        return {"logits": [ask(views[i : i + 1]) for i in range(len(views))]}

    words = {"film": film, "check": check, "memory": lambda _: {"peak_mib": peak_mib()}}
    _say({"facts": facts})
    for line in sys.stdin:
        word, _, path = line.rstrip("\n").partition(" ")
        _say(words[word](path))


def peak_mib() -> float:
    """Return the most physical memory that this process held, MiB.

    Not ru_maxrss: Linux hands that of the driver on to the process that it starts.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    msg = "/proc/self/status: expected a line VmHWM, found none; peers.py needs Linux"
    raise OSError(msg)


def _say(what: dict[str, Any]) -> None:
    _ANSWERS.write(json.dumps(what) + "\n")
