"""Large files are decoded without needless copies: a board has a gigabyte for everything.

Counted by tracemalloc, to which NumPy and Python's bytes report; codecs in C allocate beside it.
"""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from bonefx_edge.decode import decode, read_file
from builders import deep_film, dicom_file, jpeg_file, with_pillow

SIDE = 3000
CHUNK_BYTES = 8 << 20
"""A table is looked up for a megapixel at a time, in int64 (levels.py)."""


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


@pytest.mark.parametrize(
    ("write", "copies"),
    [
        (dicom_file, 0),  # the stored values are read where they lie in the file
        (lambda film: with_pillow(film, "TIFF"), 1),  # strips need not lie together
        (lambda film: with_pillow(film, "TIFF", compression="tiff_adobe_deflate"), 1),
    ],
    ids=["DICOM", "TIFF", "TIFF, Deflate"],
)
def test_a_16_bit_film_takes_its_gray_levels_and_at_most_one_copy(film, write, copies) -> None:
    data = write(film)
    assert decode(data).shape == (SIDE, SIDE)  # what is imported late is here now
    peak = peak_bytes(lambda: decode(data))
    assert peak < film.nbytes * copies + film.size + 2 * CHUNK_BYTES


def test_a_jpeg_that_is_reduced_never_has_its_pixels_in_full(film) -> None:
    data = jpeg_file((film >> 4).astype(np.uint8))
    assert peak_bytes(lambda: decode(data, reduces=True)) < film.size / 8


def test_a_file_is_read_into_memory_once(tmp_path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes(32 << 20))
    assert peak_bytes(lambda: read_file(path)) < 34 << 20
