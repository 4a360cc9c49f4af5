"""The loop's end, with a worker that never answers and a disk that takes nothing."""

import os
import sqlite3

import pytest
from bonefx_edge.watch.intake import Intake
from bonefx_edge.watch.journal import Journal
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import Service, Settings
from bonefx_edge.watch.signature import Signature

NOW = 1_800_000_000.0


class Silent:
    """A worker that has taken a film and does not answer."""

    is_gone, is_idle, has_room, answered_by = False, False, False, "model"

    def __init__(self, claim):
        self._claim = claim

    def stop(self):
        return [self._claim]


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path / "out/journal", owner=True) as journal:
        journal.receive(b"x.png", Signature(1, 1, 1), "x", now=NOW)
        yield journal


def test_a_stop_while_the_disk_takes_nothing_leaves_the_films_in_hand_to_the_next_start(
    tmp_path, journal, monkeypatch
):
    claim = journal.claim(now=NOW)
    intake = Intake(
        os.fsencode(tmp_path / "in"), journal, settle_s=2.0, clock=lambda: 0.0, wall=lambda: NOW,
        is_silent=lambda: False,
    )  # fmt: skip
    service = Service(
        settings=Settings(tmp_path / "out", 0, once=False), journal=journal, intake=intake,
        results=ResultFolder(tmp_path / "out"), hire=lambda: Silent(claim), workers=1,
        clock=lambda: 0.0, wall=lambda: NOW,
    )  # fmt: skip

    def full(_sha256):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    monkeypatch.setattr(journal, "hand_back", full)
    service.close(patience_s=0.0)
    monkeypatch.undo()
    journal.hand_back_all()
    assert journal.claim(now=NOW) == claim
