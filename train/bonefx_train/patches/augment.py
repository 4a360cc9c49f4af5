"""What another detector, another clinic or another export does to the gray levels of an image."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]

PLATE_SHARE: Final = 0.3
"""Of the markers are dark letters on a bright plate."""
BLACK_SHARE: Final = 0.7
"""Of the blank margins are black."""


def augment_gray(patch: Gray, rng: np.random.Generator, *, negatives: bool = True) -> Gray:
    """Return a patch, uint8 (height, width), as another machine might have shown it.

    Without `negatives`, never inverted. Neither a fracture nor its absence is made or removed:
    each step keeps edges where they are.
    """
    for chance, step in (
        (0.10, _equalize), (0.70, _tone), (0.05 * negatives, _invert), (0.20, _mark),
        (0.15, _collimate), (0.15, _blur), (0.30, _noise), (0.10, _jpeg),
    ):  # fmt: skip
        if rng.random() < chance:
            patch = step(patch, rng)
    return patch


def _equalize(patch: Gray, rng: np.random.Generator) -> Gray:
    """Local contrast, as detectors of the last twenty years enhance it."""
    return np.asarray(cv2.createCLAHE(float(rng.uniform(1, 4)), (3, 3)).apply(patch), np.uint8)


def _tone(patch: Gray, rng: np.random.Generator) -> Gray:
    """Gamma, contrast, brightness."""
    levels = np.arange(256, dtype=np.float32) / 255
    curve = levels ** np.exp(rng.uniform(-0.5, 0.5))
    curve = (curve - 0.5) * np.exp(rng.uniform(-0.35, 0.25)) + 0.5 + rng.uniform(-0.1, 0.1)
    return np.asarray(cv2.LUT(patch, _to_gray(curve * 255)), np.uint8)


def _invert(patch: Gray, _: np.random.Generator) -> Gray:
    return np.asarray(255 - patch, np.uint8)


def _mark(patch: Gray, rng: np.random.Generator) -> Gray:
    """Write a side marker or a number, on both classes alike."""
    text = "".join(rng.choice(list("LR0123456789APT"), size=rng.integers(1, 4)))
    side = len(patch)
    where = (int(rng.integers(0, side)), int(rng.integers(10, side)))
    out = patch.copy()
    scale, level = float(rng.uniform(0.3, 0.9)), int(rng.integers(140, 256))
    if rng.random() < PLATE_SHARE:
        cv2.rectangle(out, (where[0] - 3, where[1] + 3), (where[0] + 20, where[1] - 17), level, -1)
        level = 0
    cv2.putText(out, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, level, 1, cv2.LINE_AA)
    return out


def _collimate(patch: Gray, rng: np.random.Generator) -> Gray:
    """Blank margins, black or white, a little turned."""
    side = len(patch)
    inner = rng.uniform(0.80, 1.15, 2) * side
    center = side / 2 + rng.uniform(-0.08, 0.08, 2) * side
    corners = cv2.boxPoints((center.tolist(), inner.tolist(), float(rng.normal(0, 4))))
    mask = np.zeros_like(patch)
    cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1)
    level = 0 if rng.random() < BLACK_SHARE else int(rng.integers(0, 256))
    return np.where(mask == 1, patch, level).astype(np.uint8)


def _blur(patch: Gray, rng: np.random.Generator) -> Gray:
    return np.asarray(cv2.GaussianBlur(patch, (0, 0), float(rng.uniform(0.4, 1.3))), np.uint8)


def _noise(patch: Gray, rng: np.random.Generator) -> Gray:
    grain = rng.standard_normal(patch.shape, np.float32) * rng.uniform(1, 10)
    return _to_gray(patch + grain)


def _jpeg(patch: Gray, rng: np.random.Generator) -> Gray:
    _, data = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _to_gray(x: NDArray[np.float32]) -> Gray:
    return np.rint(np.clip(x, 0, 255)).astype(np.uint8)
