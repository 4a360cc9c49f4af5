"""What a file looks like, and what it is."""

import hashlib
import os
import socket
import time
from pathlib import Path

import pytest
from bonefx_edge.watch.files import Signature, signature_of, stat_signature
from bonefx_edge.watch.intake.hashing import CHUNK_BYTES, hash_file, identify

COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE of linux/time.h: by it, older kernels stamp files."""
LONG_AGO_NS = 1_000_000_000_000_000_000
"""In 2001: a write after it shows in the time, however coarse the clock of the file system."""


def look(path: Path) -> Signature:
    signature = stat_signature(bytes(path))
    assert signature is not None
    return signature


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(path: Path, expected: Signature | None = None, **more) -> tuple[int, str | None]:
    """Return in how many pieces the file was read, and what came of it."""
    pieces: list[int] = []
    found = hash_file(
        bytes(path), expected or look(path), on_chunk=lambda: pieces.append(1), **more
    )
    return len(pieces), found


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def wait_for_a_tick() -> None:
    """Let the time of files go on, 10 ms at most."""
    began = time.clock_gettime_ns(COARSE_CLOCK)
    while time.clock_gettime_ns(COARSE_CLOCK) == began:
        pass


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# ---- signature ----


def test_a_signature_has_size_and_both_times(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"film!")
    status = path.stat()
    assert look(path) == Signature(5, LONG_AGO_NS, status.st_ctime_ns) == signature_of(status)


def test_reading_and_opening_without_writing_leave_the_signature(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"film")
    before = look(path)
    wait_for_a_tick()
    path.read_bytes()
    for mode in ("rb", "ab", "r+b"):
        path.open(mode).close()
    assert look(path) == before


def test_another_content_of_the_same_size_and_age_has_another_signature(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"old")
    before = look(path)
    wait_for_a_tick()
    write(path, b"new")
    after = look(path)
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert after != before


def test_nothing_and_what_is_no_regular_file_have_no_signature(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    file = write(tmp_path / "film.png", b"film")
    Path("folder").mkdir()
    Path("link").symlink_to(file)
    Path("dangling").symlink_to("nowhere")
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert [stat_signature(os.fsencode(path)) for path in sorted(tmp_path.iterdir())] == [
            *(None, look(file), None, None, None, None)
        ]
    assert stat_signature(b"/dev/null") is None
    assert stat_signature(b"gone") is None
    assert stat_signature(b"film.png/below-a-file") is None


def test_a_name_that_the_system_refuses_is_an_error_and_not_a_missing_file(tmp_path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        stat_signature(bytes(tmp_path) + b"/" + b"x" * 300)


@pytest.mark.parametrize("name", [b"two\nlines.png", b"R\xf6ntgen.png", b"\xff"])
def test_any_bytes_may_be_a_name(tmp_path, name) -> None:
    path = bytes(tmp_path) + b"/" + name
    write(Path(os.fsdecode(path)), b"film")
    assert stat_signature(path) is not None
    assert identify(path) == sha256(b"film")


# ---- identity ----


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(0, 0), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (3 * CHUNK_BYTES, 3)],
)
def test_the_identity_is_the_sha256_of_the_content_a_piece_at_a_time(
    tmp_path, size, pieces
) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    path = write(tmp_path / "film.png", content[:size])
    assert read(path) == (pieces, sha256(content[:size]))
    assert identify(bytes(path)) == sha256(content[:size])


@pytest.mark.parametrize("cap", [1, 9, 10, 11, CHUNK_BYTES, CHUNK_BYTES + 7])
def test_a_file_above_the_cap_is_known_by_one_byte_more_than_the_cap(tmp_path, cap) -> None:
    content = os.urandom(cap) + b"!" + os.urandom(2 * CHUNK_BYTES)
    path = write(tmp_path / "film.png", content)
    _, found = read(path, max_bytes=cap)
    assert found == sha256(content[: cap + 1])


def test_a_file_of_exactly_the_cap_is_not_taken_for_a_larger_one_that_begins_alike(
    tmp_path,
) -> None:
    found = []
    for content in (b"0123456789", b"0123456789+", b"0123456789+ and more"):
        path = write(tmp_path / "film.png", content)
        found.append(read(path, max_bytes=10)[1])
    assert found == [sha256(b"0123456789"), sha256(b"0123456789+"), sha256(b"0123456789+")]


def grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, CHUNK_BYTES)


def rewrite_what_was_read(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"other")


def rename(path: Path) -> None:
    wait_for_a_tick()
    path.rename(path.with_name("other"))


def remove(path: Path) -> None:
    wait_for_a_tick()
    path.unlink()


@pytest.mark.parametrize("change", [grow, shrink, rewrite_what_was_read, rename, remove])
@pytest.mark.parametrize("pieces_before", [1, 2, 3])
def test_a_file_that_changes_while_it_is_read_has_no_identity(
    tmp_path, change, pieces_before
) -> None:
    path = write(tmp_path / "film.png", os.urandom(3 * CHUNK_BYTES))
    pieces: list[int] = []

    def on_chunk() -> None:
        pieces.append(1)
        if len(pieces) == pieces_before:
            change(path)

    assert hash_file(bytes(path), look(path), on_chunk=on_chunk) is None
    assert len(pieces) >= pieces_before


def test_a_file_that_changed_before_it_is_read_has_no_identity(tmp_path) -> None:
    for change in (grow, shrink, rewrite_what_was_read):
        path = write(tmp_path / "film.png", bytes(2 * CHUNK_BYTES))
        expected = look(path)
        change(path)
        assert read(path, expected) == (0, None)


def test_a_file_that_another_was_put_in_the_place_of_has_no_identity(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"old")
    expected = look(path)
    write(tmp_path / "new", b"longer").rename(path)
    assert read(path, expected) == (0, None)


def test_a_pipe_put_in_the_place_of_a_file_is_not_waited_for(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"film")
    expected = look(path)
    path.unlink()
    os.mkfifo(path)
    assert read(path, expected) == (0, None)


def test_a_link_put_in_the_place_of_a_file_is_not_followed(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"film")
    expected = look(path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        read(path, expected)


def test_what_is_gone_before_it_is_opened_is_an_error(tmp_path) -> None:
    path = write(tmp_path / "film.png", b"film")
    expected = look(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(path, expected)


def test_what_is_no_regular_file_has_no_identity(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(write(tmp_path / "film.png", b"film"))
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", tmp_path / "gone"):
        assert identify(bytes(path)) is None
    assert identify(b"/dev/zero") is None


def test_no_descriptor_stays_open_however_the_reading_ends(tmp_path) -> None:
    path = write(tmp_path / "film.png", bytes(2 * CHUNK_BYTES))
    before = open_files()
    read(path)
    read(path, Signature(1, 2, 3))
    with pytest.raises(KeyError):
        hash_file(bytes(path), look(path), on_chunk={}.popitem)
    assert open_files() == before
