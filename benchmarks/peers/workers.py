"""Workers of benchmarks.peers: start a process, send it requests, say why one is absent."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.table import ROOT, THREADS, Row, python_of

ADAPTERS = Path(__file__).parent / "adapters"
LONGEST_REASON = 200
"""Characters."""


class Absent(Exception):  # noqa: N818 -- not an error: a peer that this board does not have
    """A peer that cannot be measured; the message says why."""


class Worker:
    """One peer with one network, in a process of its own, ready to answer.

    Raises
    ------
    Absent
        There is no such Python or network, or the process ended; with its last error. `request`
        raises it, too.
    """

    def __init__(self, row: Row, *, options: dict[str, Any], log: Path) -> None:
        self.row = row
        self.began = time.perf_counter()
        self._log = log
        python = python_of(row.environment)
        if not python.exists():
            msg = f"no environment {row.environment}: python -m benchmarks.peers install"
            raise Absent(msg)
        if not Path(options["network"]).exists():
            msg = f"no network {Path(options['network']).name}"
            raise Absent(msg)
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        options |= {"adapter": row.adapter, "lines": row.lines, "choice": row.choice}
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), str(ADAPTERS / "worker.py"), json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                env=kept | THREADS | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            )
        self.facts: dict[str, Any] = self._answer()["facts"]

    def request(self, name: str, argument: Path | str = "") -> dict[str, Any]:
        """Return the answer to one request; see adapters/worker.py."""
        try:
            self._process.stdin.write(f"{name} {argument}\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass  # it has ended: the reason is in the log
        return self._answer()

    def stop(self) -> None:
        """End it, by the end of its input, and wait for that."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            self.stop()
            raise Absent(last_error(self._log.read_text(errors="replace")))
        answer: dict[str, Any] = json.loads(line)
        return answer


def checkout_sha256() -> str:
    """Return the hash of this checkout's device code, as bonefx_adapter.py takes it of its own."""
    files = sorted((ROOT / "edge" / "bonefx_edge").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def last_error(log: str) -> str:
    """Return why a worker ended: the last line with an error, without paths of this machine."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line.partition(":")[0]]
    last = (errors or lines or ["ended without a message"])[-1]
    return last.replace(str(ROOT), ".").replace(str(Path.home()), "~")[:LONGEST_REASON]
