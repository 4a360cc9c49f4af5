"""What a converted network answers to views, in this process's interpreter."""

from typing import Any, Final

import numpy as np
from bonefx_edge.interpreter import Interpreter
from bonefx_edge.manifest import OutputSpec
from bonefx_edge.reading import Answers
from bonefx_train.progress import track
from numpy.typing import NDArray

CHUNK: Final = 64
"""Views between two steps of the progress bar."""


def answer(
    interpreter: Interpreter, x: NDArray[Any], *, output: OutputSpec, label: str, show: bool = True
) -> Answers:
    """Return the network's answers to x, (v, height, width, 1), v >= 1, asked once each."""
    starts = range(0, len(x), CHUNK)
    parts = [interpreter.run(x[i : i + CHUNK]) for i in track(starts, label=label, show=show)]
    return output.answers(tuple(np.concatenate(of_all) for of_all in zip(*parts, strict=True)))
