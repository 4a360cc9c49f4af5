"""What the intake does where the kernel gives no events, or no more of them."""

import errno
import logging
import os
from pathlib import Path

import pytest
from bonefx_edge.watch.intake import folder_events as module
from bonefx_edge.watch.intake.inotify import InotifyWatcher
from bonefx_edge.watch.intake.intake import ENTRIES_PER_STEP, Intake
from bonefx_edge.watch.intake.listed_names import listed_path
from bonefx_edge.watch.intake.open_writers import MAX_HOLE_S, MAX_WRITER_S
from bonefx_edge.watch.intake.rescan import RESCAN_EVENTS_S, RESCAN_POLLING_S
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.intake.root import ROOT_CHECK_S, WARNING_INTERVAL_S
from bonefx_edge.watch.journal.journal import Journal

SETTLE_S = 0.5


class FullKernel(InotifyWatcher):
    """Events of a kernel that has `room` for so many folders; None: not for one listener.

    The limits themselves are those of the whole machine: a test must not set them.
    """

    room: int | None

    def __init__(self, root):
        if self.room is None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        super().__init__(root)

    def add(self, folder):
        if len(self._folders) >= self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().add(folder)


class Place:
    """A watched folder and a clock that is set by hand."""

    def __init__(self, folder, journal):
        self.root, self.journal, self.now = folder, journal, 1000.0
        self.intake = Intake(
            bytes(folder), journal.files, rest=Rest(SETTLE_S), clock=lambda: self.now,
            wall=lambda: 1e9 + self.now, needs_polling=lambda: False,
        )  # fmt: skip

    def turn_for(self, seconds):
        """Turn whenever it is due, so long by the clock."""
        end = self.now + seconds
        while self.now <= end:
            for _ in range(5):
                self.intake.step()
            self.now += 0.25

    def films(self):
        return list(self.journal.files.present_files(after=b"", limit=100))


@pytest.fixture(name="place")
def _place(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "InotifyWatcher", FullKernel)
    (tmp_path / "in").mkdir()
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        place = Place(tmp_path / "in", journal)
        yield place
        place.intake.close()


@pytest.fixture(name="log")
def _log(caplog):
    caplog.set_level(logging.INFO, "bonefx_edge")
    return lambda: [record.getMessage() for record in caplog.records]


def test_without_a_listener_left_the_folder_is_polled_and_the_log_says_what_to_raise(
    place, monkeypatch, log
):
    monkeypatch.setattr(FullKernel, "room", None, raising=False)
    place.turn_for(0)
    assert place.intake.fileno() is None
    assert log() == [
        "no events (EMFILE): raise fs.inotify.max_user_instances",
        "watching by polling",
    ]
    (place.root / "film.png").write_bytes(b"film")
    place.turn_for(RESCAN_POLLING_S + SETTLE_S)
    assert place.films() == [b"film.png"]


def test_without_room_for_all_folders_they_are_polled_and_the_log_says_what_to_raise(
    place, monkeypatch, log
):
    monkeypatch.setattr(FullKernel, "room", 2, raising=False)
    for name in "abc":
        (place.root / name).mkdir()
    place.turn_for(0)
    assert place.intake.fileno() is None
    (said,) = [line for line in log() if "no events" in line]
    assert said == (
        "no events (ENOSPC): the folder is walked every 1 s instead; "
        "raise fs.inotify.max_user_watches"
    )
    for name in "abc":
        (place.root / name / "film.png").write_bytes(name.encode())
    place.turn_for(RESCAN_POLLING_S + SETTLE_S)
    assert place.films() == [b"a/film.png", b"b/film.png", b"c/film.png"]


def test_when_the_room_ends_with_a_folder_that_comes_later_the_polling_begins_at_once(
    place, monkeypatch
):
    monkeypatch.setattr(FullKernel, "room", 2, raising=False)
    (place.root / "a").mkdir()
    place.turn_for(ROOT_CHECK_S)
    assert place.intake.fileno() is not None
    (place.root / "b").mkdir()
    place.turn_for(0)
    assert place.intake.fileno() is None
    for name in "ab":
        (place.root / name / "film.png").write_bytes(name.encode())
    assert RESCAN_EVENTS_S > 10 * RESCAN_POLLING_S
    place.turn_for(2 * RESCAN_POLLING_S + SETTLE_S)
    assert place.films() == [b"a/film.png", b"b/film.png"]


def test_a_walk_that_is_asked_for_during_another_one_follows_it_at_once(tmp_path):
    """What was lost may lie where the one under way has been already."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(ENTRIES_PER_STEP + 1):
        (folder / f"{number}.png").write_bytes(b"film %d" % number)
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        intake = Intake(
            os.fsencode(folder), journal.files, rest=Rest(2.0), clock=lambda: 1000.0,
            wall=lambda: 1e9,            needs_polling=lambda: False,
        )  # fmt: skip
        intake.step()
        assert intake.walks == 0, "the folder is too small to be walked in two turns"
        intake.request_rescan()  # as when events are lost
        for _ in range(10):
            intake.step()
        assert intake.walks == 2
        intake.close()


def test_where_the_mounts_cannot_be_listed_the_folder_is_polled_and_the_log_says_so(tmp_path, log):
    def fail():
        raise OSError(errno.EACCES, "scripted")

    (tmp_path / "in").mkdir()
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        intake = Intake(
            os.fsencode(tmp_path / "in"), journal.files, rest=Rest(SETTLE_S), clock=lambda: 1000.0,
            wall=lambda: 1e9, needs_polling=fail,
        )  # fmt: skip
        intake.step()
        assert intake.fileno() is None
        assert log() == ["the mount table cannot be read (EACCES)", "watching by polling"]
        intake.close()


def test_a_folder_that_is_not_there_is_named_at_once_and_every_minute_until_it_comes(
    place, monkeypatch, log
):
    monkeypatch.setattr(FullKernel, "room", 9, raising=False)
    place.root.rmdir()
    said = f"the watched folder {place.root} cannot be read (ENOENT): waiting for it"
    place.turn_for(0)
    assert log() == [said]
    place.turn_for(WARNING_INTERVAL_S - 2 * ROOT_CHECK_S)
    assert log() == [said]
    place.turn_for(3 * ROOT_CHECK_S)
    assert log() == [said, said]
    place.root.mkdir()
    place.turn_for(ROOT_CHECK_S)
    place.root.rmdir()
    place.turn_for(ROOT_CHECK_S)
    assert log() == [said, said, "watching by events", said]


def test_a_folder_that_was_made_again_with_the_same_inode_is_listened_to_at_once(
    tmp_path, monkeypatch
):
    """The system gives the number of a removed folder to the next one; that is imitated."""
    real = os.stat

    def stat(path, **options):
        found = real(path, **options)
        if os.fsencode(path) != bytes(tmp_path / "in"):
            return found
        return os.stat_result((found.st_mode, 7, *found[2:]))

    monkeypatch.setattr(os, "stat", stat)
    (tmp_path / "in").mkdir()
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        place = Place(tmp_path / "in", journal)
        place.turn_for(5 * SETTLE_S)
        (tmp_path / "in").rmdir()
        (tmp_path / "in").mkdir()
        place.turn_for(1.0)
        (tmp_path / "in/a.png").write_bytes(b"film")
        place.turn_for(5 * SETTLE_S)
        assert place.films() == [b"a.png"]
        place.intake.close()


@pytest.fixture(name="ignores_case")
def _ignores_case(tmp_path, monkeypatch):
    """Imitate a file system that finds a name in any case."""
    real = os.lstat

    def lstat(path, **options):
        try:
            return real(path, **options)
        except FileNotFoundError:
            wanted = Path(os.fsdecode(path))
            for listed in wanted.parent.iterdir():
                if listed.name.lower() == wanted.name.lower():
                    return real(listed, **options)
            raise

    monkeypatch.setattr(os, "lstat", lstat)


def test_a_file_is_known_by_the_name_that_the_folder_lists(tmp_path, ignores_case):
    assert listed_path(bytes(tmp_path), b"sub/none.png") == b"sub/none.png"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/Film.PNG").write_bytes(b"film")
    assert listed_path(bytes(tmp_path), b"sub/film.png") == b"sub/Film.PNG"
    assert listed_path(bytes(tmp_path), b"sub/Film.PNG") == b"sub/Film.PNG"


def test_a_file_that_comes_under_its_name_in_another_case_is_counted_once(tmp_path, ignores_case):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/film.png").write_bytes(b"film")
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        before = Place(tmp_path / "in", journal)
        before.turn_for(5 * SETTLE_S)
        assert before.films() == [b"film.png"]
        before.intake.close()
        (tmp_path / "in/film.png").unlink()  # while nobody looks, as on another computer
        (tmp_path / "in/FILM.PNG").write_bytes(b"another")
        after = Place(tmp_path / "in", journal)
        after.turn_for(5 * SETTLE_S)
        assert after.films() == [b"FILM.PNG"]
        after.intake.close()


def test_two_files_whose_names_differ_in_case_are_two_where_the_system_tells_them_apart(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("film.png", "FILM.PNG"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        place = Place(tmp_path / "in", journal)
        place.turn_for(5 * SETTLE_S)
        assert place.films() == [b"FILM.PNG", b"film.png"]
        place.intake.close()


def test_a_folder_that_cannot_be_listed_is_unreadable_until_it_can(place, monkeypatch, log):
    monkeypatch.setattr(FullKernel, "room", 9, raising=False)
    forbidden, scandir = place.root / "forbidden", os.scandir
    forbidden.mkdir()
    (forbidden / "a.png").write_bytes(b"film")

    def refuse(path):
        if os.fsencode(path) == bytes(forbidden):
            raise PermissionError(errno.EACCES, "scripted")
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        place.turn_for(3 * RESCAN_EVENTS_S)
        assert place.intake.walks >= 3
        assert place.journal.count_unfinished() == 1
        assert len([line for line in log() if "EACCES" in line]) == 1, "once, not at every walk"
    place.turn_for(2 * RESCAN_EVENTS_S)
    assert place.films() == [b"forbidden/a.png"]
    forbidden.rename(place.root.parent / "away")
    place.turn_for(2 * RESCAN_EVENTS_S)
    assert place.films() == []


def test_a_file_that_someone_writes_is_read_when_it_is_closed(place, monkeypatch):
    monkeypatch.setattr(FullKernel, "room", 9, raising=False)
    with (place.root / "a.png").open("wb") as writer:
        writer.write(b"half")
        writer.flush()
        place.turn_for(20 * SETTLE_S)
        assert place.films() == []
        assert not place.intake.is_idle
        writer.write(b"whole")
    place.turn_for(3 * SETTLE_S)
    assert place.films() == [b"a.png"]


def test_a_file_that_stays_open_without_a_change_is_read_at_last(place, monkeypatch):
    monkeypatch.setattr(FullKernel, "room", 9, raising=False)
    with (place.root / "a.png").open("wb") as writer:
        writer.write(b"film")
        writer.flush()
        place.turn_for(MAX_WRITER_S - 2)
        assert place.films() == []
        place.turn_for(4)
        assert place.films() == [b"a.png"]


def test_a_file_that_is_not_written_to_its_end_has_longer_to_rest(place, monkeypatch):
    monkeypatch.setattr(FullKernel, "room", 9, raising=False)
    monkeypatch.setattr("bonefx_edge.watch.intake.open_writers.find_writer", lambda _path: False)
    for name in ("a.png", "b.png"):  # their writer is on another machine
        with (place.root / name).open("wb") as stream:
            stream.truncate(1_000_000)
            stream.write(b"half")
    place.turn_for(20 * SETTLE_S)
    assert place.films() == []
    (place.root / "a.png").write_bytes(b"whole")
    place.turn_for(3 * SETTLE_S)
    assert place.films() == [b"a.png"]
    place.turn_for(MAX_HOLE_S)
    assert place.films() == [b"a.png", b"b.png"]
