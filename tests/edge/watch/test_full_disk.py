"""The loop and its end, with a worker that never answers and a disk that takes nothing."""

import math
import os
import sqlite3
from pathlib import Path

import pytest
from bonefx_edge.watch.folder_claims import RESULTS
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.intake.rescan import RESCAN_EVENTS_S
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.marked_folder import MarkedFolder
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import Pause, Service, Settings
from bonefx_edge.watch.storage import ERROR_PAUSE_S
from bonefx_edge.watch.workers.canary import Canary
from bonefx_edge.watch.workers.pool import WorkerPool
from inline_intake import InlineIntake

NOW = 1_800_000_000.0
SETTLE_S = 2.0


class Silent:
    """A worker that takes films and does not answer."""

    has_exited, can_be_replaced = False, False
    predictor, environment = "model", "libraries"
    canary_due, is_verified = math.inf, True

    def __init__(self):
        self.claims = []
        self._pipe = list(os.pipe())

    has_capacity = property(lambda self: not self.claims)
    is_idle = property(lambda self: not self.claims)

    def submit(self, job):
        self.claims.append(job.claim)

    def deadline(self):
        return None

    def fileno(self):
        return self._pipe[0]

    def stop(self):
        while self._pipe:
            os.close(self._pipe.pop())
        return self.claims


class Place:
    """A watched folder, a journal, a service with one silent worker, and the time."""

    def __init__(self, place: Path, journal: Journal) -> None:
        self.folder, self.journal, self.seconds = place / "in", journal, 0.0
        self.folder.mkdir()
        self.intake = InlineIntake(
            lambda own: Intake(
                os.fsencode(self.folder), own, rest=Rest(SETTLE_S), clock=lambda: self.seconds,
                wall=lambda: NOW + self.seconds, needs_polling=lambda: False,
            ),
            journal=place / "out/journal",
        )  # fmt: skip
        self.pool = WorkerPool(
            1, spawn=Silent, canary=Canary(journal, clock=self.clock), clock=self.clock
        )
        self.service = Service(
            settings=Settings(place / "out", 0, once=False), journal=journal, intake=self.intake,
            results=ResultFolder(MarkedFolder(place / "out", RESULTS)), pool=self.pool,
            clock=lambda: self.seconds, wall=lambda: NOW + self.seconds,
        )  # fmt: skip

    def clock(self) -> float:
        return self.seconds

    def take(self, name: str) -> None:
        (self.folder / name).write_bytes(name.encode())
        self.turn(after_s=0.0)
        self.turn(after_s=SETTLE_S)

    def turn(self, *, after_s: float) -> None:
        self.seconds += after_s
        for _ in range(5):
            self.service.step()


@pytest.fixture(name="place")
def _place(tmp_path):
    with Journal.open(tmp_path / "out/journal", owner=True) as journal:
        place = Place(tmp_path, journal)
        place.take("first.png")
        assert place.intake.intake.accepted == 1
        yield place
        place.service.close(timeout_s=0.0)


def full(*_words):
    """Stand for what writes to the journal on a full disk."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    raise error


def test_what_was_heard_while_the_disk_took_nothing_is_found_as_soon_as_it_does(place, monkeypatch):
    """One line from the kernel tells of a file that went and of one that came: both are lost."""
    with monkeypatch.context() as disk:
        disk.setattr(FileIndex, "mark_missing", full)
        (place.folder / "first.png").unlink()
        (place.folder / "second.png").write_bytes(b"second")
        place.turn(after_s=0.0)
        assert place.service.pause is Pause.STORAGE_ERROR
    place.turn(after_s=ERROR_PAUSE_S)
    place.turn(after_s=SETTLE_S)
    assert place.journal.files.present_files(after=b"", limit=9) == [b"second.png"]
    assert place.seconds < RESCAN_EVENTS_S


def test_a_stop_while_the_disk_takes_nothing_leaves_the_films_in_progress_to_the_next_start(
    place, monkeypatch
):
    (worker,) = place.pool._workers
    (claim,) = worker.claims
    with monkeypatch.context() as disk:
        disk.setattr(place.journal, "release", full)
        place.service.close(timeout_s=0.0)
    place.journal.release_all_claimed()
    assert place.journal.claim(now=NOW) == claim
