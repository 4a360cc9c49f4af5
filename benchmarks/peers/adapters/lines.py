"""The lines between a file and the network's input that peers have: the user's, and better ones.

Each takes the path and the side of the network's square input, and returns (1, side, side, 1).
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np


def presented(path: str, side: int) -> Any:
    """Return float64 [0, 1]: the lines of the presentation, kept as they were."""
    gray = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    gray = gray / 255.0
    gray = cv2.resize(gray, (side, side))
    return gray.reshape(-1, side, side, 1)


def careful(path: str, side: int) -> Any:
    """Return uint8: whole numbers until the film is small, and antialiased."""
    return _small(cv2.imread(path, cv2.IMREAD_GRAYSCALE), side)


def reduced(path: str, side: int) -> Any:
    """Return uint8: as `careful`, an eighth of the film decoded; for films of 1,200 px and more."""
    return _small(cv2.imread(path, cv2.IMREAD_REDUCED_GRAYSCALE_8), side)


LINES: dict[str, Callable[[str, int], Any]] = {
    "presented": presented,
    "careful": careful,
    "reduced": reduced,
}


def as_input(x: Any, *, dtype: Any) -> Any:
    """Return what the lines gave in the numbers of the network's input: float32 or uint8."""
    if x.dtype == np.uint8:
        return x if dtype == np.uint8 else x.astype(np.float32) / np.float32(255)
    return np.rint(x * 255).astype(np.uint8) if dtype == np.uint8 else x.astype(np.float32)


def _small(gray: Any, side: int) -> Any:
    small = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
    return small.reshape(1, side, side, 1)


def facts() -> dict[str, Any]:
    """Return what every worker says of itself."""
    return {"numpy": np.__version__, "opencv": cv2.__version__, "cv_threads": cv2.getNumThreads()}
