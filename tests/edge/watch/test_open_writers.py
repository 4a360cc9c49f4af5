"""Whether a file is being written."""

import fcntl
import mmap
import os
import subprocess
import sys

import pytest
from bonefx_edge.watch import open_writers as module
from bonefx_edge.watch.open_writers import has_hole, has_writer

_WRITES_AT_ONCE = """
import os, sys
while True:
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""
_LOOKS_OFTEN = """
import os, sys
from bonefx_edge.watch.open_writers import has_writer
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
