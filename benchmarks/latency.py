"""Latency of one film: per stage and end to end, warm and cold, on this board.

    python -m benchmarks.latency FILE|DIR... [--model NAME ...] [--threads 1 ...] [--out FILE]

Warm: films classified one after the other in one process, after one unrecorded round. Cold: the
whole command `edge-classify FILM`, start to exit, in a new process each time. Reports percentiles,
with the board, the clock governor and the versions that they depend on.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from bonefx_edge.classifier import Classifier
from bonefx_edge.cli.files import list_files
from bonefx_edge.model.bundled import bundled_models, find_model

from benchmarks.machine import AS_INSTALLED, circumstances, report, spread


def warm(classifier: Classifier, films: list[Path], *, rounds: int) -> dict[str, object]:
    """Return the spread in milliseconds of each stage; refused films are left out and counted."""
    for film in films:
        classifier.classify(film)
    records = [classifier.classify(film).to_dict() for _ in range(rounds) for film in films]
    answered = [r["timings_ms"] for r in records if r["reason"] is None]
    if not answered:
        sys.exit("error: every film was refused; give films that are answered")
    return {
        "n": len(answered),
        "refused": len(records) - len(answered),
        "stages_ms": {
            stage: spread([t[stage] for t in answered])
            for stage, first in answered[0].items()
            if first is not None  # no tiles in this mode
        },
    }


def cold(film: Path, *, model: str, threads: int, runs: int) -> dict[str, object]:
    """Return the spread in milliseconds of the whole command, one film, a new process each.

    The film may be a refused one (exit code 3): it was read and decoded all the same.
    """
    script = Path(sys.executable).with_name("edge-classify")
    options = ("--format", "json", "--model", model, "--threads", str(threads))
    command = [str(script), str(film), *options]
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, env=AS_INSTALLED)
        if done.returncode not in (0, 3):
            sys.exit(f"error: {' '.join(command)} failed; run it by hand")
        times.append((time.perf_counter() - start) * 1e3)
    return {"n": runs, "command_ms": spread(times[1:])}  # the first fills the disk cache


def main(
    paths: Annotated[list[Path], typer.Argument(help="Films, or folders of films.")],
    *,
    model: Annotated[list[str] | None, typer.Option(help="Default: the shipped ones.")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Of the interpreter.")] = None,
    rounds: int = 5,
    cold_runs: int = 10,
    out: Path | None = None,
) -> None:
    """Measure and print."""
    films = list_files(paths).files
    around = circumstances()
    if around["governor"] not in ("performance", "unknown"):
        print(
            "warning: the clock governor is not `performance`; figures will wander", file=sys.stderr
        )
    rows = []
    for name in model or list(bundled_models()):
        for count in threads or [1]:
            classifier = Classifier.load(find_model(name), threads=(count,))
            row: dict[str, object] = {"model": name, "threads": count}
            row["runtime"] = f"{classifier.runtime.name} {classifier.runtime.version}"
            row |= {"warm": warm(classifier, films, rounds=rounds)}
            row |= {"cold": cold(films[0], model=name, threads=count, runs=cold_runs)}
            rows.append(row)
    report({"circumstances": around, "films": len(films), "rows": rows}, out)


if __name__ == "__main__":
    typer.run(main)
