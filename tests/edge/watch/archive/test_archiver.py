"""When originals are moved: soon after their results, however slow the disk."""

import json
import os

import pytest
from bonefx_edge.watch.archive import archiver as module
from bonefx_edge.watch.archive.archiver import (
    ERROR_PAUSE_S,
    MAX_SEARCH_SHARE,
    PASS_EVERY_S,
    Archiver,
)
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import ImageState
from marked import marked

SLOW_S = 3.0


class SlowQueries:
    """A connection whose queries take so long by the clock."""

    def __init__(self, place, seconds):
        self.place, self.seconds = place, seconds

    def execute(self, *words):
        self.place.now += self.seconds
        return self.place.journal._connection.execute(*words)

    def __getattr__(self, name):
        return getattr(self.place.journal._connection, name)


class Place:
    """Images with results, an archiver, and a manual clock; each move takes `SLOW_S`."""

    def __init__(self, folder, journal):
        self.journal, self.now, self.moved = journal, 1000.0, []
        self.connection, self.error = journal._connection, None
        self.is_walked = False
        """Whether the intake finds each file during its move, while the copy is written."""
        self.archiver = Archiver(
            os.fsencode(folder), {ImageState.DONE: marked(folder)}, journal=folder,
            clock=lambda: self.now, wall=lambda: 1e9 + self.now,
        )  # fmt: skip

    def move(self, source, _folder, **_more):
        self.now += SLOW_S
        if self.error:
            raise self.error
        self.moved.append(os.fsdecode(source).rpartition("/")[2])
        if self.is_walked:
            self.journal.files.recognize(self.moved[-1].encode(), Signature(1, 2, 3))
        return True

    def decide(self, *names):
        for name in names:
            self.journal.files.receive(name.encode(), Signature(1, 2, 3), name, now=1e9)
            claim = self.journal.claim(now=1e9)
            record = {"finding": {"reason": None}, "text": json.dumps(name)}
            self.journal.finish(claim.sha256, record, predictor="m", now=1e9)

    def step(self):
        while self.archiver.run_once(self.connection):
            pass


@pytest.fixture(name="place")
def _place(tmp_path, monkeypatch):
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        place = Place(tmp_path, journal)
        monkeypatch.setattr(module, "move", place.move)
        yield place


def test_after_a_pass_with_many_slow_moves_the_next_film_is_moved_in_the_usual_time(place):
    names = [f"{number:03}.png" for number in range(60)]
    place.decide(*names)
    place.step()
    assert place.moved == names
    assert place.now > 60 * SLOW_S
    place.decide("late.png")
    place.step()
    assert len(place.moved) == 60, "moved before its time"
    place.now += PASS_EVERY_S
    place.step()
    assert place.moved[60:] == ["late.png"]


def test_where_looking_for_films_is_slow_it_is_done_less_often(place):
    place.connection = SlowQueries(place, 2.0)
    place.step()
    place.decide("late.png")
    place.now += 2.0 / MAX_SEARCH_SHARE - 1.0
    place.step()
    assert place.moved == []
    place.now += 1.0
    place.step()
    assert place.moved == ["late.png"]


def test_after_an_error_the_next_pass_waits_longer(place):
    place.decide("film.png")
    place.error = OSError("scripted")
    place.step()
    place.error = None
    place.now += ERROR_PAUSE_S - 1.0
    place.step()
    assert place.moved == []
    place.now += 1.0
    place.step()
    assert place.moved == ["film.png"]


def test_a_walk_during_a_move_does_not_make_the_next_film_of_that_name_a_revision(place):
    place.is_walked = True
    place.decide("IMG0001.png")
    place.step()
    place.journal.files.receive(b"IMG0001.png", Signature(4, 5, 6), "another", now=1e9)
    assert not place.journal.is_superseded("IMG0001.png")


def test_a_film_that_is_open_for_writing_is_left_without_a_write_to_the_journal(place, tmp_path):
    place.decide("film.png")
    with (tmp_path / "film.png").open("wb"):
        written = place.connection.total_changes
        place.step()
        assert place.moved == []
        assert place.connection.total_changes == written
    place.now += PASS_EVERY_S
    place.step()
    assert place.moved == ["film.png"]
