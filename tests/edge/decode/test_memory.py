"""Large files are decoded without needless copies: a board has a gigabyte for everything.

Counted by tracemalloc, to which NumPy and Python's bytes report; codecs in C allocate beside it.
"""

import struct
import tracemalloc
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.png import MAGIC
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError, Reason
from image_files import deep_film, dicom_file, jpeg_file, png_chunk, tiff_file, tiled_tiff

SIDE = 4000
SLACK_BYTES = 12 << 20
"""A table is looked up for a megapixel at a time, in int64 (levels.py); a third of the film."""


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that was held at once beyond what was held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(name="film", scope="module")
def _film() -> np.ndarray:
    return np.tile(deep_film(500, 500, bits=12), (SIDE // 500, SIDE // 500))


WRITERS = {
    "DICOM": (dicom_file, 0),  # the stored values are read where they lie in the file
    "TIFF, one strip": (partial(tiff_file, rows_per_strip=SIDE), 0),
    "TIFF, one strip, big-endian": (partial(tiff_file, rows_per_strip=SIDE, order=">"), 1),
    # zlib gathers blocks and joins them
    "TIFF, one strip, Deflate": (partial(tiff_file, rows_per_strip=SIDE, compression=8), 2),
    "TIFF, strips": (tiff_file, 1),
    "TIFF, strips, Deflate": (partial(tiff_file, compression=8), 1),
    "TIFF, tiles": (partial(tiled_tiff, tile=(512, 512)), 1),
    "TIFF, tiles, Deflate": (partial(tiled_tiff, tile=(512, 512), compression=8), 1),
    "TIFF, strips, big-endian": (partial(tiff_file, order=">"), 2),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_16_bit_film_takes_its_gray_levels_and_few_copies(film, kind: str) -> None:
    write, copies = WRITERS[kind]
    data = write(film)
    assert decode(data).shape == (SIDE, SIDE)  # what is imported late is here now
    peak = peak_bytes(lambda: decode(data))
    assert peak < film.nbytes * copies + film.size + SLACK_BYTES


@pytest.mark.parametrize("channels", [3, 4])
def test_a_color_film_takes_its_samples_and_its_gray_levels(film, channels: int) -> None:
    color = np.repeat((film >> 4).astype(np.uint8)[..., np.newaxis], channels, axis=2)
    data = cv2.imencode(".png", color)[1].tobytes()
    peak = peak_bytes(lambda: decode(data))
    # A megapixel at a time, in uint32 where there is alpha: a whole copy would be 48 MB and more.
    assert peak < color.nbytes + film.size + (44 << 20)


def test_a_jpeg_that_is_reduced_never_has_its_pixels_in_full(film) -> None:
    data = jpeg_file((film >> 4).astype(np.uint8))
    assert peak_bytes(lambda: decode(data, allow_downscale=True)) < film.size / 8


def test_a_file_is_read_into_memory_once(tmp_path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes(32 << 20))
    assert peak_bytes(lambda: read_file(path)) < 34 << 20


def test_a_header_that_lies_is_refused_before_there_is_room_for_what_it_says() -> None:
    """Ten thousand rows in strips of 16, each of them of five bytes."""
    strips = -(-10_000 // 16)
    tags = ((256, 4, [10_000]), (257, 4, [10_000]), (273, 4, [8] * strips), (279, 4, [5] * strips))
    data = tiff_file(np.zeros((16, 16), np.uint16), tags=tags)

    def refuse() -> None:
        with pytest.raises(DecodeError, match="bytes in TIFF strip 0"):
            decode(data)

    assert peak_bytes(refuse) < 4 << 20


def test_color_of_16_bit_is_refused_above_300_megabytes_of_samples() -> None:
    ihdr = struct.pack(">IIBBBBB", 10_000, 10_000, 16, 2, 0, 0, 0)
    data = MAGIC + png_chunk(b"IHDR", ihdr)
    with pytest.raises(DecodeError, match="bytes of pixels") as caught:
        decode(data)
    assert caught.value.reason is Reason.TOO_LARGE
