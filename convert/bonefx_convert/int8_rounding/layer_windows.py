"""Lay out what a layer of a .tflite sees and its weights, for `rounding`."""

from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CONVOLUTION: Final = "CONV_2D"
DEPTHWISE: Final = "DEPTHWISE_CONV_2D"
DENSE: Final = "FULLY_CONNECTED"

Doubles = NDArray[np.float64]


class LayersDifferError(ValueError):
    """The int8 network has other layers than the float one, or such as are not rounded here."""


def windows(maps: Doubles, kind: str, options: Any, shape: tuple[int, ...]) -> Doubles:
    """Return what a filter of that shape sees at each place, (n, rows, columns, in)."""
    if kind == DENSE:
        return maps.reshape(-1, 1, 1, maps.shape[-1])
    from ai_edge_litert import schema_py_generated as schema

    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        msg = "expected filters without dilation, got one"
        raise LayersDifferError(msg)
    rows, columns = shape[1:3]
    strides = options.strideH, options.strideW
    if options.padding == schema.Padding.SAME:
        sides = [
            _pad(size, window, stride)
            for size, window, stride in zip(maps.shape[1:3], (rows, columns), strides, strict=True)
        ]
        maps = np.pad(maps, ((0, 0), *sides, (0, 0)))
    seen = sliding_window_view(maps, (rows, columns), axis=(1, 2))
    seen = seen[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3)
    return seen.reshape(-1, rows, columns, maps.shape[-1])


def _pad(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return zeros before and after, as TensorFlow's SAME lays them."""
    missing = max((-(-size // stride) - 1) * stride + window - size, 0)
    return missing // 2, missing - missing // 2


def group(seen: Doubles, kind: str) -> Doubles:
    """Return windows (n, rows, columns, in) as (groups, n, k)."""
    if kind == DEPTHWISE:
        n, _, _, channels = seen.shape
        return seen.reshape(n, -1, channels).transpose(2, 0, 1)
    return seen.reshape(1, len(seen), -1)


def to_groups(weights: Doubles, kind: str) -> Doubles:
    """Return a layer's weights as (groups, outputs, k)."""
    if kind == DEPTHWISE:
        return weights.reshape(-1, weights.shape[-1]).T[:, np.newaxis]
    return weights.reshape(1, len(weights), -1)


def from_groups(rounded: NDArray[np.int8], kind: str, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return the weights laid out as in the file; the inverse of `to_groups`."""
    return rounded[:, 0].T.reshape(shape) if kind == DEPTHWISE else rounded.reshape(shape)
