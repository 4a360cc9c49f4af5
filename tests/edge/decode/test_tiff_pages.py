"""TIFF in tiles, and with several pages of which one is the film."""

import io
import struct

import numpy as np
import pytest
from bonefx_edge.decode import decode
from bonefx_edge.decode.limits import Limits
from bonefx_edge.errors import DecodeError, Reason
from image_files import color_picture, deep_film, gray_film, tiff_file, tiled_tiff
from PIL import Image, TiffImagePlugin

PACKED = [(1, 1), (5, 1), (5, 2), (8, 1), (8, 2), (32773, 1)]


def refusal(data, **options):
    with pytest.raises(DecodeError) as caught:
        decode(data, **options)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("compression", "predictor"), PACKED)
@pytest.mark.parametrize("film", [gray_film(40, 56), deep_film(33, 70), gray_film(16, 32)])
def test_tiles_give_the_pixels_of_strips(film, compression, predictor, order):
    data = tiled_tiff(film, compression=compression, predictor=predictor, order=order)
    np.testing.assert_array_equal(decode(data).pixels, decode(tiff_file(film)).pixels)


@pytest.mark.parametrize("compression", [1, 8])
def test_color_tiles_give_the_pixels_that_pillow_reads(compression):
    data = tiled_tiff(color_picture(), compression=compression)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), color_picture())
    expected = decode(tiff_file(color_picture(), photometric=2))
    np.testing.assert_array_equal(decode(data).pixels, expected.pixels)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_tiles_that_are_cut_are_refused(compression):
    data = tiled_tiff(deep_film(33, 70), compression=compression)
    sizes_at = len(data) - 4 * 9  # nine tiles, whose sizes stand last in the file
    (size,) = struct.unpack_from("<I", data, sizes_at)
    short = data[:sizes_at] + struct.pack("<I", size - 9) + data[sizes_at + 4 :]
    assert refusal(short)[0] in (Reason.TRUNCATED, Reason.CORRUPT)


@pytest.mark.parametrize(
    ("tags", "reason", "words"),
    [
        ([(322, 4, [0])], Reason.CORRUPT, "sides of multiples of 16, got 0 x 16"),
        ([(323, 4, [15])], Reason.CORRUPT, "sides of multiples of 16, got 32 x 15"),
        ([(324, 4, [8])], Reason.CORRUPT, "one TIFF tile offset and size per tile"),
        ([(322, 4, [1 << 20])], Reason.TOO_LARGE, "too large"),
    ],
)
def test_tiles_that_contradict_the_page_are_refused(tags, reason, words):
    data = tiled_tiff(gray_film(40, 56), tags=tags)
    assert refusal(data, limits=Limits(max_pixels=1_000_000))[0] is reason
    assert words in refusal(data, limits=Limits(max_pixels=1_000_000))[1]


def pages(*films, kinds):
    """Return a TIFF with these pages and their NewSubfileType; None leaves it out."""
    stream = io.BytesIO()
    images = [Image.fromarray(film) for film in films]
    with TiffImagePlugin.AppendingTiffWriter(stream, new=True) as writer:
        for image, kind in zip(images, kinds, strict=True):
            tags = {} if kind is None else {254: kind}
            image.save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    return stream.getvalue()


FILM, SMALL = gray_film(60, 48), gray_film(15, 12)


@pytest.mark.parametrize(
    ("films", "kinds"),
    [
        ((FILM, SMALL), (None, 1)),
        ((FILM, SMALL), (0, 1)),
        ((SMALL, FILM), (1, 0)),
        ((FILM, SMALL, SMALL), (0, 1, 3)),
        ((FILM,), (1,)),
    ],
)
def test_thumbnails_beside_the_film_are_left_out(films, kinds):
    np.testing.assert_array_equal(decode(pages(*films, kinds=kinds)).pixels, FILM)


@pytest.mark.parametrize(
    ("kinds", "words"), [((0, 0), "(2 pages)"), ((None, 2), "(2 pages)"), ((1, 1), "(2 pages)")]
)
def test_two_films_or_none_are_refused(kinds, words):
    reason, message = refusal(pages(FILM, SMALL, kinds=kinds))
    assert reason is Reason.UNSUPPORTED
    assert words in message


def test_a_circle_of_pages_is_damage():
    data = tiff_file(FILM)
    directory_at = int.from_bytes(data[4:8], "little")
    assert refusal(tiff_file(FILM, following=directory_at))[0] is Reason.CORRUPT


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        (4, "CCITT fax compression, black and white"),
        (6, "old JPEG compression"),
        (7, "JPEG compression"),
        (50000, "Zstandard compression"),
        (9, "compression 9"),
    ],
)
def test_a_compression_that_is_not_read_is_named(compression, name):
    reason, message = refusal(tiff_file(FILM, tags=[(259, 3, [compression])]))
    assert reason is Reason.UNSUPPORTED
    assert f"This kind of TIFF is not read ({name}). Save the image as PNG" in message
