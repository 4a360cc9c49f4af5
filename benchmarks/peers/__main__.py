"""How long do others take for the same films with the same network? In one run, on this board.

    python -m benchmarks.peers install                    # an environment for each, by pip
    python -m benchmarks.peers run DATA [--out benchmarks/reference/peers-BOARD]

Others: the presentation's lines with Keras `predict`, TensorFlow's tf.lite, tflite-runtime, LiteRT,
ONNX Runtime, OpenVINO (peers_table.py); each in an environment and a process of its own
(peer_workers/), one thread, ours too. Who is not there is told as absent. A peer is timed only if
its logits are ours on the same views, within a stated tolerance. Each film goes to all of them in
turn, A B C, A B C: what slows the board down slows all of them. Times are a worker's own, from the
path to the answer; ours, to a finding: with hash, input check and decision, which no other has.

TensorFlow is not installed once more: it is that of the Python that runs this, or another by
`--python tensorflow=PATH`. It makes the networks of Keras and ONNX of the shipped files, once, into
build/peers/; a board without TensorFlow takes that folder from a host.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.comparison import Comparison
from benchmarks.peers.report import draw, markdown
from benchmarks.peers.table import (
    ENVIRONMENTS,
    ENVIRONMENTS_AT,
    FULLSIZE,
    ONNX_TOOLS,
    ONNX_TOOLS_AT,
    ROOT,
    SMALL,
    Environment,
    python_of,
)

PATTERNS = {FULLSIZE: "fullsize/IMG*.jpg", SMALL: "fracatlas/*fractured/*11.jpg"}

Pythons = Annotated[
    list[str] | None,
    typer.Option("--python", help="NAME=PATH: that Python has the peer, such as tensorflow=PATH."),
]
app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def install(
    only: Annotated[list[str] | None, typer.Argument(help="Names of environments.")] = None,
    python: Pythons = None,
) -> None:
    """Put each peer into an environment of its own, .venvs-peers/NAME: venv and pip, no more."""
    named = named_pythons(python)
    for each in ENVIRONMENTS:
        if each.packages and each.name not in named and (not only or each.name in only):
            install_one(each)
    if not only or "onnx-tools" in only:
        _pip(python_of("tensorflow", named), "--target", str(ONNX_TOOLS_AT), "--upgrade",
             "--no-deps", *ONNX_TOOLS)  # fmt: skip


def install_one(environment: Environment) -> None:
    """Install one peer; one that has no wheels for this Python is told, and absent in a run."""
    if environment.only_python not in (None, sys.version_info[:2]):
        wanted = ".".join(str(part) for part in environment.only_python or ())
        print(f"{environment.name}: absent, it has wheels for Python {wanted} only")
        return
    if not environment.python.exists():
        made = [sys.executable, "-m", "venv", str(ENVIRONMENTS_AT / environment.name)]
        subprocess.run(made, check=True)
    limits = ["-c", str(ROOT / environment.constraints)] if environment.constraints else []
    _pip(environment.python, *limits, *environment.packages)


def _pip(python: Path, *words: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *words]
    print("+ pip install", *(word.replace(str(ROOT), ".") for word in words))
    if subprocess.run(command, check=False).returncode:
        print("pip failed; the peer will be absent")


@app.command()
def run(
    data: Annotated[Path, typer.Argument(help="Folder with fullsize/ and fracatlas/.")],
    *,
    python: Pythons = None,
    rounds: Annotated[int, typer.Option(help="How often each film goes to each peer.")] = 3,
    starts: Annotated[int, typer.Option(help="Cold starts of each peer.")] = 3,
    networks: Annotated[Path, typer.Option(help="Keras and ONNX, made if not there.")] = (
        ROOT / "build" / "peers"
    ),
    note: Annotated[str, typer.Option(help="Goes into the report, such as: preliminary.")] = "",
    out: Annotated[Path | None, typer.Option(help="Without suffix: .json, .md, .png.")] = None,
) -> None:
    """Ask all peers about all films, print and write the comparison."""
    began = time.monotonic()
    films = {name: sorted(data.glob(pattern)) for name, pattern in PATTERNS.items()}
    if not all(films.values()):
        sys.exit(f"error: expected {' and '.join(PATTERNS.values())} in {data}, one is not there")
    with tempfile.TemporaryDirectory() as scratch:
        comparison = Comparison(Path(scratch), named_pythons(python), networks)
        report = comparison.report(films, rounds=rounds, starts=starts, note=note)
    page = markdown(report)
    print(page)
    print(f"took {time.monotonic() - began:.0f} s")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_name(out.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
        out.with_name(out.name + ".md").write_text(page)
        draw(report, out.with_name(out.name + ".png"))


def named_pythons(words: Sequence[str] | None) -> dict[str, Path]:
    """Return the Pythons named on the command line, by environment."""
    named = dict(word.partition("=")[::2] for word in words or [])
    known = {each.name for each in ENVIRONMENTS}
    if not set(named) <= known or not all(named.values()):
        sys.exit(f"error: --python: expected NAME=PATH with NAME one of {', '.join(sorted(known))}")
    return {name: Path(path) for name, path in named.items()}


if __name__ == "__main__":
    app()
