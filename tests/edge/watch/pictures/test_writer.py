"""A disk for pictures that is slow, full or away delays no result; the failure is noted once."""

import threading

import pytest
from bonefx_edge.errors import JournalError
from bonefx_edge.watch.marked_folder import FolderAwayError
from bonefx_edge.watch.pictures.folder import NoSpaceError, TooLargeError
from bonefx_edge.watch.pictures.writer import MAX_WAITING, PictureWriter

FILM = {"thumb": b"jpeg"}
PATIENCE_S = 60.0


class Disk:
    """Does what the test says for each film."""

    def __init__(self, *errors):
        self.errors, self.written, self.answers = list(errors), [], threading.Event()
        self.answers.set()

    is_known = False

    def claim(self):
        self.is_known = True

    def write(self, sha256, pictures, *, now):
        assert self.is_known
        assert self.answers.wait(PATIENCE_S)
        if pictures:
            error = self.errors.pop(0) if self.errors else None
            if error:
                raise error
            self.written.append(sha256)


class Noted:
    def __init__(self, disk):
        self.notes, self.outcomes, self.counted = [], [], threading.Semaphore(0)
        self.writer = PictureWriter(
            disk, claim=disk.claim, wall=lambda: 0.0, note=self.notes.append, count=self.count
        )

    def count(self, outcome):
        self.outcomes.append(outcome)
        self.counted.release()

    def add(self, sha256, pictures=FILM, code="", *, waits=True):
        self.writer.add(sha256, pictures, code)
        if waits:
            assert self.counted.acquire(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(28, "full"), "ENOSPC"),
        (NoSpaceError(), "disk_low"),
        (TooLargeError(), "pictures_mb"),
        (FolderAwayError("pictures", "no marker"), "folder_away"),
        (JournalError("closed"), "journal"),
    ],
)
def test_a_failure_is_counted_and_noted_and_so_is_its_end(error, outcome, caplog):
    noted = Noted(Disk(error, error))
    for name in ("a", "b", "c", "d"):
        noted.add(name)
    noted.writer.close(timeout_s=PATIENCE_S)
    assert noted.outcomes == [outcome, outcome, "written", "written"]
    assert noted.notes[:1] == [outcome] or not noted.notes  # the next film notes it
    assert [record.getMessage() for record in caplog.records] == [
        f"no pictures of a film ({outcome}); its result is complete",
        "pictures are written again",
    ]


def test_what_cannot_be_drawn_is_counted_and_a_file_without_picture_is_no_failure():
    noted = Noted(Disk())
    noted.add("a", {}, "ENOMEM")
    noted.add("b", {}, waits=False)
    noted.writer.close(timeout_s=PATIENCE_S)
    assert noted.outcomes == noted.notes == ["ENOMEM"]


def test_films_beyond_those_that_wait_for_a_hanging_disk_are_left_out_at_once():
    disk = Disk()
    disk.answers.clear()
    noted = Noted(disk)
    for number in range(MAX_WAITING + 3):
        noted.add(str(number), waits=False)
    assert noted.counted.acquire(timeout=PATIENCE_S)
    assert set(noted.outcomes) == {"slow_disk"}
    noted.writer.close(timeout_s=0.01)
    disk.answers.set()
