"""Read images into the arrays that networks are trained on, with the device's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.inference.decision import BROKEN
from bonefx_edge.inference.preprocess import InputSpec, Scale, preprocess
from numpy.typing import NDArray

from bonefx_train.data.sample import Sample
from bonefx_train.errors import DataError
from bonefx_train.progress import track

UINT8_MAX: Final = 255.0
"""Gray levels of the brightest pixel."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Images as one array, in the order of `samples`.

    All images lie in memory: at 150x150 one takes 90 kB as float32 and 22 kB as uint8, so 10,000
    images take 0.9 GB or 0.2 GB.
    """

    x: NDArray[np.float32] | NDArray[np.uint8]
    """(n, height, width, 1); float32 in [0, 1] or uint8 in [0, 255], as `InputSpec.scale` says."""
    class_index: NDArray[np.uint8]
    """(n,), 0 broken, 1 not broken: the network's target."""
    samples: tuple[Sample, ...]
    """The n images that could be read."""
    refused: tuple[tuple[str, str], ...]
    """(key, reason code) of the images that could not."""

    @property
    def fractured(self) -> NDArray[np.bool_]:
        """(n,), True = fractured."""
        return np.asarray(self.class_index == BROKEN)


def load_pixels(samples: Sequence[Sample], *, spec: InputSpec) -> Pixels:
    """Return the images as network input; a file that is no radiograph is listed as refused.

    Raises
    ------
    DataError
        If no image at all could be read.
    """
    dtype = np.float32 if spec.scale is Scale.UNIT_FLOAT32 else np.uint8
    x = np.empty((len(samples), spec.height, spec.width, 1), dtype)
    read: list[Sample] = []
    refused: list[tuple[str, str]] = []
    for sample in track(samples, label="reading images"):
        try:
            radiograph = decode(read_file(sample.path), allow_downscale=spec.allow_downscale)
            x[len(read)] = preprocess(radiograph, spec=spec)[0]
        except DecodeError as err:
            refused.append((sample.key, err.reason.value))
        else:
            read.append(sample)
    if not read:
        what = f"{refused[0][1]}: {refused[0][0]}" if refused else "an empty list"
        msg = f"expected readable images, got {len(refused)} refused ({what}); check the data path"
        raise DataError(msg)
    return Pixels(
        x=x[: len(read)],
        class_index=np.array([sample.label.class_index for sample in read], np.uint8),
        samples=tuple(read),
        refused=tuple(refused),
    )


def to_network_range(x: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 in [0, 1] of the same shape: what every Keras network here is fed.

    uint8 is divided by 255; float32 is in range already. A function and not a Rescaling layer:
    a uint8 .tflite takes the division into its input scale (1/255), so that the device feeds
    stored pixels, and a layer invites dividing twice.

    Raises
    ------
    DataError
        For another dtype, and for float32 outside [0, 1], such as pixels that were not divided.
    """
    if x.dtype == np.uint8:
        return (x / UINT8_MAX).astype(np.float32)
    if x.dtype != np.float32 or (x.size and not (x.min() >= 0.0 and x.max() <= 1.0)):
        msg = (
            f"network input: expected uint8 or float32 in [0, 1], got {x.dtype} in "
            f"[{x.min()}, {x.max()}]; preprocess with bonefx_edge.inference.preprocess"
        )
        raise DataError(msg)
    return x.astype(np.float32, copy=False)
