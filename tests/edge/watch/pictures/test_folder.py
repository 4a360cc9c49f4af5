"""Which pictures are kept, and that none is ever half written."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from bonefx_edge.watch.marked_folder import MARKER_NAME, FolderAwayError, MarkedFolder
from bonefx_edge.watch.pictures import folder as module
from bonefx_edge.watch.pictures.folder import (
    Limits,
    NoSpaceError,
    PictureFolder,
    TooLargeError,
    find_pictures,
)
from marked import marked

NOW = time.time()
FREE = 10 << 30


class Usage(NamedTuple):
    free: int


@pytest.fixture(autouse=True)
def _disk(monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(FREE))


def sha(number: int) -> str:
    return f"{number:064x}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != MARKER_NAME}


def test_pictures_have_the_hash_of_the_film_and_the_kind_as_name(tmp_path):
    PictureFolder(marked(tmp_path), Limits(30, 1000, 0)).write(
        sha(1), {"thumb": b"small", "large": b"big"}, now=NOW
    )
    assert names(tmp_path) == {f"{sha(1)}-thumb.jpg", f"{sha(1)}-large.jpg"}
    assert [path.read_bytes() for path in find_pictures(str(tmp_path), sha(1))] == [
        b"small",
        b"big",
    ]
    assert find_pictures("", sha(1)) == find_pictures(str(tmp_path), sha(2)) == []


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o700, 0o600), (0o750, 0o640)])
def test_the_group_reads_pictures_where_it_may_read_the_folder(tmp_path, folder_mode, file_mode):
    tmp_path.chmod(folder_mode)
    PictureFolder(marked(tmp_path), Limits(30, 1000, 0)).write(sha(1), {"thumb": b"1"}, now=NOW)
    assert (tmp_path / f"{sha(1)}-thumb.jpg").stat().st_mode & 0o777 == file_mode


def test_the_oldest_are_removed_above_the_size_and_other_files_never(tmp_path):
    (tmp_path / "mine.jpg").write_bytes(b"x" * 5000)
    pictures = PictureFolder(marked(tmp_path), Limits(30, 250, 0))
    for number in range(4):
        pictures.write(sha(number), {"thumb": bytes([1]) * 100}, now=NOW)
    assert names(tmp_path) == {"mine.jpg", f"{sha(2)}-thumb.jpg", f"{sha(3)}-thumb.jpg"}


def test_those_that_are_too_old_are_removed_and_what_a_kill_left(tmp_path):
    for number, age_days in ((1, 31), (2, 29)):
        path = tmp_path / f"{sha(number)}-large.jpg"
        path.write_bytes(b"jpeg")
        os.utime(path, (NOW - age_days * 86400,) * 2)
    (tmp_path / f".partial-{sha(3)}-large.jpg").write_bytes(b"half")
    (tmp_path / f"{sha(4)}-large.jpg").write_bytes(b"")  # after a power cut
    PictureFolder(marked(tmp_path), Limits(30, 1000, 0)).write(sha(9), {}, now=NOW)
    assert names(tmp_path) == {f"{sha(2)}-large.jpg"}


def test_on_a_disk_that_is_nearly_full_there_are_no_pictures(tmp_path, monkeypatch):
    pictures = PictureFolder(marked(tmp_path), Limits(30, 1000, 200 << 20))
    pictures.write(sha(1), {"thumb": b"1"}, now=NOW)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(210 << 20))
    with pytest.raises(NoSpaceError):
        pictures.write(sha(2), {"thumb": b"2"}, now=NOW)
    assert names(tmp_path) == set()


def test_a_film_whose_pictures_alone_are_too_large_has_none_and_none_is_removed_for_it(tmp_path):
    pictures = PictureFolder(marked(tmp_path), Limits(30, 100, 0))
    pictures.write(sha(1), {"thumb": b"x" * 50}, now=NOW)
    with pytest.raises(TooLargeError):
        pictures.write(sha(2), {"thumb": b"x", "large": b"x" * 100}, now=NOW)
    assert names(tmp_path) == {f"{sha(1)}-thumb.jpg"}


@pytest.mark.parametrize("place", ["none", "bare", "another"])
def test_nothing_is_written_or_removed_in_a_folder_that_is_not_the_marked_one(tmp_path, place):
    folder = tmp_path / "pictures"
    known = MarkedFolder(folder, "pictures", "id")
    if place != "none":
        folder.mkdir()
        (folder / f"{sha(1)}-thumb.jpg").write_bytes(b"")
    if place == "another":
        marked(folder)
    with pytest.raises(FolderAwayError):
        PictureFolder(known, Limits(30, 1000, 0)).write(sha(2), {"thumb": b"1"}, now=NOW)
    assert not folder.exists() or names(folder) == {f"{sha(1)}-thumb.jpg"}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to a group")
def test_a_group_that_is_asked_for_reads_the_pictures_whatever_folder_and_umask_say(tmp_path):
    before = os.umask(0o077)
    try:
        pictures = PictureFolder(marked(tmp_path), Limits(30, 1000, 0), group=12)
        pictures.write(sha(1), {"thumb": b"1"}, now=NOW)
    finally:
        os.umask(before)
    status = (tmp_path / f"{sha(1)}-thumb.jpg").stat()
    assert (status.st_gid, status.st_mode & 0o777) == (12, 0o640)
    assert (tmp_path.stat().st_gid, tmp_path.stat().st_mode & 0o777) == (12, 0o750)
