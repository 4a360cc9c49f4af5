"""One run of benchmarks.peers: start all workers, check their logits, time them in turn."""

import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile

from benchmarks.machine import circumstances, spread
from benchmarks.peers.networks import FILES, folder_of, make_networks
from benchmarks.peers.table import (
    ENVIRONMENTS,
    FLOAT_TOLERANCE,
    OURS,
    ROWS,
    SMALL,
    THREADS,
    Row,
)
from benchmarks.peers.workers import Absent, Worker, checkout_sha256

WARM_UP_FILMS = 3
"""Of each set, unrecorded, for each peer."""


def times_ours(peer: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return how many times ours a peer takes, film by film: median, 5th and 95th percentile."""
    pairs = np.divide(peer, ours)
    return {f"p{q}": round(float(np.percentile(pairs, q)), 2) for q in (50, 5, 95)}


class Comparison:
    """All peers, those that are absent with the reason, and what the others measured."""

    def __init__(self, scratch: Path, networks: Path) -> None:
        self._scratch = scratch
        sources = [bundled_models()[f"lite0-{kind}"] for kind in ("float16", "int8")]
        self._networks = folder_of(networks, *sources)
        self._reasons = make_networks(self._networks)
        self._workers: dict[str, Worker] = {}
        self.absent: dict[str, str] = {}
        self._timed: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def report(self, films: dict[str, list[Path]], *, rounds: int, starts: int) -> dict[str, Any]:
        """Return the whole report, as it is written."""
        load = os.getloadavg()[0]
        self._open_all()
        inputs = self._write_inputs([film for of_set in films.values() for film in of_set])
        off = self._check_all(inputs)
        peaks: dict[tuple[str, str], float] = {}
        sets = {}
        for name in sorted(films, key=lambda name: name != SMALL):  # the peak of memory only grows
            answered = self._answered(films[name])
            self._time_all(name, answered, rounds=rounds)
            for key, answer in self._each("memory").items():
                peaks[name, key] = round(answer["peak_mib"], 1)
            refused = len(films[name]) - len(answered)
            sets[name] = {"films": len(answered), "refused": refused, "rounds": rounds}
        installed = {
            key: worker.request("installed", " ".join(ENVIRONMENTS[worker.row.environment].counted))
            for key, worker in self._workers.items()
        }
        facts = {key: worker.facts for key, worker in self._workers.items()}
        for worker in self._workers.values():
            worker.stop()
        start_s = self._starts(films[SMALL][0], starts=starts)
        rows = [
            {
                "key": row.key, "title": row.title, "ours": row.ours, "network": row.network,
                "facts": facts[row.key],
                "ms": self._ms(row, "s"), "cpu_ms": self._ms(row, "cpu_s"),
                "times_ours": {
                    mode: {
                        name: times_ours(self._seconds(name, row.key), self._seconds(name, ours))
                        for name in row.sets
                    }
                    for mode, ours in OURS.items()
                },
                "start_s": spread(start_s[row.key]) if row.key in start_s else None,
                "peak_mib": {name: peaks.get((name, row.key)) for name in row.sets},
                "installed_mib": round(installed[row.key]["mib"], 1),
                "logit_off": off[row.key], "logit_allowed": allowed(row),
            }
            for row in ROWS if row.key not in self.absent
        ]  # fmt: skip
        return {
            "circumstances": circumstances() | {"load": round(load, 1), "threads": 1},
            "settings": THREADS | {"starts": starts},
            "checked_inputs": len(np.load(inputs)),
            "sets": {name: sets[name] for name in films},
            "rows": rows,
            "absent": [
                {"key": row.key, "title": row.title, "reason": self.absent[row.key]}
                for row in ROWS if row.key in self.absent
            ],
        }  # fmt: skip

    def _open(self, row: Row) -> Worker:
        if row.network in self._reasons:
            msg = f"network {FILES[row.network]}: {self._reasons[row.network]}"
            raise Absent(msg)
        return Worker(row, options=self._options(row), log=self._scratch / f"{row.key}.log")

    def _options(self, row: Row) -> dict[str, Any]:
        """Return the network of a row: its file, input, and where and how its logit is stored."""
        model, logit = _shipped(row.kind)
        made = FILES.get(row.network)
        path = self._networks / made if made else bundled_models()[f"lite0-{row.kind}"]
        stored = row.kind == "int8" and not row.ours
        return {
            "network": str(path),
            "side": model.manifest.input.height,
            # Keras' network and the ONNX of it have the logit alone.
            "logit": 0 if row.network in ("keras", "onnx") else model.manifest.output.logit,
            "scale": logit.scale if stored else 0.0,
            "zero_point": logit.zero_point if stored else 0,
        }

    def _open_all(self) -> None:
        for row in ROWS:
            try:
                self._workers[row.key] = worker = self._open(row)
            except Absent as why:
                self._leave_out(row.key, str(why))
                continue
            print(f"{row.key}: {worker.facts['runtime']}", flush=True)
            if row.ours and worker.facts["source_sha256"] != checkout_sha256():
                sys.exit("error: the environment bonefx has other code than this checkout: install")
        missing = [key for key in OURS.values() if key in self.absent]
        if missing:
            sys.exit(f"error: nothing to compare with: {missing[0]}: {self.absent[missing[0]]}")

    def _leave_out(self, key: str, reason: str) -> None:
        print(f"{key}: absent, {reason}", flush=True)
        self.absent[key] = reason
        self._workers.pop(key, None)

    def _each(self, name: str, path: Path | str = "", *, of: str = "") -> dict[str, dict[str, Any]]:
        """Return the answer of each worker, or of each that has that set; leave out who ends."""
        answers = {}
        for key, worker in list(self._workers.items()):
            if of and of not in worker.row.sets:
                continue
            try:
                answers[key] = worker.request(name, path)
            except Absent as why:
                self._leave_out(key, str(why))
        return answers

    def _write_inputs(self, films: list[Path]) -> Path:
        """Return a file of whole films as bonefx preprocesses them, uint8."""
        spec = _shipped("int8")[0].manifest.input
        path = self._scratch / "inputs.npy"
        np.save(
            path, np.concatenate([preprocess(decode(f.read_bytes()), spec=spec) for f in films])
        )
        return path

    def _check_all(self, inputs: Path) -> dict[str, float]:
        """Return by how much the logits of each peer are off; leave out who is off too far."""
        logits = {key: np.array(a["logits"]) for key, a in self._each("check", inputs).items()}
        off = {}
        for key, worker in list(self._workers.items()):
            reference = f"bonefx-{worker.row.kind}-whole"
            if reference not in logits:
                self._leave_out(key, f"{reference}, its reference, is absent")
                continue
            off[key] = float(np.abs(logits[key] - logits[reference]).max())
            most = allowed(worker.row)
            if not off[key] <= most:  # also where it is not a number
                why = f"another answer: logit off by {off[key]:.3g}, allowed {most:.3g}"
                self._leave_out(key, why)
        return off

    def _answered(self, films: list[Path]) -> list[Path]:
        """Return the films that bonefx does not refuse: a refused one takes less time."""
        ours = self._workers[OURS["whole"]]
        return [film for film in films if ours.request("film", film)["answer"] != "refused"]

    def _time_all(self, name: str, films: list[Path], *, rounds: int) -> None:
        for film in films[:WARM_UP_FILMS]:
            self._each("film", film, of=name)
        for number in range(rounds):
            print(f"{name}: round {number + 1} of {rounds}", flush=True)
            for film in films:
                for key, answer in self._each("film", film, of=name).items():
                    self._timed.setdefault((name, key), []).append(answer)

    def _seconds(self, name: str, key: str, of: str = "s") -> list[float]:
        return [answer[of] for answer in self._timed[name, key]]

    def _ms(self, row: Row, of: str) -> dict[str, dict[str, float]]:
        return {
            name: spread([s * 1e3 for s in self._seconds(name, row.key, of)]) for name in row.sets
        }

    def _starts(self, film: Path, *, starts: int) -> dict[str, list[float]]:
        """Return the seconds from the start of each process to its first answer, by row."""
        print("cold starts", flush=True)
        found: dict[str, list[float]] = {}
        for row in [row for _ in range(starts) for row in ROWS if SMALL in row.sets]:
            if row.key in self.absent:
                continue
            try:
                worker = self._open(row)
                worker.request("film", film)
            except Absent as why:
                self._leave_out(row.key, str(why))
                continue
            found.setdefault(row.key, []).append(time.perf_counter() - worker.began)
            worker.stop()
        return found


def allowed(row: Row) -> float:
    """Return how far a logit may be off.

    Where a runtime rounds (int8, bfloat16): as far as the two runtimes that the shipped file was
    verified with differ from each other, as the file records.
    """
    if row.exact:
        return FLOAT_TOLERANCE
    verified = _shipped("int8")[0].manifest.verified_runtimes
    return max(FLOAT_TOLERANCE, *(each.max_logit_difference for each in verified))


@functools.cache
def _shipped(kind: str) -> tuple[ModelFile, Any]:
    """Return the shipped lite0 of that kind and how its logit is stored."""
    model = ModelFile.read(bundled_models()[f"lite0-{kind}"])
    opened = open_interpreter(model.flatbuffer)
    return model, opened.outputs[model.manifest.output.logit]
