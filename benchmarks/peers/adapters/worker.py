"""Worker process of benchmarks.peers: one peer with one network, in the Python of that peer.

    python worker.py OPTIONS            OPTIONS is JSON, see `run.Worker`; run.py starts it

It reads one request per line and answers each with one line of JSON:

    film PATH          {"s": from path to answer, "cpu_s": of all threads, "answer": logit or state}
    check FILE         {"logits": [...]} of the inputs in FILE, uint8 (n, side, side, 1)
    memory             {"peak_mib": physical memory at most so far}
    installed NAMES    {"mib": size of these distributions and all that they require}

An adapter beside this file has `load(options)`, which returns `run`, from the network's input to
its logit as stored; `dtype` of that input; `facts`; and, if it does more than one pass, `classify`,
from a path to the answer. Every import here is one that each peer needs: memory is measured.
"""

import importlib
import importlib.metadata
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

NAME = re.compile(r"[A-Za-z0-9._-]+")


def presented(path: str, side: int) -> Any:
    """Return float64 [0, 1]: the lines of the presentation, as they were."""
    gray = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    gray = gray / 255.0
    gray = cv2.resize(gray, (side, side))
    return gray.reshape(-1, side, side, 1)


def careful(path: str, side: int, flag: int = cv2.IMREAD_GRAYSCALE) -> Any:
    """Return uint8: integers until the film is small, and antialiased."""
    small = cv2.resize(cv2.imread(path, flag), (side, side), interpolation=cv2.INTER_AREA)
    return small.reshape(1, side, side, 1)


def reduced(path: str, side: int) -> Any:
    """Return uint8 as `careful`, from an eighth of the film; for films of 1,200 px and more."""
    return careful(path, side, cv2.IMREAD_REDUCED_GRAYSCALE_8)


LINES: dict[str, Callable[[str, int], Any]] = {
    "presented": presented,
    "careful": careful,
    "reduced": reduced,
}


def as_input(x: Any, *, dtype: Any) -> Any:
    """Return uint8, or float in [0, 1], as the network's input: float32 or uint8."""
    if x.dtype == np.uint8:
        return x if dtype == np.uint8 else x.astype(np.float32) / np.float32(255)
    return np.rint(x * 255).astype(np.uint8) if dtype == np.uint8 else x.astype(np.float32)


def peak_mib() -> float:
    """Return the physical memory of this process at its highest, MiB.

    Not ru_maxrss: on Linux a process inherits that from the one that started it.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def needed(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Return the installed ones of these distributions and of what they require, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        # A requirement of an extra is not needed.
        required = [text for text in found[name].requires or [] if "extra ==" not in text]
        left += [match.group() for text in required if (match := NAME.match(text))]
    return found


def size_mib(distribution: importlib.metadata.Distribution) -> float:
    """Return the size of its files on disk, MiB."""
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or []]
    return sum(file.stat().st_size for file in files if file.is_file()) / 2**20


def main() -> None:
    """Open the network, then answer requests until standard input is closed."""
    options = SimpleNamespace(**json.loads(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a runtime prints goes to standard error, not between the answers
    peer = importlib.import_module(options.adapter).load(options)

    def logit(x: Any) -> float:
        stored = float(np.ravel(peer.run(as_input(x, dtype=np.dtype(peer.dtype))))[0])
        return (stored - options.zero_point) * options.scale if options.scale else stored

    def one_pass(path: str) -> float:
        return logit(LINES[options.lines](path, options.side))

    classify = getattr(peer, "classify", one_pass)

    def film(path: str) -> dict[str, Any]:
        start, cpu = time.perf_counter(), time.process_time()
        answer = classify(path)
        took = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
        return took | {"answer": answer}

    requests: dict[str, Callable[[str], dict[str, Any]]] = {
        "film": film,
        "check": lambda path: {"logits": [logit(x[np.newaxis]) for x in np.load(path)]},
        "memory": lambda _: {"peak_mib": peak_mib()},
        "installed": lambda names: {"mib": sum(map(size_mib, needed(names.split()).values()))},
    }
    facts = {"numpy": np.__version__, "opencv": cv2.__version__, "cv_threads": cv2.getNumThreads()}
    answers.write(json.dumps({"facts": facts | peer.facts}) + "\n")
    for line in sys.stdin:
        request, _, argument = line.rstrip("\n").partition(" ")
        answers.write(json.dumps(requests[request](argument)) + "\n")


if __name__ == "__main__":
    main()
