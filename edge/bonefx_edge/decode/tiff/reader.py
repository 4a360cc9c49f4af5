"""TIFF (gray, palette, RGB; plain, LZW, Deflate or PackBits; strips or tiles), without libtiff."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bonefx_edge.decode.limits import Limits, check_pixels
from bonefx_edge.decode.orientation import LAST, UPRIGHT
from bonefx_edge.decode.raster import Raster
from bonefx_edge.decode.refusals import refuse_corrupt
from bonefx_edge.decode.tiff.blocks import HORIZONTAL, UNPACKERS, Layout, read_samples
from bonefx_edge.decode.tiff.tags import (
    BITS,
    COLOR_MAP,
    COMPRESSION,
    EXTRA,
    FILL_ORDER,
    FORMAT,
    HEIGHT,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    SAMPLES,
    WIDTH,
    Tags,
    first,
    read_tags,
    refuse_kind,
)

MAGICS: Final = (b"II*\x00", b"MM\x00*")
BIG_MAGICS: Final = (b"II+\x00", b"MM\x00+")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHAS: Final = (_ASSOCIATED, _UNASSOCIATED)
_COLORS: Final = 3
_UNSIGNED: Final = 1
_KINDS: Final = {
    (_MIN_IS_WHITE, 1, True),
    (_MIN_IS_WHITE, 1, False),
    (_MIN_IS_BLACK, 1, True),
    (_MIN_IS_BLACK, 1, False),
    (_PALETTE, 1, True),
    (_RGB, 3, True),
    (_RGB, 3, False),
}
"""Photometric interpretation, samples per pixel, whether 8 bit."""
_WITH_ALPHA: Final = {(_MIN_IS_BLACK, 2, True), (_MIN_IS_BLACK, 2, False)} | {
    (_RGB, 4, True),
    (_RGB, 4, False),
}
"""The same with alpha last. MinIsWhite is left out: what its premultiplied values mean is open."""
_COMPRESSIONS: Final = {
    2: "CCITT fax compression, black and white",
    3: "CCITT fax compression, black and white",
    4: "CCITT fax compression, black and white",
    6: "old JPEG compression",
    7: "JPEG compression",
    34712: "JPEG 2000 compression",
    34887: "LERC compression",
    34925: "LZMA compression",
    50000: "Zstandard compression",
    50001: "WebP compression",
    52546: "JPEG XL compression",
}
"""Compressions that are not read, for the message."""


def read_tiff(data: bytes, *, limits: Limits) -> Raster:
    """Return the pixels of a TIFF page, larger = brighter (MinIsWhite is turned round).

    Further pages must be thumbnails.

    Raises
    ------
    DecodeError
        TRUNCATED, CORRUPT, TOO_LARGE, or UNSUPPORTED (BigTIFF, several pages, other
        compressions, float or signed samples).
    """
    if data[:4] in BIG_MAGICS:
        refuse_kind("BigTIFF")
    order = "<" if data[:2] == b"II" else ">"
    tags = read_tags(data, order=order)
    layout = _check_kind(tags, order=order)
    check_pixels(layout.height, layout.width, limits=limits, pixel_bytes=layout.pixel_bytes)
    return _show(read_samples(data, tags=tags, layout=layout, limits=limits), tags=tags)


def _check_kind(tags: Tags, *, order: str) -> Layout:
    """Return the layout of the samples; refuse every kind that is not read here."""
    compression = first(tags, COMPRESSION, 1)
    if compression not in UNPACKERS:
        refuse_kind(f"{_COMPRESSIONS.get(compression, f'compression {compression}')}")
    bits = set(tags.get(BITS, (1,)))
    channels = first(tags, SAMPLES, 1)
    photometric = first(tags, PHOTOMETRIC)
    extra = first(tags, EXTRA, 0)
    pairs = {
        "8 or 16 bits per sample": bits in ({8}, {16}),
        "unsigned integer samples": set(tags.get(FORMAT, (_UNSIGNED,))) == {_UNSIGNED},
        "predictor 1 or 2": first(tags, PREDICTOR, 1) in (1, HORIZONTAL),
        "the highest bit first": first(tags, FILL_ORDER, 1) == 1,
        "samples of a pixel side by side": channels == 1 or first(tags, PLANAR, 1) == 1,
        "gray, gray + alpha, 8-bit palette, RGB or RGBA": (photometric, channels, bits == {8})
        in (_KINDS | _WITH_ALPHA if extra in _ALPHAS else _KINDS),
    }
    for wanted, fits in pairs.items():
        if not fits:
            refuse_kind(f"expected {wanted}, got another kind")
    dtype = np.dtype(f"{order}u{bits.pop() // 8}")
    return Layout(first(tags, HEIGHT), first(tags, WIDTH), channels, dtype)


def _show(samples: NDArray[Any], *, tags: Tags) -> Raster:
    """Return the samples as they are meant to be seen: colors looked up, larger = brighter."""
    orientation = first(tags, ORIENTATION, UPRIGHT)
    if not UPRIGHT <= orientation <= LAST:
        orientation = UPRIGHT
    photometric = first(tags, PHOTOMETRIC)
    # Associated alpha (1) is already multiplied in, which is what "over black" means.
    has_alpha = samples.shape[2] in (2, 4) and first(tags, EXTRA, 0) == _UNASSOCIATED
    alpha = samples[:, :, -1] if has_alpha else None
    if photometric == _PALETTE:
        return Raster(_color_map(tags)[samples[:, :, 0]], orientation=orientation)
    if photometric != _RGB:
        gray = samples[:, :, 0]
        gray = ~gray if photometric == _MIN_IS_WHITE else gray
        return Raster(gray, alpha=alpha, orientation=orientation)
    return Raster(samples[:, :, :_COLORS], alpha=alpha, orientation=orientation)


def _color_map(tags: Tags) -> NDArray[np.uint8]:
    """Return the palette, uint8 (256, 3); TIFF 6.0 stores 16-bit values, all red ones first."""
    values = tags.get(COLOR_MAP, ())
    if len(values) != _COLORS * 256:
        refuse_corrupt(f"768 values in the TIFF color map, got {len(values)}")
    # Some writers store 8-bit values; libtiff guesses in the same way.
    shift = 8 if max(values) > 255 else 0  # noqa: PLR2004 - largest 8-bit value
    return (np.array(values, np.uint16).reshape(_COLORS, 256).T >> shift).astype(np.uint8)
