"""What a walk through the watched folder finds."""

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest
from bonefx_edge.watch.files import error_name, stat_signature
from bonefx_edge.watch.intake.walk import Entry, walk

PATH_MAX, NAME_MAX = 4096, 255
"""Bytes of a path that a system call takes, with its end, and of a name; limits.h."""


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")


def entries(root: Path, start: bytes = b"", *, enter=lambda _folder: None, skip=frozenset()):
    return list(walk(bytes(root), start, enter=enter, skip=skip))


def found(root: Path, start: bytes = b"", **options) -> list[bytes]:
    return sorted(entry.path for entry in entries(root, start, **options))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_file_is_found_once_with_its_signature(tmp_path) -> None:
    names = ["a.png", "b", "2024/05/c.dcm", "2024/05/d.dcm", "2024/e.jpg", "empty"]
    make(tmp_path, *names)
    (tmp_path / "no" / "files").mkdir(parents=True)
    assert sorted(entries(tmp_path)) == sorted(
        Entry(name.encode(), stat_signature(bytes(tmp_path / name)), None) for name in names
    )


def test_a_walk_may_begin_below_and_names_files_from_the_root(tmp_path) -> None:
    make(tmp_path, "a.png", "x/b.png", "x/y/c.png", "z/d.png")
    assert found(tmp_path, b"x") == [b"x/b.png", b"x/y/c.png"]
    assert found(tmp_path, b"x/y") == [b"x/y/c.png"]


def test_an_empty_folder_has_nothing(tmp_path) -> None:
    assert found(tmp_path) == []


def test_any_bytes_may_be_a_name(tmp_path) -> None:
    names = sorted([b"R\xf6ntgen/\xff.png", b"R\xf6ntgen/\n", b"two\nlines/a b.png", b"x\\040"])
    make(tmp_path, *map(os.fsdecode, names))
    assert found(tmp_path) == names
    assert found(tmp_path, b"R\xf6ntgen") == names[:2]


def test_links_pipes_sockets_and_devices_are_passed_over(tmp_path, monkeypatch) -> None:
    make(tmp_path, "inbox/film.png", "elsewhere/other.png")
    monkeypatch.chdir(tmp_path / "inbox")  # the name of a socket is short
    Path("link.png").symlink_to(tmp_path / "elsewhere" / "other.png")
    Path("folder").symlink_to(tmp_path / "elsewhere")
    Path("dangling.png").symlink_to("nowhere")
    Path("around").symlink_to(".")
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert found(tmp_path / "inbox") == [b"film.png"]


def test_devices_are_passed_over(tmp_path) -> None:
    make(tmp_path, "film.png")
    try:
        os.mknod(tmp_path / "null.png", 0o20600, os.stat("/dev/null").st_rdev)  # noqa: PTH116
    except PermissionError:
        pytest.skip("needs the right to make a device")
    assert found(tmp_path) == [b"film.png"]


def test_a_folder_with_the_name_of_a_film_is_a_folder_and_the_other_way_round(tmp_path) -> None:
    make(tmp_path, "film.png/inside.png", "2024", "@eaDir", "thumbs.db/a.png", "x.part/b.png")
    assert found(tmp_path) == [
        *(b"2024", b"@eaDir", b"film.png/inside.png", b"thumbs.db/a.png", b"x.part/b.png")
    ]


def test_junk_and_what_lies_in_hidden_folders_is_passed_over(tmp_path) -> None:
    make(tmp_path, "a.png", ".DS_Store", "._a.png", "b.png.part", "Thumbs.db", "c.png~")
    make(tmp_path, ".git/x.png", "@eaDir/a.png", "#recycle/old.png", "deep/.trash/deep/y.png")
    assert found(tmp_path) == [b"a.png"]


def test_skipped_folders_are_not_entered_and_only_where_they_are(tmp_path) -> None:
    make(tmp_path, "a.png", "results/b.png", "x/results/c.png", "x/y/d.png", "x/y/z/e.png")
    skip = frozenset((b"results", b"x/y"))
    entered: list[bytes] = []
    assert found(tmp_path, enter=entered.append, skip=skip) == [b"a.png", b"x/results/c.png"]
    assert sorted(entered) == [b"", b"x", b"x/results"]


def test_each_folder_is_reported_once_before_it_is_listed(tmp_path) -> None:
    make(tmp_path, "x/a.png", "x/y/b.png", ".hidden/c.png")
    entered: list[bytes] = []

    def enter(folder: bytes) -> None:
        entered.append(folder)
        make(tmp_path / os.fsdecode(folder), "came-just-now.png")

    names = found(tmp_path, enter=enter)
    assert sorted(entered) == [b"", b"x", b"x/y"]
    assert {b"came-just-now.png", b"x/came-just-now.png", b"x/y/came-just-now.png"} <= {*names}


def test_folders_removed_or_replaced_while_walking_are_passed_over(tmp_path) -> None:
    make(tmp_path, "a.png", "gone/b.png", "file/c.png", "moved/d.png", "stays/e.png")

    def enter(folder: bytes) -> None:
        path = tmp_path / os.fsdecode(folder)
        if folder in (b"gone", b"file"):
            shutil.rmtree(path)
        if folder == b"file":
            path.write_bytes(b"no folder now")
        if folder == b"moved":
            path.rename(tmp_path / ".elsewhere")

    assert found(tmp_path, enter=enter) == [b"a.png", b"stays/e.png"]


def test_a_folder_removed_while_it_is_listed_ends_without_an_error(tmp_path) -> None:
    make(tmp_path, *(f"x/{number}.png" for number in range(20)), "y.png")
    for entry in (found_by := walk(bytes(tmp_path), b"x", enter=lambda _folder: None, skip=set())):
        assert entry.failure is None
        shutil.rmtree(tmp_path / "x")
        break
    assert list(found_by) == []


def test_files_removed_since_they_were_listed_are_passed_over(tmp_path) -> None:
    make(tmp_path, *(f"{number}.png" for number in range(20)))
    found_by = walk(bytes(tmp_path), b"", enter=lambda _folder: None, skip=set())
    first = os.fsdecode(next(found_by).path)
    kept = "7.png" if first != "7.png" else "8.png"
    for path in tmp_path.iterdir():
        if path.name != kept:
            path.unlink()
    assert [entry.path for entry in found_by] == [kept.encode()]


def test_where_the_walk_begins_there_must_be_a_folder(tmp_path) -> None:
    make(tmp_path, "file")
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        found(tmp_path, b"gone")
    with pytest.raises(NotADirectoryError):
        found(tmp_path, b"file")


@pytest.fixture(name="too_deep")
def _too_deep(tmp_path):
    """Nest folders until no longest name fits below; return their top, the last, its descriptor."""
    top, name = tmp_path / "inbox", "d" * 250
    top.mkdir()
    deepest, folder = bytes(top), os.open(top, os.O_RDONLY)
    while len(deepest) + 1 + len(name) < PATH_MAX:
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        deepest, folder = deepest + b"/" + name.encode(), below
    yield top, deepest[len(bytes(top)) + 1 :], folder
    os.close(folder)
    shutil.rmtree(top)  # goes by descriptors, so that it can


def test_what_cannot_be_read_is_named_with_its_error_and_the_walk_goes_on(too_deep) -> None:
    top, deepest, folder = too_deep
    file, below = b"f" * NAME_MAX, b"g" * NAME_MAX
    os.mkdir(below, dir_fd=folder)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, dir_fd=folder))
    make(top, "z.png")
    assert sorted(entries(top)) == [
        Entry(deepest + b"/" + file, None, "ENAMETOOLONG"),
        Entry(deepest + b"/" + below, None, "ENAMETOOLONG"),
        Entry(b"z.png", stat_signature(bytes(top / "z.png")), None),
    ]


def test_a_walk_given_up_leaves_nothing_open(tmp_path) -> None:
    make(tmp_path, "a.png", "b.png", "x/c.png", "x/d.png")
    before = open_files()
    for taken in range(1, 4):
        given_up = walk(bytes(tmp_path), b"", enter=lambda _folder: None, skip=set())
        for _ in range(taken):
            next(given_up)
        given_up.close()
    assert open_files() == before


def test_an_error_is_named_as_the_system_names_it() -> None:
    assert error_name(OSError(errno.EACCES, "Permission denied", "/names/a/patient")) == "EACCES"
    assert error_name(OSError("no number")) == "EUNKNOWN"
    assert error_name(OSError(99999, "not of this system")) == "EUNKNOWN"
