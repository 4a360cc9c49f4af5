"""When a task beside the main loop runs again after it had nothing to do."""

import threading
from contextlib import closing

import pytest
from bonefx_edge.watch import background
from bonefx_edge.watch.background import BackgroundTasks
from bonefx_edge.watch.journal.journal import Journal
from watched_folder import PATIENCE_S


class Idle:
    """A task that has nothing to do, and counts how often it was asked."""

    name = "messages"

    def __init__(self, note_at_first=None):
        self.asked, self._note = threading.Semaphore(0), note_at_first

    def run_once(self, connection):
        self.asked.release()
        if self._note:
            note, self._note = self._note, None
            note()
        return False

    def was_asked(self):
        return self.asked.acquire(timeout=PATIENCE_S)


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A task that is not woken would wait longer than the test."""
    monkeypatch.setattr(background, "IDLE_INTERVAL_S", 10 * PATIENCE_S)


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with closing(Journal.open(tmp_path, owner=True)) as journal:
        yield journal


def test_a_result_is_dealt_with_at_once_and_a_stop_too(journal) -> None:
    task = Idle()
    tasks = BackgroundTasks([task], journal=journal.access)
    assert task.was_asked()
    for _ in range(2):
        journal.finish("0", {"finding": {"reason": None}}, predictor="p", now=1.0)
        assert task.was_asked()
    tasks.close()
    assert not any(thread.is_alive() for thread in tasks._threads)


def test_a_result_that_comes_while_a_task_looks_is_not_overlooked(journal) -> None:
    task = Idle(note_at_first=journal.access.note_result)
    tasks = BackgroundTasks([task], journal=journal.access)
    assert task.was_asked()
    assert task.was_asked()
    tasks.close()
