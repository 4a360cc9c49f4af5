"""Bytes of any supported format to a radiograph; the format is found by content, never by name."""

import dataclasses
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode import png
from bonefx_edge.decode.bmp import BMP_MAGIC, read_bmp
from bonefx_edge.decode.dicom.preamble import MAGIC as DICOM_MAGIC
from bonefx_edge.decode.dicom.preamble import MAGIC_AT as DICOM_MAGIC_AT
from bonefx_edge.decode.dicom.preamble import add_preamble, lacks_preamble
from bonefx_edge.decode.downscale import downscale_by_mean, downscale_factor
from bonefx_edge.decode.jpeg import reader as jpeg
from bonefx_edge.decode.limits import DEFAULT_LIMITS, Limits, check_pixels
from bonefx_edge.decode.options import DEFAULT_OPTIONS, DecodeOptions, SiteSwitch
from bonefx_edge.decode.other_kinds import find_other_kind
from bonefx_edge.decode.radiograph import FileFormat, Radiograph
from bonefx_edge.decode.raster import Raster, to_radiograph
from bonefx_edge.decode.tiff import reader as tiff
from bonefx_edge.errors import DecodeError, Reason

__all__ = ["DEFAULT_LIMITS", "Limits", "decode", "decode_array", "read_file", "recognize"]

_GRAY_DIMENSIONS: Final = 2
_READ_BYTES: Final = 1 << 20
"""At a time, of a file that is longer than it was said to be."""


def decode(
    data: bytes,
    *,
    limits: Limits = DEFAULT_LIMITS,
    allow_downscale: bool = False,
    options: DecodeOptions = DEFAULT_OPTIONS,
) -> Radiograph:
    """Return the radiograph in `data`: the content of one JPEG, PNG, TIFF, BMP or DICOM file.

    With `allow_downscale` a large image is made smaller, see `decode.downscale`;
    `InputSpec.allow_downscale` says whether a network takes it so. What `options` accept is
    refused without them; `Radiograph.accepted` says which of them were needed.

    Raises
    ------
    DecodeError
        EMPTY, TOO_LARGE, NOT_AN_IMAGE, TRUNCATED, CORRUPT, UNSUPPORTED; for DICOM also
        MISSING_CODEC, WRONG_MODALITY, NOT_FOR_PRESENTATION.
    """
    _check_bytes(len(data), limits=limits)
    file_format = recognize(data)
    if file_format is FileFormat.JPEG:
        return jpeg.decode_jpeg(data, limits=limits, allow_downscale=allow_downscale)
    if file_format is FileFormat.DICOM:
        radiograph = _decode_dicom(data, limits, options)
    elif file_format is not None:
        radiograph = _DECODERS[file_format](data, limits)
    elif lacks_preamble(data):
        radiograph = _decode_without_preamble(data, limits, options)
    else:
        _refuse_kind(data)
    return _reduce(radiograph) if allow_downscale else radiograph


def decode_array(
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    dark_bone: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    allow_downscale: bool = False,
) -> Radiograph:
    """Return the radiograph of pixels in memory, which stay as they are.

    uint8 pixels are taken as shown on a screen: 0 is black, 255 is white. uint16 pixels are scaled
    over their 0.5 to 99.5 percentile range, as those of a 16-bit PNG or TIFF file.

    Parameters
    ----------
    pixels
        (height, width), uint8 or uint16, upright.
    dark_bone
        Whether larger values are darker (MONOCHROME1); then the gray levels are inverted.
    allow_downscale
        As for `decode`.

    Raises
    ------
    TypeError
        `pixels` is no array, or of another dtype.
    ValueError
        It has another number of dimensions, or no pixels.
    DecodeError
        TOO_LARGE.
    """
    if getattr(pixels, "dtype", None) not in (np.uint8, np.uint16):
        got = getattr(pixels, "dtype", type(pixels).__name__)
        msg = f"expected an array of uint8 or uint16, got {got}"
        raise TypeError(msg)
    if pixels.ndim != _GRAY_DIMENSIONS or pixels.size == 0:
        msg = f"expected a (height, width) array, got shape {pixels.shape}; convert it to gray"
        raise ValueError(msg)
    check_pixels(*pixels.shape, limits=limits, pixel_bytes=pixels.itemsize)
    samples = np.array(pixels, order="C")
    if dark_bone:
        np.invert(samples, out=samples)
    radiograph = to_radiograph(Raster(samples), file_format=None)
    return _reduce(radiograph) if allow_downscale else radiograph


def recognize(data: bytes) -> FileFormat | None:
    """Return the format that the first bytes name, or None.

    DICOM goes first: its 128 bytes of preamble may hold anything, a TIFF header for instance
    (PS3.10 section 7.1, dual-personality files).
    """
    if data.startswith(DICOM_MAGIC, DICOM_MAGIC_AT):
        return FileFormat.DICOM
    magics = {
        FileFormat.JPEG: (jpeg.MAGIC,),
        FileFormat.PNG: (png.MAGIC,),
        FileFormat.TIFF: (*tiff.MAGICS, *tiff.BIG_MAGICS),
        FileFormat.BMP: (BMP_MAGIC,),
    }
    return next((kind for kind, starts in magics.items() if data.startswith(starts)), None)


def read_file(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the content of a regular file; never waits for a pipe, never reads a huge file.

    Raises
    ------
    DecodeError
        UNREADABLE (missing, forbidden, a folder, pipe or device), EMPTY, TOO_LARGE.
    """
    try:
        # O_NONBLOCK: opening a FIFO without a writer would otherwise wait forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as err:  # ValueError: a NUL in the name
        reason = err.strerror if isinstance(err, OSError) else "not a file name"
        msg = f"Cannot open {path} ({reason}). Check path and permissions."
        raise DecodeError(Reason.UNREADABLE, msg) from err
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path} is a folder, pipe or device. Name a file."
            raise DecodeError(Reason.UNREADABLE, msg)
        _check_bytes(status.st_size, limits=limits)
        data = _read_at_most(descriptor, limits.max_bytes + 1, expected=status.st_size)
    except OSError as err:
        msg = f"Cannot read {path} ({err.strerror}). Check the disk."
        raise DecodeError(Reason.UNREADABLE, msg) from err
    finally:
        os.close(descriptor)
    _check_bytes(len(data), limits=limits)  # the file may have grown or shrunk since
    return data


def _read_at_most(descriptor: int, count: int, *, expected: int) -> bytes:
    """Return up to `count` bytes; those expected at once: joined, they would be there twice."""
    parts, wanted = [], min(count, expected)
    while count > 0 and (part := os.read(descriptor, wanted)):
        parts.append(part)
        count -= len(part)
        wanted = min(count, _READ_BYTES)
    return b"".join(parts)


def _check_bytes(count: int, *, limits: Limits) -> None:
    if count == 0:
        msg = "The file is empty (0 bytes). Send the file again."
        raise DecodeError(Reason.EMPTY, msg)
    if count > limits.max_bytes:
        msg = (
            f"The file is too large ({count:,} bytes, limit {limits.max_bytes:,}). Export the "
            "radiograph at a normal size."
        )
        raise DecodeError(Reason.TOO_LARGE, msg)


def _decode_dicom(data: bytes, limits: Limits, options: DecodeOptions) -> Radiograph:
    from bonefx_edge.decode.dicom.reader import decode_dicom  # here: importing pydicom takes 0.25 s

    return decode_dicom(data, limits=limits, options=options)


def _decode_without_preamble(data: bytes, limits: Limits, options: DecodeOptions) -> Radiograph:
    if SiteSwitch.NO_PREAMBLE not in options.accept:
        msg = (
            'This is DICOM without its preamble (no "DICM" at byte 128). Save it as a DICOM Part '
            f"10 file, or as PNG, or see the option --accept {SiteSwitch.NO_PREAMBLE}."
        )
        raise DecodeError(Reason.NOT_AN_IMAGE, msg)
    radiograph = _decode_dicom(add_preamble(data), limits, options)
    accepted = (SiteSwitch.NO_PREAMBLE, *radiograph.accepted)
    return dataclasses.replace(radiograph, accepted=accepted)


def _refuse_kind(data: bytes) -> NoReturn:
    kind = find_other_kind(data)
    msg = "Not a JPEG, PNG, TIFF, BMP or DICOM (Part 10) file. Export the radiograph as one."
    if kind is not None:
        msg = f"The file is of a kind that is not read ({kind.name}). {kind.advice}"
    raise DecodeError(Reason.NOT_AN_IMAGE, msg)


def _reduce(radiograph: Radiograph) -> Radiograph:
    factor = downscale_factor(*radiograph.shape)
    if factor == 1:
        return radiograph
    pixels = downscale_by_mean(radiograph.pixels, factor=factor)
    return dataclasses.replace(radiograph, pixels=pixels, original_shape=radiograph.shape)


_DECODERS: Final[dict[FileFormat, Callable[[bytes, Limits], Radiograph]]] = {
    FileFormat.PNG: lambda data, limits: to_radiograph(
        png.read_png(data, limits=limits), file_format=FileFormat.PNG
    ),
    FileFormat.TIFF: lambda data, limits: to_radiograph(
        tiff.read_tiff(data, limits=limits), file_format=FileFormat.TIFF
    ),
    FileFormat.BMP: lambda data, limits: to_radiograph(
        read_bmp(data, limits=limits), file_format=FileFormat.BMP
    ),
}
