"""Refuse what is not a limb radiograph: by simple statistics, then by the network's features."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.inference.body_parts import find_excluded
from bonefx_edge.inference.familiarity import Familiarity

MIN_SIDE_PX: Final = 64
"""Shortest side that is accepted: below it a fracture line is not visible."""
MAX_CHROMA: Final = 12.0
"""Mean chroma above this is a color picture, in gray levels; a tinted film scan stays below."""
BLANK_STD: Final = 2.0
"""Standard deviation, in gray levels, under which an image is blank."""
STATISTICS_SIDE_PX: Final = 128
"""Side of the antialiased square on which statistics are measured."""
UNEXPOSED: Final = 0.95
"""Share of white: a border row or column with a higher median was outside the collimator."""
MIN_EXPOSED_PX: Final = 16
"""Of 128: if less than this would remain, borders are not removed."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Closed interval of one statistic, taken from the training radiographs with a margin."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class InputCheckSpec:
    """What the model was made for. Units of the statistics: see `Statistics`."""

    mean: Interval
    std: Interval
    roughness: Interval
    excluded_body_parts: tuple[str, ...]
    """DICOM Body Part Examined values (PS3.16 CID 4031 defined terms) that are out of scope."""
    distance_limit: float | None
    """Largest accepted mean of squares of the network's features of the whole image (about 1 for
    training images); > 0, None for a network without features."""
    familiarity: Familiarity | None
    """Which films are answered with `uncertain` only; None: none."""

    def __post_init__(self) -> None:
        limit = self.distance_limit
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            msg = f"input check: expected a finite distance_limit > 0, got {limit}"
            raise ValueError(msg)
        if self.familiarity is not None and limit is None:
            msg = "input check: familiarity goes with a distance_limit, got none"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Coarse statistics of a radiograph inside the collimator, on a 128x128 antialiased copy."""

    mean: float
    """Mean gray level / 255, [0, 1]."""
    std: float
    """Standard deviation of the gray level / 255, [0, 0.5]."""
    roughness: float
    """Mean |difference of neighbors| / std; pure noise is about 1.1, radiographs far less."""


def statistics(pixels: NDArray[np.uint8]) -> Statistics:
    """Return the statistics of (height, width) uint8 pixels."""
    side = STATISTICS_SIDE_PX
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    exposed = _without_white_borders(small)
    std = float(exposed.std())
    steps = np.abs(np.diff(exposed, axis=0)).mean() + np.abs(np.diff(exposed, axis=1)).mean()
    # A blank image has no steps either: roughness 0, and `std` is what refuses it.
    return Statistics(
        mean=float(exposed.mean()), std=std, roughness=float(steps / 2 / std) if std > 0 else 0.0
    )


def _without_white_borders(small: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part inside the collimator; all of it if too little would remain.

    Detectors that do not mask the unexposed border show it white; its width is the operator's
    choice and says nothing about what was exposed.
    """
    rows = np.flatnonzero(_medians(small) < UNEXPOSED)
    columns = np.flatnonzero(_medians(small.T) < UNEXPOSED)
    if not rows.size or not columns.size:
        return small
    inside = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside if min(inside.shape) >= MIN_EXPOSED_PX else small


def _medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row, exactly numpy.median's, whose first call imports for 12 ms."""
    ordered = np.sort(rows, axis=1)
    middle = rows.shape[1] // 2  # of an even number
    return np.asarray((ordered[:, middle - 1] + ordered[:, middle]) / 2)


def check_input(radiograph: Radiograph, *, spec: InputCheckSpec) -> Statistics:
    """Return the statistics of the pixels if the model may be used for this radiograph.

    Raises
    ------
    DecodeError
        With reason too_small, blank, not_a_radiograph or out_of_scope.
    """
    height, width = radiograph.shape
    if min(height, width) < MIN_SIDE_PX:
        msg = (
            f"Too small: {width}x{height} px, at least {MIN_SIDE_PX} px a side are needed. "
            "Send the full image."
        )
        raise DecodeError(Reason.TOO_SMALL, msg)
    _check_body_part(radiograph, spec=spec)
    if radiograph.has_lens:
        msg = (
            "A photograph: its EXIF data tell of a camera's lens. Export the radiograph, not a "
            "photo of it."
        )
        raise DecodeError(Reason.NOT_A_RADIOGRAPH, msg)
    if radiograph.chroma > MAX_CHROMA:
        msg = (
            f"A color picture, not a radiograph (mean chroma {radiograph.chroma:.0f} gray levels, "
            f"at most {MAX_CHROMA:.0f}). Export the radiograph, not a photo of it."
        )
        raise DecodeError(Reason.NOT_A_RADIOGRAPH, msg)
    found = statistics(radiograph.pixels)
    _check_statistics(found, spec=spec)
    return found


def check_in_distribution(features: NDArray[np.float32] | None, *, spec: InputCheckSpec) -> None:
    """Return if the whole image is within the training distribution, by the network's features.

    Parameters
    ----------
    features
        (1, k), finite, mean 0 and variance 1 over disturbed crops of the training images; None
        for a network without them.

    Raises
    ------
    DecodeError
        NOT_A_RADIOGRAPH where the mean of their squares is above the model's limit.
    """
    if features is None or spec.distance_limit is None:
        return
    distance = float(np.mean(np.square(features, dtype=np.float64)))
    if distance > spec.distance_limit:
        msg = (
            f"Not recognized as a limb radiograph (distance {distance:.2f}, limit "
            f"{spec.distance_limit:.2f}). Check what was sent; read it by eye."
        )
        raise DecodeError(Reason.NOT_A_RADIOGRAPH, msg)


def _check_body_part(radiograph: Radiograph, *, spec: InputCheckSpec) -> None:
    """Refuse a DICOM film whose header names a part that is out of scope."""
    for text in (radiograph.body_part or "", *radiograph.anatomic_region):
        named = find_excluded(text, excluded=spec.excluded_body_parts)
        if named is not None:
            msg = f"Not a limb: the DICOM header names {named} as the body part. Read it by eye."
            raise DecodeError(Reason.OUT_OF_SCOPE, msg)


def _check_statistics(stats: Statistics, *, spec: InputCheckSpec) -> None:
    if stats.std * 255 < BLANK_STD:
        msg = (
            f"The image has one gray level (standard deviation {stats.std * 255:.1f} of 255). Look "
            "at the file; export it again."
        )
        raise DecodeError(Reason.BLANK, msg)
    for name in ("mean", "std", "roughness"):
        value: float = getattr(stats, name)
        interval: Interval = getattr(spec, name)
        if not interval.low <= value <= interval.high:
            msg = (
                f"Image statistics are unlike limb radiographs ({name} {value:.3f}, expected "
                f"{interval.low:.3f} to {interval.high:.3f}). Check what was sent; read it by eye."
            )
            raise DecodeError(Reason.NOT_A_RADIOGRAPH, msg)
