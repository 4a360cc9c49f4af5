"""One run of benchmarks/peers: open all peers, check their answers, ask them in turn."""

import functools
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.preprocess import preprocess
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile

from benchmarks.latency import circumstances, spread
from benchmarks.peers.networks import FILES, make_networks, place_of
from benchmarks.peers.report import bars, times_ours, title
from benchmarks.peers.table import (
    ENVIRONMENTS,
    FLOAT_TOLERANCE,
    FULLSIZE,
    OURS,
    ROWS,
    SMALL,
    THREADS,
    Row,
    python_of,
)
from benchmarks.peers.workers import Absent, Network, Worker, checkout_sha256, installed

WARM_UP_FILMS = 3
"""Of each set, unrecorded, for each peer."""


class Comparison:
    """All peers, those that are absent with the reason, and what the others said."""

    def __init__(self, scratch: Path, pythons: dict[str, Path], networks: Path) -> None:
        self._scratch = scratch
        self._pythons = pythons
        sources = [bundled_models()[f"lite0-{kind}"] for kind in ("float16", "int8")]
        self._networks = place_of(networks, *sources)
        self._reasons = make_networks(self._networks, python=python_of("tensorflow", pythons))
        self._workers: dict[str, Worker] = {}
        self.absent: dict[str, str] = {}
        self._said: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def report(
        self, films: dict[str, list[Path]], *, rounds: int, starts: int, note: str
    ) -> dict[str, Any]:
        """Return everything, as it is written."""
        load = os.getloadavg()[0]
        self._open_all()
        views = self._write_views([film for of_set in films.values() for film in of_set])
        off = self._check_all(views)
        peaks: dict[tuple[str, str], float] = {}
        sets = {}
        for name in (SMALL, FULLSIZE):  # in this order: the memory peak only ever grows
            answered = self._answered(films[name])
            self._ask_all(name, answered, rounds=rounds)
            for key, said in self._each("memory").items():
                peaks[name, key] = round(said["peak_mib"], 1)
            refused = len(films[name]) - len(answered)
            sets[name] = {"films": len(answered), "refused": refused, "rounds": rounds}
        facts = {key: worker.facts for key, worker in self._workers.items()}
        self._stop_all()
        start_s = self._starts(films[SMALL][0], starts=starts)
        rows = [
            {
                "key": row.key, "title": title(row), "ours": row.ours, "network": row.network,
                "facts": facts[row.key],
                "ms": self._ms(row, "s"), "cpu_ms": self._ms(row, "cpu_s"),
                "times_ours": self._times_ours(row),
                "start_s": spread(start_s[row.key]) if row.key in start_s else None,
                "peak_mib": {name: peaks.get((name, row.key)) for name in row.sets},
                "installed_mib": self._installed(row.environment)["mib"],
                "logit_off": off[row.key], "logit_allowed": self._allowed(row),
            }
            for row in ROWS if row.key not in self.absent
        ]  # fmt: skip
        return {
            "circumstances": circumstances() | {"load": round(load, 1), "threads": 1},
            "note": note,
            "settings": THREADS | {"starts": starts},
            "checked_views": len(np.load(views)),
            "sets": {name: sets[name] for name in films},
            "rows": rows,
            "bars": bars(rows),
            "absent": [
                {"key": row.key, "title": title(row), "reason": self.absent[row.key]}
                for row in ROWS if row.key in self.absent
            ],
            "installed": {each.name: self._try_installed(each.name) for each in ENVIRONMENTS},
        }  # fmt: skip

    # ---- workers ----

    def _open(self, row: Row) -> Worker:
        if row.network in self._reasons:
            msg = f"network {FILES[row.network]}: {self._reasons[row.network]}"
            raise Absent(msg)
        python = python_of(row.environment, self._pythons)
        log = self._scratch / f"{row.key}.log"
        return Worker(row, python=python, network=self._network(row), log=log)

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

    def _each(self, word: str, path: Path | str = "", *, of: str = "") -> dict[str, dict[str, Any]]:
        """Return what each worker says, or each with films of that set; one that dies is absent."""
        said = {}
        for key, worker in list(self._workers.items()):
            if of and of not in worker.row.sets:
                continue
            try:
                said[key] = worker.ask(word, path)
            except Absent as why:
                self._leave_out(key, str(why))
        return said

    def _stop_all(self) -> None:
        for worker in self._workers.values():
            worker.stop()

    # ---- the same network? ----

    def _network(self, row: Row) -> Network:
        model, logit = _shipped(row.kind)
        made = FILES.get(row.network)
        path = self._networks / made if made else bundled_models()[f"lite0-{row.kind}"]
        # Keras' network and the ONNX of it have the logit alone.
        position = 0 if row.network in ("keras", "onnx") else model.manifest.output.logit
        scale, zero_point = (logit.scale, logit.zero_point) if row.kind == "int8" else (0.0, 0)
        return Network(path, model.manifest.input.height, position, scale, zero_point)

    def _write_views(self, films: list[Path]) -> Path:
        """Return a file of whole views, uint8, as ours preprocesses them."""
        spec = _shipped("int8")[0].manifest.input
        views = [preprocess(decode(film.read_bytes()), spec=spec) for film in films]
        path = self._scratch / "views.npy"
        np.save(path, np.concatenate(views))
        return path

    def _check_all(self, views: Path) -> dict[str, float]:
        """Return by how much each peer's logits are off; one that is off too far is absent."""
        logits = {key: np.array(said["logits"]) for key, said in self._each("check", views).items()}
        off = {}
        for key in list(self._workers):
            row = self._workers[key].row
            reference = f"bonefx-{row.kind}-whole"
            if reference not in logits:
                self._leave_out(key, f"{reference}, which says what is right, is absent")
                continue
            off[key] = float(np.abs(logits[key] - logits[reference]).max())
            if not off[key] <= self._allowed(row):  # also where it is not a number
                why = (
                    f"another answer: logit off by {off[key]:.3g}, allowed {self._allowed(row):.3g}"
                )
                self._leave_out(key, why)
        return off

    def _allowed(self, row: Row) -> float:
        """Return how far a logit may be off.

        Where a runtime rounds (int8, bfloat16), as far as the two that the shipped file was proved
        with are from each other; the file records that.
        """
        if row.exact:
            return FLOAT_TOLERANCE
        proved = _shipped("int8")[0].manifest.runtimes
        return max(FLOAT_TOLERANCE, *(each.max_logit_difference for each in proved))

    # ---- time ----

    def _answered(self, films: list[Path]) -> list[Path]:
        """Return the films that ours does not refuse: a refused one costs less than an answer."""
        ours = self._workers[OURS["whole"]]
        return [film for film in films if ours.ask("film", film)["answer"] != "refused"]

    def _ask_all(self, name: str, films: list[Path], *, rounds: int) -> None:
        for film in films[:WARM_UP_FILMS]:
            self._each("film", film, of=name)
        for number in range(rounds):
            print(f"{name}: round {number + 1} of {rounds}", flush=True)
            for film in films:
                for key, said in self._each("film", film, of=name).items():
                    self._said.setdefault((name, key), []).append(said)

    def _seconds(self, name: str, key: str, of: str = "s") -> list[float]:
        return [said[of] for said in self._said[name, key]]

    def _ms(self, row: Row, of: str) -> dict[str, dict[str, float]]:
        return {
            name: spread([s * 1e3 for s in self._seconds(name, row.key, of)]) for name in row.sets
        }

    def _times_ours(self, row: Row) -> dict[str, dict[str, dict[str, float]]]:
        return {
            reading: {
                name: times_ours(self._seconds(name, row.key), self._seconds(name, ours))
                for name in row.sets
            }
            for reading, ours in OURS.items()
        }

    def _starts(self, film: Path, *, starts: int) -> dict[str, list[float]]:
        """Return the seconds from the start of each process to its first answer, by row."""
        print("cold starts", flush=True)
        found: dict[str, list[float]] = {}
        for _ in range(starts):
            for row in ROWS:
                if row.key in self.absent or SMALL not in row.sets:
                    continue
                try:
                    found.setdefault(row.key, []).append(self._start(row, film))
                except Absent as why:
                    self._leave_out(row.key, str(why))
        return found

    def _start(self, row: Row, film: Path) -> float:
        worker = self._open(row)
        worker.ask("film", film)
        took = time.perf_counter() - worker.began
        worker.stop()
        return took

    # ---- size ----

    @functools.cache  # noqa: B019 -- one comparison in a process
    def _installed(self, name: str) -> dict[str, Any]:
        return installed(name, python=python_of(name, self._pythons))

    def _try_installed(self, name: str) -> dict[str, Any] | None:
        try:
            return self._installed(name)
        except Absent:
            return None


@functools.cache
def _shipped(kind: str) -> tuple[ModelFile, Any]:
    """Return the shipped lite0 of that kind and what its logit is stored as."""
    model = ModelFile.read(bundled_models()[f"lite0-{kind}"])
    opened = open_interpreter(model.flatbuffer)
    return model, opened.outputs[model.manifest.output.logit]
