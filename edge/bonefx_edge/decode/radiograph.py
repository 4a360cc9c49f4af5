"""One decoded radiograph, with where its gray levels came from."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.options import SiteSwitch


class FileFormat(StrEnum):
    """What the content of the file was (never what its name says)."""

    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    BMP = "bmp"
    DICOM = "dicom"


class GrayMapping(StrEnum):
    """How stored values became 8-bit gray levels."""

    STORED = "stored"
    """8-bit in the file, untouched."""
    VOI_LUT = "voi_lut"
    """The VOI LUT of the DICOM file (PS3.3 C.11.2.1.1)."""
    VOI_WINDOW = "voi_window"
    """The (first) window center and width of the DICOM file (PS3.3 C.11.2.1.2)."""
    VOI_ALTERNATIVE = "voi_alternative"
    """The first VOI LUT or window of the DICOM file is unusable; the next usable one."""
    PERCENTILES = "percentiles"
    """No window in the file: 0.5 to 99.5 percentile of the pixels that are not padding."""
    VOI_UNUSABLE = "voi_unusable"
    """No VOI LUT or window of the DICOM file is usable: shown as if it had none."""


_GRAY_NDIM: Final = 2


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A radiograph as a person would see it on a screen."""

    pixels: NDArray[np.uint8]
    """(height, width), uint8, [0, 255], C-contiguous, read-only; larger = brighter = bone."""
    file_format: FileFormat | None
    """Format of the file it came from; None for pixels in memory."""
    gray_mapping: GrayMapping
    """How the stored values became 8 bits."""
    chroma: float = 0.0
    """Mean over pixels of max(R,G,B) - min(R,G,B), in gray levels [0, 255]; 0 for gray files."""
    original_shape: tuple[int, int] | None = None
    """(height, width) of the film where `pixels` are a reduced picture of it; None: as `pixels`."""
    body_part: str | None = None
    """DICOM Body Part Examined (0018,0015) in capitals, or None where the file does not say."""
    anatomic_region: tuple[str, ...] = ()
    """Codes and their meanings in DICOM Anatomic Region Sequence (0008,2218), in capitals."""
    accepted: tuple[SiteSwitch, ...] = ()
    """Site switches without which the file would have been refused."""
    age_years: float | None = None
    """Of the patient, by the DICOM header, see `dicom.age`; None where the file does not say."""

    has_lens: bool = False
    """Whether the EXIF of the file tells of a lens: a camera took it."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != _GRAY_NDIM or self.pixels.dtype != np.uint8 or self.pixels.size == 0:
            msg = (
                "Radiograph.pixels: expected a non-empty (height, width) uint8 array, "
                f"got shape {self.pixels.shape} dtype {self.pixels.dtype}"
            )
            raise ValueError(msg)
        self.pixels.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the film, in pixels as stored, upright."""
        height, width = self.pixels.shape
        return self.original_shape or (height, width)
