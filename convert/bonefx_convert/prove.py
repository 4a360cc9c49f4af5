"""Prove that other interpreters open a .tflite and give the same logits as this process's."""

import json
import logging
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from bonefx_edge.errors import UsageError
from bonefx_edge.interpreter import open_interpreter
from bonefx_edge.manifest import ProvedRuntime
from numpy.typing import NDArray

from bonefx_convert import probe

logger = logging.getLogger(__name__)

FILMS: Final = 200
"""Films of tune that each interpreter is shown."""
TIMEOUT_S: Final = 600.0
"""200 films take seconds; on an emulated machine minutes."""


def prove(
    flatbuffer: bytes, *, x: NDArray[Any], pythons: Sequence[Path]
) -> tuple[ProvedRuntime, ...]:
    """Return the interpreters that ran the network, the one of this process first.

    One that cannot open it is left out, and its message logged: a device with that interpreter
    must not be given this file, others may.

    Parameters
    ----------
    flatbuffer
        A .tflite.
    x
        (n, height, width, 1), float32 [0, 1] or uint8 [0, 255]; n >= 1.
    pythons
        Python executables of other environments, with bonefx and another interpreter installed.

    Raises
    ------
    UsageError
        If a Python cannot be run or has no bonefx: that proves nothing about the network.
    """
    opened = open_interpreter(flatbuffer)
    reference = opened.logits(x)[:, 0]
    here = ProvedRuntime(
        name=opened.runtime.name,
        version=opened.runtime.version,
        machine=platform.machine(),
        films=len(x),
        max_logit_difference=0.0,
    )
    others = (_prove_in(python, flatbuffer, x=x, reference=reference) for python in pythons)
    return (here, *(proved for proved in others if proved is not None))


def choose_films(x: NDArray[Any]) -> NDArray[Any]:
    """Return at most `FILMS` films, evenly spread over `x`."""
    chosen: NDArray[Any] = x[np.unique(np.linspace(0, len(x) - 1, FILMS).astype(int))]
    return chosen


def _prove_in(
    python: Path, flatbuffer: bytes, *, x: NDArray[Any], reference: NDArray[np.float32]
) -> ProvedRuntime | None:
    with tempfile.TemporaryDirectory(prefix="bonefx-prove-") as name:
        folder = Path(name)
        (folder / probe.NETWORK_NAME).write_bytes(flatbuffer)
        np.save(folder / probe.FILMS_NAME, x)
        message = _run_probe(python, folder)
        if message is not None:
            logger.warning("not proved in %s: %s", python, message)
            return None
        logit = np.load(folder / probe.LOGITS_NAME)
        runtime = json.loads((folder / probe.RUNTIME_NAME).read_text("utf-8"))
    if not np.isfinite(logit).all():
        # A difference of NaN would pass every bound: max(0.0, nan) is 0.0.
        logger.warning("not proved in %s: it answers with numbers that are not finite", python)
        return None
    return ProvedRuntime(
        name=runtime["name"],
        version=runtime["version"],
        machine=runtime["machine"],
        films=len(x),
        max_logit_difference=float(np.abs(logit - reference).max()),
    )


def _run_probe(python: Path, folder: Path) -> str | None:
    """Return None if the network ran, else what the interpreter says."""
    # -P: the folder of probe.py must not hide the other environment's modules.
    command = [str(python), "-P", probe.__file__, str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 -- the executable is the user's own --prove-with
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        msg = f"--prove-with: expected a Python that runs, {python} gives: {err}; check the path"
        raise UsageError(msg) from err
    if done.returncode == 0:
        return None
    if done.returncode == probe.CANNOT_RUN:
        return " ".join(done.stdout.split())
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    msg = f"--prove-with: expected a Python with bonefx, {python} says: {said}; install it there"
    raise UsageError(msg)
