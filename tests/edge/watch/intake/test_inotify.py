"""Events of changes: the kernel reports at once, so nothing here waits."""

import os
import select
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from bonefx_edge.watch.intake.inotify import FileEvents, InotifyWatcher

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
NOTHING = FileEvents(frozenset(), frozenset(), lost=False)


@pytest.fixture(name="events")
def _events(tmp_path):
    """Listen to an empty folder."""
    events = InotifyWatcher(bytes(tmp_path))
    events.add(b"")
    yield events
    events.close()


def files(*names: bytes, removed: Sequence[bytes] = ()) -> FileEvents:
    return FileEvents(frozenset(names), frozenset(), lost=False, removed=frozenset(removed))


def folders(*names: bytes) -> FileEvents:
    return FileEvents(frozenset(), frozenset(names), lost=False)


def watches(events: InotifyWatcher) -> int:
    """Return how many folders the kernel watches for us, proc_pid_fdinfo(5)."""
    text = Path(f"/proc/self/fdinfo/{events.fileno()}").read_text("ascii")
    return sum(line.startswith("inotify ") for line in text.splitlines())


def test_nothing_is_reported_where_nothing_happens_and_nothing_twice(tmp_path, events) -> None:
    assert events.read() == NOTHING
    (tmp_path / "film.png").write_bytes(b"film")
    assert events.read() == files(b"film.png")
    assert events.read() == NOTHING


def test_what_was_there_before_is_not_reported(tmp_path) -> None:
    (tmp_path / "film.png").write_bytes(b"film")
    events = InotifyWatcher(bytes(tmp_path))
    events.add(b"")
    assert events.read() == NOTHING
    events.close()


def test_a_file_is_reported_when_it_is_created_and_when_its_writer_closes_it(
    tmp_path, events
) -> None:
    with (tmp_path / "film.png").open("wb") as stream:
        assert events.read() == files(b"film.png")
        for _ in range(3):
            stream.write(b"piece")
            stream.flush()
        assert events.read() == NOTHING
    assert events.read() == files(b"film.png")


@pytest.mark.parametrize(
    ("change", "told", "removed"),
    [
        (lambda root: (root / "old").rename(root / "new"), [b"old", b"new"], [b"old"]),
        (lambda root: (root.parent / "outside").rename(root / "new"), [b"new"], []),
        (lambda root: (root / "old").rename(root.parent / "away"), [b"old"], [b"old"]),
        (lambda root: (root.parent / "outside").replace(root / "old"), [b"old"], []),
        (lambda root: (root / "old").unlink(), [b"old"], [b"old"]),
        (lambda root: (root / "new").hardlink_to(root.parent / "outside"), [b"new"], []),
        (lambda root: (root / "new").symlink_to("old"), [b"new"], []),
        (lambda root: (root / "old").chmod(0o600), [b"old"], []),
        (lambda root: os.utime(root / "old", (1, 1)), [b"old"], []),
        (lambda root: os.mkfifo(root / "new"), [b"new"], []),
        (lambda root: (root / "old").open("ab").close(), [b"old"], []),  # the signature says: same
        (lambda root: (root / "old").read_bytes(), [], []),
        (lambda root: os.listdir(root), [], []),  # noqa: PTH208
        (lambda root: root.chmod(0o700), [], []),
    ],
)
def test_each_change_is_reported_by_the_name_of_the_file_and_reading_is_none(
    tmp_path, change, told, removed
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "old").write_bytes(b"film")
    (tmp_path / "outside").write_bytes(b"film")
    events = InotifyWatcher(bytes(root))
    events.add(b"")
    change(root)
    assert events.read() == files(*told, removed=removed)
    events.close()


@pytest.mark.parametrize("name", [b"two\nlines.png", b"R\xf6ntgen.png", b"\xff", b"x" * 255, b" "])
def test_any_bytes_may_be_a_name(tmp_path, events, name) -> None:
    os.mkdir(bytes(tmp_path) + b"/" + name)  # noqa: PTH102
    assert events.read() == folders(name)
    events.add(name)
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name + b"/" + name)).write_bytes(b"film")
    assert events.read() == files(name + b"/" + name)


def test_a_folder_that_comes_is_reported_and_heard_from_only_when_listened_to(
    tmp_path, events
) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    assert events.read() == folders(b"x")
    (tmp_path / "x" / "before.png").write_bytes(b"film")
    assert events.read() == NOTHING
    events.add(b"x")
    events.add(b"x/y")
    (tmp_path / "x" / "a.png").write_bytes(b"film")
    (tmp_path / "x" / "y" / "b.png").write_bytes(b"film")
    (tmp_path / "x" / "y" / "z").mkdir()
    assert events.read() == FileEvents(
        frozenset((b"x/a.png", b"x/y/b.png")), frozenset((b"x/y/z",)), lost=False
    )


def test_a_folder_moved_in_is_reported_as_a_folder(tmp_path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "x").mkdir()
    events = InotifyWatcher(bytes(tmp_path / "root"))
    events.add(b"")
    (tmp_path / "x").rename(tmp_path / "root" / "x")
    assert events.read() == folders(b"x")
    events.close()


def test_a_folder_renamed_is_lost_under_its_old_name_and_heard_under_its_new_one(
    tmp_path, events
) -> None:
    (tmp_path / "old" / "y").mkdir(parents=True)
    events.add(b"old")
    events.add(b"old/y")
    events.read()
    (tmp_path / "old").rename(tmp_path / "new")
    assert events.read() == FileEvents(frozenset(), frozenset((b"new",)), lost=True)
    events.add(b"new")
    events.add(b"new/y")
    (tmp_path / "new" / "a.png").write_bytes(b"film")
    (tmp_path / "new" / "y" / "b.png").write_bytes(b"film")
    assert events.read() == files(b"new/a.png", b"new/y/b.png")
    assert watches(events) == 3


def test_a_folder_moved_away_is_lost_with_all_its_files(tmp_path) -> None:
    (tmp_path / "root" / "x").mkdir(parents=True)
    events = InotifyWatcher(bytes(tmp_path / "root"))
    events.add(b"")
    (tmp_path / "root" / "x").rename(tmp_path / "away")
    assert events.read() == FileEvents(frozenset(), frozenset(), lost=True)
    events.close()


def test_a_folder_removed_tells_of_its_files_and_is_not_watched_any_more(tmp_path, events) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.png").write_bytes(b"film")
    events.add(b"x")
    events.read()
    assert watches(events) == 2
    shutil.rmtree(tmp_path / "x")
    assert events.read() == files(b"x/a.png", removed=[b"x/a.png"])
    assert watches(events) == 1


def test_a_folder_removed_and_made_again_is_heard_even_if_both_are_reported_at_once(
    tmp_path, events
) -> None:
    (tmp_path / "x").mkdir()
    events.add(b"x")
    events.read()
    (tmp_path / "x").rmdir()
    (tmp_path / "x").mkdir()
    events.add(b"x")
    assert events.read() == folders(b"x")
    (tmp_path / "x" / "a.png").write_bytes(b"film")
    assert events.read() == files(b"x/a.png")


def test_the_watched_folder_itself_removed_is_no_error(tmp_path) -> None:
    (tmp_path / "root").mkdir()
    events = InotifyWatcher(bytes(tmp_path / "root"))
    events.add(b"")
    (tmp_path / "root").rmdir()
    assert events.read() == NOTHING._replace(is_root_gone=True)
    assert watches(events) == 0
    events.close()


def test_listening_twice_tells_once(tmp_path, events) -> None:
    events.add(b"")
    assert watches(events) == 1
    (tmp_path / "film.png").write_bytes(b"film")
    assert events.read() == files(b"film.png")


def test_what_is_gone_or_no_folder_is_passed_over(tmp_path, events) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "file").write_bytes(b"film")
    os.mkfifo(tmp_path / "pipe")
    events.read()
    for folder in (b"gone", b"gone/below", b"file", b"file/below", b"link", b"pipe"):
        events.add(folder)
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"film")
    assert events.read() == NOTHING
    assert watches(events) == 1


def test_a_watched_folder_that_is_a_link_is_followed(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    events = InotifyWatcher(bytes(tmp_path / "root"))
    events.add(b"")
    (tmp_path / "real" / "film.png").write_bytes(b"film")
    assert events.read() == files(b"film.png")
    events.close()


def test_a_folder_that_cannot_be_listened_to_is_an_error(tmp_path, events) -> None:
    with pytest.raises(OSError, match="File name too long"):
        events.add(b"x" * 300)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        events.add(b"loop/below")


def test_a_full_queue_is_reported_once_and_listening_goes_on(tmp_path, events) -> None:
    names = (tmp_path / "a", tmp_path / "b")
    for number in range(int(QUEUE.read_text("ascii")) // 3 + 2):
        path = names[number % 2]  # in turn: the kernel joins two like events, one after the other
        path.write_bytes(b"")  # created, closed
        path.unlink()  # removed
    (tmp_path / "not-heard.png").write_bytes(b"film")
    both = frozenset((b"a", b"b"))
    assert events.read() == FileEvents(both, frozenset(), lost=True, removed=both)
    assert events.read() == NOTHING
    (tmp_path / "film.png").write_bytes(b"film")
    assert events.read() == files(b"film.png")


def test_the_descriptor_is_readable_while_there_are_hints(tmp_path, events) -> None:
    def readable() -> bool:
        return bool(select.select([events], [], [], 0)[0])

    assert not readable()
    (tmp_path / "film.png").write_bytes(b"film")
    assert readable()
    events.read()
    assert not readable()


def test_closing_gives_the_descriptor_back(tmp_path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    events = InotifyWatcher(bytes(tmp_path))
    events.add(b"")
    assert not os.get_inheritable(events.fileno())
    events.close()
    events.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
