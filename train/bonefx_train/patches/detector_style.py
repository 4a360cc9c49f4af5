"""What the processing of another vendor's detector does to an image, on both classes alike."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Field = NDArray[np.float32]

BAND_SIGMAS: Final = (1.2, 3.0, 8.0, 20.0)
"""Of the Gauss filters between which the frequency bands lie, pixels of a patch of 150."""
CURVE_POINTS: Final = 5
"""Random points of a tone curve."""
CURVE_SHARE: Final = 0.5
"""Of the tone curve in its mean with no change."""


def detector_style(patch: Gray, rng: np.random.Generator) -> Gray:
    """Return a patch, uint8 (height, width), with other contrast in each band, tones and grain.

    Vendors raise or lower the contrast of fine and of coarse detail (Vuylsteke and Schoeters,
    "Multiscale image contrast amplification", SPIE 1994); digitizers add grain.
    """
    x = patch.astype(np.float32)
    for chance, step in ((0.7, _bands), (0.5, _tone_curve), (0.4, _grain)):
        if rng.random() < chance:
            x = step(x, rng)
    return np.asarray(np.clip(np.round(x), 0, 255), np.uint8)


def _bands(x: Field, rng: np.random.Generator) -> Field:
    """Multiply each frequency band by a gain of its own; the mean stays."""
    smooth = [x, *(cv2.GaussianBlur(x, (0, 0), sigma) for sigma in BAND_SIGMAS)]
    gains = np.exp(rng.uniform(-0.5, 0.7, len(BAND_SIGMAS)))
    out = smooth[-1] * np.exp(rng.uniform(-0.4, 0.2))
    for gain, fine, coarse in zip(gains, smooth[:-1], smooth[1:], strict=True):
        out = out + gain * (fine - coarse)
    return np.asarray(out + (x.mean() - out.mean()), np.float32)


def _tone_curve(x: Field, rng: np.random.Generator) -> Field:
    """Map gray levels by a random curve that never falls."""
    levels = np.linspace(0, 1, CURVE_POINTS + 2)
    random = np.concatenate([[0.0], np.sort(rng.uniform(0, 1, CURVE_POINTS)), [1.0]])
    curve = CURVE_SHARE * random + (1 - CURVE_SHARE) * levels
    return np.asarray(np.interp(np.clip(x, 0, 255) / 255, levels, curve) * 255, np.float32)


def _grain(x: Field, rng: np.random.Generator) -> Field:
    """Add noise whose neighbors are alike, as a scanner's."""
    noise = rng.normal(0, 1, x.shape).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.4, 1.5)))
    return np.asarray(x + grain / grain.std() * float(rng.uniform(1, 7)), np.float32)
