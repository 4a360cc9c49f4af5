"""How long a file rests before it is read: longer on a share, where writers are not seen."""

import os
import time

import pytest
from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.intake.open_writers import MAX_HOLE_S, TAIL_BYTES
from bonefx_edge.watch.intake.rest import SETTLE_S, SHARED_SETTLE_S, Rest
from bonefx_edge.watch.intake.root import ROOT_CHECK_S
from bonefx_edge.watch.journal.journal import Journal

FILM = b"x" * 50_000


class Place:
    def __init__(self, folder, journal, settle_s=None):
        self.root, self.journal, self.now, self.is_shared = folder, journal, 1000.0, True
        self.intake = Intake(
            bytes(folder), journal.files, rest=Rest(settle_s, is_shared=lambda: self.is_shared),
            clock=lambda: self.now, wall=time.time, needs_polling=lambda: True,
        )  # fmt: skip

    def turn_for(self, seconds):
        end = self.now + seconds
        while self.now <= end:
            for _ in range(5):
                self.intake.step()
            self.now += 0.5

    def films(self):
        return self.journal.files.present_files(after=b"", limit=100)


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        yield journal


@pytest.fixture(name="root")
def _root(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture(name="place")
def _place(root, journal):
    place = Place(root, journal)
    yield place
    place.intake.close()


@pytest.mark.parametrize(
    ("settle_s", "is_shared", "expected_s"),
    [
        (None, False, SETTLE_S),
        (None, True, SHARED_SETTLE_S),
        (3.0, False, 3.0),
        (3.0, True, 3.0),
    ],
)
def test_the_settle_time_is_longer_on_a_share_unless_it_was_given(
    tmp_path, settle_s, is_shared, expected_s
):
    tracker = Rest(settle_s, is_shared=lambda: is_shared).begin()
    (tmp_path / "film").write_bytes(FILM)
    tracker.observe(b"film", stat_signature(bytes(tmp_path / "film")), now=0.0)
    assert tracker.next_due() == expected_s


def test_without_the_mount_table_a_folder_counts_as_a_share():
    def refuse() -> bool:
        raise PermissionError

    tracker = Rest(None, is_shared=refuse).begin()
    tracker.observe(b"film", stat_signature(os.fsencode(__file__)), now=0.0)
    assert tracker.next_due() == SHARED_SETTLE_S


def test_a_sender_that_pauses_on_a_share_is_waited_for(place):
    path = place.root / "a.png"
    for _ in range(3):
        with path.open("ab") as stream:
            stream.write(FILM)
        place.turn_for(SHARED_SETTLE_S - 2)
        assert place.films() == []
    place.turn_for(4)
    assert place.films() == [b"a.png"]


def test_half_a_film_whose_length_was_set_first_is_not_read_on_a_share(place):
    """Its writer, on another machine, pauses for 20 s; the disk there has no holes."""
    for name in ("a.bmp", "b.bmp"):
        (place.root / name).write_bytes(FILM + bytes(len(FILM)))
    place.turn_for(20)
    assert place.films() == []
    (place.root / "a.bmp").write_bytes(FILM + FILM)
    place.turn_for(SHARED_SETTLE_S + 1)
    assert b"a.bmp" in place.films()
    place.turn_for(MAX_HOLE_S)
    assert place.films() == [b"a.bmp", b"b.bmp"], "a black border is no reason to wait for ever"


def test_a_folder_on_a_local_disk_does_not_wait_for_a_black_border(place):
    place.is_shared = False
    place.root.rename(place.root.with_name("away"))
    place.root.with_name("away").rename(place.root)
    place.intake._monitor.forget()
    place.turn_for(ROOT_CHECK_S)
    (place.root / "a.bmp").write_bytes(FILM + bytes(TAIL_BYTES))
    place.turn_for(SETTLE_S + 2)
    assert place.films() == [b"a.bmp"]
