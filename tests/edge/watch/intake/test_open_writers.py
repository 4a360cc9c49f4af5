"""Whether a file is being written."""

import fcntl
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from bonefx_edge.watch.intake import open_writers as module
from bonefx_edge.watch.intake.open_writers import (
    MAX_HOLE_S,
    TAIL_BYTES,
    find_writer,
    has_hole,
    has_writer,
    has_zero_tail,
    longest_wait_s,
)
from image_files import bmp_file, dicom_file, jpeg_file, tiff_file, with_pillow

_WRITES_AT_ONCE = """
import os, sys
while True:
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""
_LOOKS_OFTEN = """
import os, sys
from bonefx_edge.watch.intake.open_writers import has_writer
print(sum(has_writer(os.fsencode(sys.argv[1])) for _ in range(50_000)))
"""


@pytest.fixture(name="film")
def _film(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(b"film")
    return path


def test_a_file_has_a_writer_until_it_is_closed(film):
    assert not has_writer(bytes(film))
    with film.open("ab"):
        assert has_writer(bytes(film))
    assert not has_writer(bytes(film))
    with film.open("rb"):
        assert not has_writer(bytes(film)), "readers do not count"


def test_a_file_that_is_mapped_for_writing_has_a_writer(film):
    with film.open("r+b") as stream:
        mapped = mmap.mmap(stream.fileno(), 0)
    assert has_writer(bytes(film))
    mapped.close()
    assert not has_writer(bytes(film))


def test_a_writer_that_comes_during_the_check_does_not_end_the_process(film):
    writer = subprocess.Popen([sys.executable, "-c", _WRITES_AT_ONCE, str(film)])
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOOKS_OFTEN, str(film)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        writer.kill()
        writer.wait()
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0, "the two never met"


def test_what_is_gone_or_no_file_has_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("gone", "pipe", "link", "."):
        assert not has_writer(bytes(tmp_path / name))


def test_without_leases_nothing_is_known(film, monkeypatch):
    def refuse(*_args):
        raise PermissionError

    with film.open("ab"):
        monkeypatch.setattr(fcntl, "fcntl", refuse)
        assert module.fcntl is fcntl
        assert not has_writer(bytes(film))


def test_a_file_whose_length_was_set_first_has_a_hole_until_it_is_written(film):
    with film.open("wb", buffering=0) as stream:
        stream.truncate(1_000_003)
        stream.write(b"x" * 500_000)
        assert has_hole(bytes(film))
        stream.write(bytes(500_003))
        assert not has_hole(bytes(film)), "zeros that were written are no hole"


def test_what_is_gone_empty_or_no_file_has_no_hole(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for name in ("gone", "pipe", "empty", "."):
        assert not has_hole(bytes(tmp_path / name))


def test_on_a_share_a_refused_lease_is_no_writer(film, monkeypatch):
    """NFS 4 and SMB refuse with the same error if the server gave no delegation or oplock."""
    with film.open("ab"):
        monkeypatch.setattr(module, "needs_polling", lambda _path: True)
        assert find_writer(bytes(film)) is None
        assert not has_writer(bytes(film))
        monkeypatch.setattr(module, "needs_polling", lambda _path: False)
        assert find_writer(bytes(film)) is True


def whole_film(kind: str) -> bytes:
    """Return a film of which no row is black."""
    pixels = np.random.default_rng(1).integers(60, 200, (160, 120)).astype(np.uint8)
    made = {"bmp": bmp_file, "tif": tiff_file, "dcm": dicom_file, "jpg": jpeg_file}
    return made[kind](pixels) if kind in made else with_pillow(pixels, kind)


@pytest.mark.parametrize("kind", ["bmp", "tif", "dcm", "png", "jpg"])
def test_a_film_of_any_kind_with_zeros_from_any_place_to_its_end_is_not_complete(kind, tmp_path):
    """As on a disk without holes: the length was set first, the rest reads as zeros."""
    data, path = whole_film(kind), tmp_path / "half"
    assert len(data) > 2 * TAIL_BYTES
    for written in range(0, len(data) - TAIL_BYTES, 997):
        path.write_bytes(data[:written].ljust(len(data), b"\0"))
        assert not has_hole(bytes(path))
        assert has_zero_tail(bytes(path))
        assert longest_wait_s(bytes(path), is_shared=True) == MAX_HOLE_S
        assert longest_wait_s(bytes(path)) == 0.0, "it is known that nobody writes it"
    path.write_bytes(data)
    assert not has_zero_tail(bytes(path))
    assert longest_wait_s(bytes(path), is_shared=True) == 0.0


def test_what_is_gone_short_or_no_file_has_no_zero_tail(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "short").write_bytes(bytes(TAIL_BYTES - 1))
    (tmp_path / "zeros").write_bytes(bytes(TAIL_BYTES))
    for name in ("gone", "pipe", "short", "."):
        assert not has_zero_tail(bytes(tmp_path / name))
    assert has_zero_tail(bytes(tmp_path / "zeros"))


def test_where_leases_are_not_permitted_zeros_at_the_end_count(film, monkeypatch):
    film.write_bytes(b"x" * 10_000 + bytes(TAIL_BYTES))
    assert longest_wait_s(bytes(film)) == 0.0
    monkeypatch.setattr(module, "find_writer", lambda _path: None)
    assert longest_wait_s(bytes(film)) == MAX_HOLE_S
