"""Files of every kind: recognized by content, refused by size, never answered when cut short."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat
from bonefx_edge.decode.reader import Limits, decode, read_file, recognize
from bonefx_edge.errors import DecodeError, Reason
from image_files import (
    bmp_file,
    color_picture,
    deep_film,
    dicom_file,
    dicom_jpeg,
    dicom_jpeg_2000,
    dicom_jpeg_ls,
    dicom_rle,
    gray_film,
    jpeg_file,
    png_chunk,
    tiff_file,
    with_pillow,
)
from refusals import refusal

GOOD_FILES = {
    "jpeg": lambda: jpeg_file(gray_film()),
    "jpeg progressive": lambda: jpeg_file(gray_film(), progressive=True),
    "jpeg color": lambda: jpeg_file(color_picture()),
    "png": lambda: with_pillow(gray_film(), "PNG"),
    "png 16 bit": lambda: with_pillow(deep_film(bits=16), "PNG"),
    "tiff": lambda: tiff_file(gray_film()),
    "tiff deflate": lambda: tiff_file(deep_film(), compression=8, predictor=2),
    "bmp": lambda: bmp_file(gray_film()),
    "dicom native": lambda: dicom_file(deep_film(), bits=12),
    "dicom rle": lambda: dicom_rle(deep_film(), bits=12),
    "dicom jpeg": lambda: dicom_jpeg(gray_film()),
    "dicom jpeg-ls": lambda: dicom_jpeg_ls(deep_film(), bits=12),
    "dicom jpeg 2000": lambda: dicom_jpeg_2000(deep_film(), bits=12),
}


@pytest.mark.parametrize("kind", GOOD_FILES)
def test_a_whole_file_becomes_a_contiguous_read_only_picture(kind):
    radiograph = decode(GOOD_FILES[kind]())
    assert radiograph.pixels.shape == (40, 56)
    assert radiograph.pixels.flags.c_contiguous
    assert not radiograph.pixels.flags.writeable
    assert radiograph.file_format == FileFormat(kind.split()[0])


@pytest.mark.parametrize("percent", range(10, 100, 10))
@pytest.mark.parametrize("kind", GOOD_FILES)
def test_a_file_cut_at_any_tenth_is_refused_as_truncated(kind, percent):
    data = GOOD_FILES[kind]()
    cut = data[: len(data) * percent // 100]
    reason, message = refusal(cut)
    # The magic of a DICOM file is at byte 128: cut before, nothing says what it was.
    assert reason is (Reason.TRUNCATED if recognize(cut) else Reason.NOT_AN_IMAGE)
    assert re.fullmatch(r"[A-Z].* (Send|Export) .*\.", message)  # what is wrong, then what to do


@pytest.mark.parametrize("kind", GOOD_FILES)
def test_a_file_without_its_last_bytes_is_refused(kind):
    data = GOOD_FILES[kind]()
    for missing in (1, 2, 3, 8):
        reason, _ = refusal(data[:-missing])
        assert reason is Reason.TRUNCATED


@pytest.mark.parametrize("kind", [kind for kind in GOOD_FILES if kind.startswith("jpeg")])
def test_an_end_marker_glued_on_a_cut_jpeg_does_not_make_it_whole(kind):
    data = GOOD_FILES[kind]()
    for length in range(len(data) // 2, len(data) - 3, 7):
        reason, _ = refusal(data[:length] + b"\xff\xd9")
        assert reason in (Reason.TRUNCATED, Reason.CORRUPT)


def test_an_end_chunk_glued_on_a_cut_png_does_not_make_it_whole():
    data = GOOD_FILES["png"]()
    for length in range(40, len(data) - 12, 13):
        reason, _ = refusal(data[:length] + png_chunk(b"IEND", b""))
        assert reason in (Reason.TRUNCATED, Reason.CORRUPT)


def test_the_real_half_written_films_are_refused_as_truncated(data_root):
    files = sorted((data_root / "truncated").iterdir())
    assert len(files) == 15
    for file in files:
        assert refusal(read_file(file))[0] is Reason.TRUNCATED, file.name


@pytest.mark.parametrize("kind", GOOD_FILES)
def test_the_format_is_told_by_content(kind):
    assert recognize(GOOD_FILES[kind]()) == FileFormat(kind.split()[0])


def test_a_dicom_file_with_a_tiff_header_in_its_preamble_is_dicom():
    data = dicom_file(gray_film())
    assert recognize(b"II*\0" + data[4:]) is FileFormat.DICOM


@pytest.mark.parametrize("data", [bytes(500), b"\xff\xd8", b"RIFF", b"hello, world"])
def test_other_content_is_not_an_image(data):
    assert refusal(data) == (
        Reason.NOT_AN_IMAGE,
        "Not a JPEG, PNG, TIFF, BMP or DICOM (Part 10) file. Export the radiograph as one.",
    )


OTHER_KINDS = {
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
    "JPEG XL": b"\xff\x0a\xfa\x1f",
    "JPEG XL picture": b"\0\0\0\x0cJXL \r\n\x87\n",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG 2000 picture": b"\xff\x4f\xff\x51\0\x29",
    "GIF": b"GIF89a" + bytes(200),
    "PDF": b"%PDF-1.7",
    "PDF document": b"\n\n%PDF-1.4\n",
    "Office": b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml",
    "zip": b"PK\x03\x04" + bytes(26) + b"film.dcm",
    "zip archive": b"PK\x05\x06" + bytes(18),
    "gzip": b"\x1f\x8b\x08\0",
    "7-Zip": b"7z\xbc\xaf\x27\x1c",
    "tar": b"film.dcm".ljust(257, b"\0") + b"ustar\0" + bytes(250),
    "video": b"\0\0\0\x18ftypmp42",
    "NIfTI": bytes(344) + b"n+1\0",
    "XML": b"<?xml version='1.0'?><svg/>",
}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_a_kind_that_people_send_is_named_with_what_to_do(name):
    reason, message = refusal(OTHER_KINDS[name])
    assert reason is Reason.NOT_AN_IMAGE
    assert message.startswith("The file is of a kind that is not read (")
    assert name in message
    assert message.endswith(("or send the DICOM file.", "send the images.", "as DICOM or PNG."))


def test_zero_bytes_are_empty():
    expected = (Reason.EMPTY, "The file is empty (0 bytes). Send the file again.")
    assert refusal(b"") == expected


def test_more_bytes_than_the_cap_are_refused():
    reason, message = refusal(GOOD_FILES["png"](), limits=Limits(max_bytes=100))
    assert reason is Reason.TOO_LARGE
    assert message.startswith("The file is too large (1,")


@pytest.mark.parametrize("kind", GOOD_FILES)
def test_more_pixels_than_the_cap_are_refused_before_decoding(kind):
    reason, message = refusal(GOOD_FILES[kind](), limits=Limits(max_pixels=40 * 56 - 1))
    assert reason is Reason.TOO_LARGE
    assert "56 x 40 = 2,240 pixels, limit 2,239" in message


def bombs():
    """Return small files whose header claims 60,000 x 60,000 pixels."""
    side = 60_000
    png = GOOD_FILES["png"]()
    ihdr = side.to_bytes(4, "big") * 2 + png[24:29]
    jpeg = GOOD_FILES["jpeg"]()
    at = jpeg.index(b"\xff\xc0") + 5
    bmp = GOOD_FILES["bmp"]()
    pixel = np.zeros((1, 1), np.uint8)
    return {
        "png": png[:8] + png_chunk(b"IHDR", ihdr) + png[33:],
        "jpeg": jpeg[:at] + side.to_bytes(2, "big") * 2 + jpeg[at + 4 :],
        "tiff": tiff_file(gray_film(), tags=[(256, 4, [side]), (257, 4, [side])]),
        "bmp": bmp[:18] + side.to_bytes(4, "little") * 2 + bmp[26:],
        "dicom": dicom_file(pixel, Rows=side, Columns=side),
    }


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "bmp", "dicom"])
def test_a_bomb_is_refused_at_once(kind):
    data = bombs()[kind]
    start = time.perf_counter()
    assert refusal(data)[0] is Reason.TOO_LARGE
    assert time.perf_counter() - start < 1.0


def test_a_color_picture_shows_its_chroma_in_every_format_alike():
    picture = color_picture()
    chromas = [
        decode(data).chroma
        for data in (
            with_pillow(picture, "PNG"),
            bmp_file(picture),
            tiff_file(picture, photometric=2),
        )
    ]
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    np.testing.assert_allclose(chromas, spread.mean(), rtol=1e-12)
    # JPEG measures it on the picture shrunk by 8, after lossy color.
    assert decode(jpeg_file(picture)).chroma == pytest.approx(spread.mean(), rel=0.1)


def test_a_gray_picture_in_color_files_has_almost_no_chroma():
    gray = np.stack([gray_film()] * 3, axis=-1)
    assert decode(with_pillow(gray, "PNG")).chroma == 0.0
    assert decode(jpeg_file(gray)).chroma < 0.5


def test_read_file_gives_the_bytes(tmp_path):
    (tmp_path / "film.bin").write_bytes(b"content")
    assert read_file(tmp_path / "film.bin") == b"content"


def read_refusal(path, **options):
    with pytest.raises(DecodeError) as caught:
        read_file(path, **options)
    return caught.value.reason, str(caught.value)


def test_a_missing_file_is_unreadable(tmp_path):
    reason, message = read_refusal(tmp_path / "absent.png")
    assert reason is Reason.UNREADABLE
    assert message.endswith("absent.png (No such file or directory). Check path and permissions.")


def test_a_folder_a_pipe_and_a_device_are_unreadable_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/zero")):
        reason, message = read_refusal(path)
        assert reason is Reason.UNREADABLE
        assert "is a folder, pipe or device" in message


def test_a_forbidden_file_is_unreadable():
    with tempfile.NamedTemporaryFile(dir="/tmp") as film:
        film.write(b"x")
        film.flush()
        os.fchmod(film.fileno(), 0)
        user = os.geteuid()
        if user == 0:  # root may read everything: look as nobody does
            os.seteuid(65534)
        try:
            reason, message = read_refusal(Path(film.name))
        finally:
            os.seteuid(user)
    assert reason is Reason.UNREADABLE
    assert "Permission denied" in message


def test_a_name_with_a_nul_is_unreadable(tmp_path):
    assert read_refusal(tmp_path / "a\0b")[0] is Reason.UNREADABLE


def test_an_empty_file_is_empty(tmp_path):
    (tmp_path / "film").touch()
    assert read_refusal(tmp_path / "film")[0] is Reason.EMPTY


def test_a_huge_file_is_refused_without_mode_it(tmp_path):
    with (tmp_path / "film").open("wb") as file:
        file.truncate(1 << 40)  # sparse: one tebibyte that takes no room
    assert read_refusal(tmp_path / "film")[0] is Reason.TOO_LARGE


def test_pydicom_is_imported_for_dicom_only():
    # It takes 0.25 s to import; the builders import it, so a fresh interpreter is asked.
    code = "import sys, bonefx_edge.decode.reader; sys.exit('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_disk_that_fails_while_mode_is_unreadable(tmp_path, monkeypatch):
    (tmp_path / "film").write_bytes(b"x")

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    reason, message = read_refusal(tmp_path / "film")
    assert reason is Reason.UNREADABLE
    assert message.endswith("film (Input/output error). Check the disk.")
