"""Time bonefx and other runtimes on the same films with the same network, in one run.

    python -m benchmarks.peers install          # an environment for each, by pip
    python -m benchmarks.peers run DATA [--out benchmarks/reference/peers-BOARD]

Peers: the presentation's lines with Keras `predict`, TensorFlow's tf.lite, tflite-runtime, LiteRT,
ONNX Runtime, OpenVINO (table.py). Each runs in an environment and a process of its own (adapters/)
with one thread, and so does bonefx. A peer that cannot run is reported as absent. A peer is timed
only if its logits are those of bonefx on the same inputs, within a stated tolerance. Each film goes
to all of them in turn, A B C, A B C, so that a busy board slows all of them. Times are those of the
worker, from the path to the answer; for bonefx to the finding, which includes a hash, the input
check and the decision.

TensorFlow is that of the Python that runs this. It makes the networks of Keras and ONNX from the
shipped files, once, into build/peers/. Copy that folder to a board without TensorFlow.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.report import draw, markdown
from benchmarks.peers.run import Comparison
from benchmarks.peers.table import (
    ENVIRONMENTS,
    ENVIRONMENTS_AT,
    FULLSIZE,
    ONNX_TOOLS,
    ONNX_TOOLS_AT,
    ROOT,
    SMALL,
    python_of,
)

PATTERNS = {FULLSIZE: "fullsize/IMG*.jpg", SMALL: "fracatlas/*fractured/*11.jpg"}
ONNX_NAME = "onnx-tools"

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def install(
    only: Annotated[list[str] | None, typer.Argument(help="Names of environments.")] = None,
) -> None:
    """Put each peer into an environment of its own, .venvs-peers/NAME."""
    for name in only or [*ENVIRONMENTS, ONNX_NAME]:
        if name == ONNX_NAME:
            target = ("--target", str(ONNX_TOOLS_AT), "--upgrade", "--no-deps")
            _pip(python_of("tensorflow"), *target, *ONNX_TOOLS)
        elif packages := ENVIRONMENTS[name].packages:
            if not python_of(name).exists():
                made = [sys.executable, "-m", "venv", str(ENVIRONMENTS_AT / name)]
                subprocess.run(made, check=True)
            _pip(python_of(name), "-c", str(ROOT / ENVIRONMENTS[name].constraints), *packages)


def _pip(python: Path, *words: str) -> None:
    print("+ pip install", *(word.replace(str(ROOT), ".") for word in words))
    command = [str(python), "-m", "pip", "install", "--quiet", *words]
    if subprocess.run(command, check=False).returncode:
        print("pip failed; the peer will be absent")


@app.command()
def run(
    data: Annotated[Path, typer.Argument(help="Folder with fullsize/ and fracatlas/.")],
    *,
    rounds: Annotated[int, typer.Option(help="How often each film goes to each peer.")] = 3,
    starts: Annotated[int, typer.Option(help="Cold starts of each peer.")] = 3,
    networks: Annotated[Path, typer.Option(help="Keras and ONNX, made if not there.")] = (
        ROOT / "build" / "peers"
    ),
    out: Annotated[Path | None, typer.Option(help="Without suffix: .json, .md, .png.")] = None,
) -> None:
    """Time all peers on all films; print and write the report."""
    films = {name: sorted(data.glob(pattern)) for name, pattern in PATTERNS.items()}
    if not all(films.values()):
        sys.exit(f"error: expected {' and '.join(PATTERNS.values())} in {data}, one is not there")
    with tempfile.TemporaryDirectory() as scratch:
        comparison = Comparison(Path(scratch), networks)
        report = comparison.report(films, rounds=rounds, starts=starts)
    page = markdown(report)
    print(page)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_name(out.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
        out.with_name(out.name + ".md").write_text(page)
        draw(report, out.with_name(out.name + ".png"))


if __name__ == "__main__":
    app()
