"""How much of one thumbnail is another one, turned or mirrored: candidates by spectrum, then proof.

Sampled on rings, a turn is a shift along each ring: the magnitudes of the rings' spectra ignore it
(`signatures`, for all pairs at once), the phases tell the angle (`turns`), and an alignment of the
details proves it (`agreement`).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_train.audit.thumbnails import SIDE, Thumbnail

RINGS: Final = 20
ANGLES: Final = 64
"""Samples per ring: 5.6 degrees, which the alignment refines."""
FREQUENCIES: Final = 24
"""Of each ring, in the signature."""
RIM: Final = 0.93
"""Radius of the outermost ring as share of the half side."""
DISC: Final = 0.95
"""Radius of what the alignment compares, as share of the half side."""
MIN_OVERLAP: Final = 0.5
"""Of the disc: with less in common nothing is proved."""
MAX_STRETCH: Final = 1.06
"""Longer over shorter axis of the alignment: a copy is not bent, another patient's limb is."""

Spectrum = NDArray[np.complex64]
"""(RINGS, ANGLES // 2 + 1): along each ring, of unit power together."""

_RADII: Final = (np.arange(RINGS) + 0.5) / RINGS * RIM * SIDE / 2
_PHI: Final = np.arange(ANGLES) * 2 * np.pi / ANGLES
_MIDDLE: Final = SIDE / 2 - 0.5
_RING_X: Final = (_MIDDLE + _RADII[:, None] * np.cos(_PHI)).astype(np.float32)
_RING_Y: Final = (_MIDDLE + _RADII[:, None] * np.sin(_PHI)).astype(np.float32)
_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE] - _MIDDLE
_IN_DISC: Final = np.asarray(np.hypot(_ROWS, _COLUMNS) < DISC * SIDE / 2, np.uint8)

_COARSE: Final = (SIDE / 96, SIDE / 16)
"""Gaussian widths, pixels: structures that a turn by half an angle step leaves in place."""
_FINE: Final = (0.7, 3.0)
"""Gaussian widths, pixels: trabeculae, edges, markers, which only copies have in common."""
_NOISE: Final = {_COARSE: 4.0, _FINE: 3.0}
"""Gray levels that contrast normalization leaves alone: JPEG noise must not become structure."""
_STEPS: Final = {_COARSE: (20, 3), _FINE: (15, 1)}
"""Most steps of the alignment, and its own Gaussian width in pixels."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one thumbnail lies on another."""

    correlation: float
    """Of the fine details where both are, [-1, 1]; 0 where no alignment was found."""
    degrees: float
    """Turn of the first to the second, counter-clockwise, after mirroring, [0, 360)."""
    mirrored: bool
    """Top to bottom; left to right is that and a turn by 180 degrees."""
    negative: bool
    """Whether black and white are exchanged."""


def spectrum(thumbnail: Thumbnail) -> Spectrum:
    """Return the spectra along the rings of one thumbnail; 0 where it is one gray level."""
    sampled = cv2.remap(_details(thumbnail, _COARSE), _RING_X, _RING_Y, cv2.INTER_LINEAR)
    weighted = sampled * np.sqrt(_RADII)[:, None]  # a ring counts by its area
    rings = weighted - weighted.mean()
    power = max(float(np.linalg.norm(rings)), 1e-6)
    return np.fft.rfft(rings / power, axis=1).astype(np.complex64)


def signatures(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return (n, RINGS * FREQUENCIES) of unit length: alike for an image, turned and mirrored."""
    rows = np.abs(spectra)[..., :FREQUENCIES].reshape(len(spectra), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def turns(
    first: NDArray[np.complex64], second: NDArray[np.complex64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (n, ANGLES) correlations of n pairs for each turn, plain and mirrored, in [-1, 1]."""
    plain = np.fft.irfft((first * second.conj()).sum(axis=1), n=ANGLES, axis=1)
    mirrored = np.fft.irfft((first.conj() * second.conj()).sum(axis=1), n=ANGLES, axis=1)
    return plain.astype(np.float32), mirrored.astype(np.float32)


def peaks(first: NDArray[np.complex64], second: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return (n,) the best of `turns`, of either sign: a negative is a copy too."""
    plain, mirrored = turns(first, second)
    return np.asarray(np.maximum(np.abs(plain).max(axis=1), np.abs(mirrored).max(axis=1)))


def agreement(first: Thumbnail, second: Thumbnail) -> Agreement:
    """Return how `first`, turned and mirrored, agrees with `second` in its fine details."""
    plain, mirror = turns(spectrum(first)[None], spectrum(second)[None])
    mirrored = bool(np.abs(mirror).max() > np.abs(plain).max())
    at_turns = (mirror if mirrored else plain)[0]
    best = int(np.abs(at_turns).argmax())
    sign = -1.0 if at_turns[best] < 0 else 1.0
    source = np.ascontiguousarray(first[::-1]) if mirrored else first
    turn = cv2.getRotationMatrix2D((_MIDDLE, _MIDDLE), best * 360 / ANGLES, 1)
    warp = cv2.invertAffineTransform(turn).astype(np.float32)
    for band in (_COARSE, _FINE):
        still, moving = _details(second, band), sign * _details(source, band)
        warp = _refine(still, moving, warp, band=band)
    degrees = float(np.degrees(np.arctan2(warp[1, 0] - warp[0, 1], warp[0, 0] + warp[1, 1])))
    return Agreement(
        correlation=_correlation(still, moving, warp),
        degrees=round(degrees, 1) % 360,
        mirrored=mirrored,
        negative=sign < 0,
    )


def _refine(
    still: NDArray[np.float32],
    moving: NDArray[np.float32],
    warp: NDArray[np.float32],
    *,
    band: tuple[float, float],
) -> NDArray[np.float32]:
    """Return the affine map (2, 3) that lays `moving` on `still` best, near `warp`."""
    steps, width = _STEPS[band]
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-3)
    try:
        _, better = cv2.findTransformECC(
            still, moving, warp.copy(), cv2.MOTION_AFFINE, stop, _IN_DISC, width
        )
    except cv2.error:  # it did not converge, which says that they are no copies
        return warp
    return np.asarray(better, np.float32)


def _correlation(
    still: NDArray[np.float32], moving: NDArray[np.float32], warp: NDArray[np.float32]
) -> float:
    """Return the correlation of both where they overlap, 0 if bent or hardly overlapping."""
    stretch = np.linalg.svd(warp[:, :2], compute_uv=False)
    inverse = cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(_IN_DISC, warp, (SIDE, SIDE), flags=cv2.INTER_NEAREST | inverse)
    both = (there > 0) & (_IN_DISC > 0)
    if stretch[0] > MAX_STRETCH * stretch[1] or both.sum() < MIN_OVERLAP * _IN_DISC.sum():
        return 0.0
    laid = cv2.warpAffine(moving, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | inverse)
    a, b = laid[both] - laid[both].mean(), still[both] - still[both].mean()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))


def _details(thumbnail: Thumbnail, band: tuple[float, float]) -> NDArray[np.float32]:
    """Return the structures between two sizes with their contrast evened out, about [-3, 3]."""
    gray = thumbnail.astype(np.float32)
    small, large = (cv2.GaussianBlur(gray, (0, 0), width) for width in band)
    difference = small - large
    contrast = np.sqrt(cv2.GaussianBlur(difference * difference, (0, 0), band[1]))
    return np.asarray(difference / (contrast + _NOISE[band]), np.float32)
