"""The workers of benchmarks/peers: start, ask, and what is known of one that cannot."""

import dataclasses
import hashlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.table import ROOT, THREADS, Row, environment

WORKERS = Path(__file__).parent / "adapters"
LONGEST_REASON = 200
"""Characters."""


class Absent(Exception):  # noqa: N818 -- not an error: a peer that this board does not have
    """A peer that cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network's file and where its logit is; see adapters/protocol.py."""

    path: Path
    side: int
    logit: int
    scale: float
    zero_point: int


class Worker:
    """One peer with one network, in a process of its own, ready to answer."""

    def __init__(self, row: Row, *, python: Path, network: Network, log: Path) -> None:
        """Start it and wait until its network is open.

        Raises
        ------
        Absent
            There is no such Python or network, or it ended; with its last words.
        """
        self.row = row
        self.began = time.perf_counter()
        self._log = log
        if not python.exists():
            raise _not_installed(row.environment)
        if not network.path.exists():
            msg = f"no network {network.path.name}"
            raise Absent(msg)
        with log.open("w") as words:
            self._process = subprocess.Popen(
                [str(python), str(WORKERS / row.script), _options(row, network)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                bufsize=1,
                env=worker_environment(),
            )
        self.facts: dict[str, Any] = self._hear()["facts"]

    def ask(self, word: str, path: Path | str = "") -> dict[str, Any]:
        """Return what it says to one line.

        Raises
        ------
        Absent
            It ended; with its last words.
        """
        try:
            self._process.stdin.write(f"{word} {path}\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError:  # a broken pipe: the words are in the log
            pass
        return self._hear()

    def stop(self) -> None:
        """End it, by the end of its input, and wait for that."""
        self._process.communicate()

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            self.stop()
            raise Absent(last_words(self._log.read_text(errors="replace")))
        said: dict[str, Any] = json.loads(line)
        return said


def _options(row: Row, network: Network) -> str:
    told = dataclasses.asdict(network) | {"lines": row.lines, "choice": row.choice}
    told["network"] = str(told.pop("path"))
    return json.dumps(told)


def worker_environment() -> dict[str, str]:
    """Return the variables of a worker: one thread, and no packages but its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return kept | THREADS | {"TF_CPP_MIN_LOG_LEVEL": "2"}


def last_words(log: str) -> str:
    """Return why a worker ended: the last line that tells of an error, without this machine's."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line.partition(":")[0]]
    words = (told or lines or ["ended without a word"])[-1]
    return words.replace(str(ROOT), ".").replace(str(Path.home()), "~")[:LONGEST_REASON]


def installed(name: str, *, python: Path) -> dict[str, Any]:
    """Return the size of a peer's distributions, {"mib", "distributions"}.

    Raises
    ------
    Absent
        There is no such Python.
    """
    command = [str(python), str(WORKERS / "installed_size.py"), *environment(name).counted]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=worker_environment()
        )
    except (OSError, subprocess.CalledProcessError) as err:
        raise _not_installed(name) from err
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _not_installed(environment_name: str) -> Absent:
    return Absent(f"no environment {environment_name}: python -m benchmarks.peers install")


def checkout_sha256() -> str:
    """Return the hash of this checkout's device code, as bonefx_adapter.py makes it of its own."""
    files = sorted((ROOT / "edge" / "bonefx_edge").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
