"""Preprocess a radiograph into the network's input: one implementation, host and device."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.radiograph import Radiograph

Extent = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels of an image; may reach outside of it."""


class Resize(StrEnum):
    """Resize filter."""

    BILINEAR = "bilinear"
    """cv2.INTER_LINEAR on float64: what the original presentation did; aliases on large films."""
    AREA = "area"
    """cv2.INTER_AREA on uint8, antialiased; large images are decoded smaller first."""
    NEAREST = "nearest"
    """The gray level of the nearest pixel, as Pillow's NEAREST: what Keras's ImageDataGenerator
    does by default. Aliases on large images."""


class Aspect(StrEnum):
    """How an image of another shape than the network's input is fitted."""

    SQUASH = "squash"
    """Stretch each side on its own."""
    LETTERBOX = "letterbox"
    """Keep the aspect ratio, center, fill the rest with black (0)."""


class Gray(StrEnum):
    """How gray levels are mapped."""

    AS_IS = "as_is"
    STRETCH = "stretch"
    """The 1st percentile of the input becomes black, the 99th white; black bars count."""


STRETCH_PERCENTILES: Final = (0.01, 0.99)
"""Shares of the pixels that become black and white, so that markers and hot pixels do not count."""
MIN_RANGE: Final = 24
"""Gray levels: a narrower range is widened to this, so that noise is not amplified."""


class Scale(StrEnum):
    """Range and dtype of the preprocessed input."""

    UNIT_FLOAT32 = "unit_float32"
    """float32 in [0, 1]: gray / 255 in float64 *before* the resize, then rounded to float32."""
    UINT8 = "uint8"
    """uint8 in [0, 255]; a float model gets them / 255, a uint8 model gets them untouched."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """All preprocessing settings. Stored in the model file."""

    height: int = 150
    """Pixels."""
    width: int = 150
    """Pixels."""
    resize: Resize = Resize.AREA
    aspect: Aspect = Aspect.SQUASH
    scale: Scale = Scale.UINT8
    gray: Gray = Gray.AS_IS

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            msg = f"InputSpec: height and width must be >= 1, got {self.height}x{self.width}"
            raise ValueError(msg)
        if (self.resize is Resize.BILINEAR) != (self.scale is Scale.UNIT_FLOAT32):
            msg = (
                "InputSpec: bilinear goes with unit_float32, area and nearest with uint8; "
                f"got {self.resize} with {self.scale}"
            )
            raise ValueError(msg)
        if self.gray is Gray.STRETCH and self.scale is not Scale.UINT8:
            msg = f"InputSpec: stretch goes with uint8 gray levels, got {self.scale}"
            raise ValueError(msg)

    @property
    def allow_downscale(self) -> bool:
        """Whether large images may be decoded smaller: a resize by area gives the same picture.

        Not for the seed spec, which reproduces the original presentation to the last bit.
        """
        return self.resize is Resize.AREA


SPECS: Final[dict[str, InputSpec]] = {
    "seed": InputSpec(resize=Resize.BILINEAR, scale=Scale.UNIT_FLOAT32),
    "seed-letterbox": InputSpec(
        resize=Resize.BILINEAR, scale=Scale.UNIT_FLOAT32, aspect=Aspect.LETTERBOX
    ),
    "area": InputSpec(),
    "area-letterbox": InputSpec(aspect=Aspect.LETTERBOX),
    "stretch-letterbox": InputSpec(aspect=Aspect.LETTERBOX, gray=Gray.STRETCH),
}
"""The named specs; `seed` is the original presentation's, exactly."""


def preprocess(
    radiograph: Radiograph, *, spec: InputSpec
) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Return the network's input, shape (1, spec.height, spec.width, 1).

    dtype and range follow `spec.scale`: float32 in [0, 1] or uint8 in [0, 255]. Works for any
    radiograph from 1x1 up.
    """
    if radiograph.original_shape is not None and not spec.allow_downscale:
        msg = f"preprocess: expected full size for {spec.resize}, got a downscaled radiograph"
        raise ValueError(msg)
    if spec.scale is Scale.UNIT_FLOAT32:
        resized = _fit(radiograph.pixels / 255.0, spec=spec).astype(np.float32)
        return resized.reshape(1, spec.height, spec.width, 1)
    fitted = _fit(radiograph.pixels, spec=spec)
    if spec.gray is Gray.STRETCH:
        fitted = stretch_percentiles(fitted)
    return fitted.reshape(1, spec.height, spec.width, 1)


def input_extent(shape: tuple[int, int], *, spec: InputSpec) -> Extent:
    """Return the extent of the network's input on a (height, width) image, in its pixels.

    The image itself where it is squashed; larger by the black bars where it is letterboxed. The
    cells of a map divide this extent.
    """
    height, width = shape
    if spec.aspect is Aspect.SQUASH:
        return (0.0, 0.0, float(width), float(height))
    top, left, inner_height, inner_width = _letterbox(shape, spec=spec)
    across, down = width / inner_width, height / inner_height
    return (
        *(-left * across, -top * down),
        *((spec.width - left) * across, (spec.height - top) * down),
    )


def _fit(gray: NDArray[Any], *, spec: InputSpec) -> NDArray[Any]:
    """Return `gray` resized to (spec.height, spec.width), letterboxed where the spec says so."""
    if spec.aspect is Aspect.SQUASH:
        return _resize(gray, height=spec.height, width=spec.width, resize=spec.resize)
    height, width = gray.shape
    top, left, inner_height, inner_width = _letterbox((height, width), spec=spec)
    canvas = np.zeros((spec.height, spec.width), gray.dtype)
    canvas[top : top + inner_height, left : left + inner_width] = _resize(
        gray, height=inner_height, width=inner_width, resize=spec.resize
    )
    return canvas


def _letterbox(shape: tuple[int, int], *, spec: InputSpec) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the image inside the input, in its pixels."""
    height, width = shape
    factor = min(spec.height / height, spec.width / width)
    # A very long, thin image must not round to zero pixels: OpenCV refuses a size of 0.
    inner_height = max(1, round(height * factor))
    inner_width = max(1, round(width * factor))
    top = (spec.height - inner_height) // 2
    left = (spec.width - inner_width) // 2
    return top, left, inner_height, inner_width


def _resize(gray: NDArray[Any], *, height: int, width: int, resize: Resize) -> NDArray[Any]:
    if resize is Resize.NEAREST:
        rows, columns = (
            _nearest(n, to=to) for n, to in zip(gray.shape, (height, width), strict=True)
        )
        return gray[np.ix_(rows, columns)]
    interpolation = cv2.INTER_LINEAR if resize is Resize.BILINEAR else cv2.INTER_AREA
    return cv2.resize(gray, (width, height), interpolation=interpolation)


def _nearest(size: int, *, to: int) -> NDArray[np.int64]:
    """Return (to,) indices of the pixels, of `size`, that lie under the centers of `to` pixels.

    In integers, (2 i + 1) size / (2 to): no float rounds differently on another machine.
    """
    return (2 * np.arange(to) + 1) * size // (2 * to)


def stretch_percentiles(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return gray levels, uint8 of any shape, with the 1st percentile at 0 and the 99th at 255.

    In integers: the same levels on every machine. Removes differences of brightness and contrast
    between detectors, windows and exposures.
    """
    below = np.cumsum(np.bincount(gray.ravel(), minlength=256))
    low, high = (int(np.searchsorted(below, share * gray.size)) for share in STRETCH_PERCENTILES)
    span = max(high - low, MIN_RANGE)
    levels = (np.clip(np.arange(256) - low, 0, span) * 255 + span // 2) // span
    return np.asarray(cv2.LUT(gray, levels.astype(np.uint8)), np.uint8).reshape(gray.shape)


def downscale_to(pixels: NDArray[np.uint8], *, longest_px: int) -> NDArray[np.uint8]:
    """Return (height, width) pixels at most `longest_px` long, antialiased; smaller ones as is."""
    height, width = pixels.shape
    factor = longest_px / max(height, width)
    if factor >= 1.0:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
