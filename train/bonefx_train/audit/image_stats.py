"""What the audit keeps of one image after reading it once: a few numbers and small pictures."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Final

import numpy as np
from bonefx_edge.decode.radiograph import FileFormat
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from numpy.typing import NDArray

from bonefx_train.audit.thumbnails import Frame, Thumbnail, make_thumbnails
from bonefx_train.data.sample import Sample
from bonefx_train.progress import track

BORDER: Final = 4
"""Pixels along each side."""
BLACK: Final = 5
"""Gray levels up to this count as black."""
WHITE: Final = 250
"""Gray levels from this on count as white."""
_DQT: Final = b"\xff\xdb"
_TABLE: Final = 64
"""Entries of a JPEG quantization table (ITU-T T.81 B.2.4.1)."""


@dataclass(frozen=True, slots=True)
class ImageStats:
    """One image that could be read."""

    sample: Sample
    sha256: str
    """Of the bytes, hexadecimal."""
    pixels_digest: str
    """Of shape and pixels, hexadecimal."""
    file_bytes: int
    file_format: FileFormat | None
    quantization: int
    """Sum of the first JPEG quantization table, larger = coarser; 0 where there is none."""
    chroma: float
    """Mean of max(R,G,B) - min(R,G,B), gray levels."""
    height: int
    width: int
    mean: float
    """Gray levels, like the next three."""
    spread: float
    border_mean: float
    border_spread: float
    black: float
    """Share of pixels."""
    white: float
    """Share of pixels."""
    thumbnails: dict[Frame, Thumbnail]

    @property
    def key(self) -> str:
        """Key of the image."""
        return self.sample.key


@dataclass(frozen=True, slots=True)
class Refusal:
    """One image that could not be read."""

    key: str
    reason: str
    """Reason code of the decoder, such as truncated."""
    detail: str


def read_image_stats(samples: Sequence[Sample]) -> tuple[list[ImageStats], list[Refusal]]:
    """Return the facts of all images that the device's decoder reads, and what it refused."""
    images: list[ImageStats] = []
    refused: list[Refusal] = []
    with ThreadPoolExecutor(cpu_count()) as pool:
        reads = pool.map(_read, samples)
        for _, read in zip(track(samples, label="reading images"), reads, strict=True):
            if isinstance(read, ImageStats):
                images.append(read)
            else:
                refused.append(read)
    return images, refused


def _read(sample: Sample) -> ImageStats | Refusal:
    try:
        data = read_file(sample.path)
        radiograph = decode(data)
    except DecodeError as err:
        return Refusal(sample.key, err.reason.value, str(err))
    pixels = radiograph.pixels
    border = _border(pixels)
    digest = hashlib.sha256(np.array(pixels.shape, "<i8").tobytes() + pixels.tobytes())
    return ImageStats(
        sample=sample,
        sha256=hashlib.sha256(data).hexdigest(),
        pixels_digest=digest.hexdigest(),
        file_bytes=len(data),
        file_format=radiograph.file_format,
        quantization=_quantization(data) if radiograph.file_format is FileFormat.JPEG else 0,
        chroma=radiograph.chroma,
        height=pixels.shape[0],
        width=pixels.shape[1],
        mean=float(pixels.mean()),
        spread=float(pixels.std()),
        border_mean=float(border.mean()),
        border_spread=float(border.std()),
        black=float((pixels <= BLACK).mean()),
        white=float((pixels >= WHITE).mean()),
        thumbnails=make_thumbnails(pixels),
    )


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the pixels along the four sides in one row, corners twice."""
    sides = (pixels[:BORDER], pixels[-BORDER:], pixels[:, :BORDER], pixels[:, -BORDER:])
    return np.concatenate([side.ravel() for side in sides])


def _quantization(data: bytes) -> int:
    """Return the sum of the first 8-bit table, 0 where there is none."""
    at = data.find(_DQT)
    return sum(data[at + 5 : at + 5 + _TABLE]) if at >= 0 else 0
