"""Check that other interpreters open a .tflite and give the same numbers as this one."""

import dataclasses
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
from bonefx_edge.inference.tiling import InferenceMode, NetworkOutputs
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.manifest import OutputSpec, VerifiedRuntime
from bonefx_train.evaluation.tiled_predictions import NetworkInputs
from numpy.typing import NDArray

from bonefx_convert import runtime_probe as probe
from bonefx_convert.score_fusion import logit_of, run_inference, scores_of

logger = logging.getLogger(__name__)

IMAGES: Final = 200
"""Images of tune that each interpreter is shown."""
TIMEOUT_S: Final = 1800.0
"""200 images with their tiles take a minute; on an emulated machine twenty."""


def verify_runtimes(
    flatbuffer: bytes,
    *,
    inputs: NetworkInputs,
    output: OutputSpec,
    modes: Sequence[InferenceMode],
    pythons: Sequence[Path],
) -> tuple[VerifiedRuntime, ...]:
    """Return the interpreters that ran the network, the one of this process first.

    One that cannot open it is left out, and its message logged: a device with that interpreter
    must not be given this file, others may.

    Parameters
    ----------
    inputs
        Of n >= 1 images, with the tiles of every mode.
    modes
        Of the model; the largest difference of any of their logits is what is verified.
    pythons
        Python executables of other environments, with bonefx and another interpreter installed.

    Raises
    ------
    UsageError
        If a Python cannot be run or has no bonefx: that proves nothing about the network.
    """
    opened = open_interpreter(flatbuffer)
    here = VerifiedRuntime(
        name=opened.runtime.name,
        version=opened.runtime.version,
        machine=platform.machine(),
        images=len(inputs.images.x),
        max_logit_difference=0.0,
    )

    def read(outputs: NetworkOutputs) -> NDArray[np.float64]:
        """Return the logits of all images by all modes."""
        logits = [logit_of(each, scores_of(each, inputs, outputs)) for each in modes]
        return np.concatenate(logits)

    if not pythons:
        return (here,)
    reference = read(run_inference(opened, inputs.x, output=output, label="checking runtimes"))
    verified = [here]
    for python in pythons:
        ran = _run_in(python, flatbuffer, x=inputs.x)
        if ran is None:
            continue
        outputs, runtime = ran
        difference = float(np.abs(read(output.split(outputs)) - reference).max())
        verified.append(
            dataclasses.replace(
                here,
                name=runtime["name"],
                version=runtime["version"],
                machine=runtime["machine"],
                max_logit_difference=difference,
            )
        )
    return tuple(verified)


def choose_images(inputs: NetworkInputs) -> NetworkInputs:
    """Return the inputs of at most `IMAGES` images, evenly spread over all."""
    n = len(inputs.images.x)
    return inputs.take(np.unique(np.linspace(0, n - 1, IMAGES).astype(int)))


def _run_in(
    python: Path, flatbuffer: bytes, *, x: NDArray[Any]
) -> tuple[tuple[NDArray[np.float32], ...], dict[str, str]] | None:
    """Return every output and the runtime (name, version, machine) of another Python."""
    with tempfile.TemporaryDirectory(prefix="bonefx-verify-") as name:
        folder = Path(name)
        (folder / probe.NETWORK_NAME).write_bytes(flatbuffer)
        np.save(folder / probe.IMAGES_NAME, x)
        message = _run_probe(python, folder)
        if message is not None:
            logger.warning("not verified in %s: %s", python, message)
            return None
        with np.load(folder / probe.OUTPUTS_NAME) as archive:
            outputs = tuple(archive[key] for key in archive.files)
        runtime = json.loads((folder / probe.RUNTIME_NAME).read_text("utf-8"))
    if not all(np.isfinite(output).all() for output in outputs):
        # A difference of NaN would pass every tolerance: max(0.0, nan) is 0.0.
        logger.warning("not verified in %s: its outputs are not finite", python)
        return None
    return outputs, runtime


def _run_probe(python: Path, folder: Path) -> str | None:
    """Return None if the network ran, else what the interpreter says."""
    # -P: the folder of runtime_probe.py must not hide the other environment's modules.
    command = [str(python), "-P", probe.__file__, str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 -- the executable is the user's own --verify-with
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        msg = f"--verify-with: expected a Python that runs, {python} gives: {err}; check the path"
        raise UsageError(msg) from err
    if done.returncode == 0:
        return None
    if done.returncode == probe.CANNOT_RUN:
        return " ".join(done.stdout.split())
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    msg = f"--verify-with: expected a Python with bonefx, {python} says: {said}; install it there"
    raise UsageError(msg)
