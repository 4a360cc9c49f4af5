"""The intake beside the loop: a folder that hangs, an error, a stop, and the end of `--once`."""

import errno
import os
import threading

import pytest
from bonefx_edge.check import CheckStatus
from bonefx_edge.errors import JournalError
from bonefx_edge.watch.intake import intake as module
from bonefx_edge.watch.intake import thread
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.monitoring.health import FOLDER_LIMIT_S, check_ready
from bonefx_edge.watch.service import Pause
from bonefx_edge.watch.storage import ERROR_PAUSE_S
from watched_folder import PATIENCE_S, SETTLE_S


class Hanging:
    """Stands for the walk of a share whose server is away: it answers when it is let go."""

    def __init__(self, monkeypatch):
        self.reached, self.go_on, self._walk = threading.Event(), threading.Event(), module.walk
        monkeypatch.setattr(module, "walk", self)

    def __call__(self, *words, **more):
        self.reached.set()
        assert self.go_on.wait(PATIENCE_S)
        return self._walk(*words, **more)


@pytest.fixture(name="share")
def _share(monkeypatch):
    share = Hanging(monkeypatch)
    yield share
    share.go_on.set()


def folder_check(place):
    checks = check_ready(place.service.snapshot(), "", now=place.now, wall=0.0)
    return next(check for check in checks if check.name == "folder")


def test_while_the_folder_hangs_results_are_filed_and_it_is_said(place, share):
    place.receive("film-1", "film-2")
    service = place.begin(threaded=True)
    place.go(lambda: place.finished == ["film-1", "film-2"])
    assert share.reached.wait(PATIENCE_S)
    place.now += FOLDER_LIMIT_S + 1
    check = folder_check(place)
    assert check.status is CheckStatus.FAIL
    assert check.found.startswith("has not answered for 3")
    (place.root / "film-3").write_bytes(b"content")
    share.go_on.set()
    place.go(lambda: len(place.finished) == 3)
    assert folder_check(place).status is CheckStatus.OK
    service.close(timeout_s=PATIENCE_S)


def test_a_stop_does_not_wait_for_a_folder_that_hangs(place, share, monkeypatch):
    monkeypatch.setattr(thread, "STOP_TIMEOUT_S", 0.1)
    place.receive("film-1")
    service = place.begin(threaded=True)
    place.go(lambda: place.finished)
    assert share.reached.wait(PATIENCE_S)
    service.close(timeout_s=PATIENCE_S)
    assert place.states() == {"film-1": "done"}


def test_an_error_of_the_intake_during_a_pause_is_not_a_second_pause(place, monkeypatch):
    """The journal is closed to all threads, so the intake fails with it."""
    service = place.begin(threaded=True, needs_polling=False)
    place.go(lambda: service.snapshot().folder_exists)
    service._storage.suspend(JournalError("scripted"))
    service._intake._failure = JournalError("of the thread, at the same time")
    service.step()
    said = []
    suspend = service._storage.suspend
    monkeypatch.setattr(service._storage, "suspend", lambda err: (said.append(err), suspend(err)))
    place.now += ERROR_PAUSE_S + 1
    (place.root / "film-1").write_bytes(b"content")
    place.go(lambda: len(place.finished) == 1)
    assert said == []


def test_an_error_of_the_journal_pauses_all_and_then_the_folder_is_walked_anew(place, monkeypatch):
    def full(*_words, **_more):
        raise OSError(errno.ENOSPC, "scripted")

    service = place.begin(threaded=True, needs_polling=False)
    with monkeypatch.context() as patch:
        patch.setattr(FileIndex, "receive", full)
        (place.root / "film-1").write_bytes(b"content")
        place.go(lambda: service.pause is Pause.STORAGE_ERROR)
    place.now += ERROR_PAUSE_S
    place.go(lambda: len(place.finished) == 1)
    assert service.pause is Pause.NONE
    service.close(timeout_s=PATIENCE_S)


def test_while_the_service_is_paused_nothing_is_taken(place):
    service = place.begin(threaded=True)
    place.go(lambda: place.intake.folder_exists)
    place.intake.suspend()
    (place.root / "film-1").write_bytes(b"content")
    place.now += 10 * SETTLE_S
    assert place.journal.files.present_files(after=b"", limit=9) == []
    place.go(lambda: len(place.finished) == 1)
    service.close(timeout_s=PATIENCE_S)


@pytest.mark.parametrize("number", [0, 1, 30])
def test_once_ends_when_every_film_that_was_there_has_its_result(place, number, monkeypatch):
    for each in range(number):
        (place.root / f"film-{each}").write_bytes(b"content %d" % each)
    service = place.begin(once=True, threaded=True)
    turns = []

    def pulse():
        turns.append(1)
        place.now += SETTLE_S

    service.serve(lambda: len(turns) > 10_000, heartbeat=pulse)
    assert service.is_done()
    assert len(place.finished) == number
    assert len(os.listdir(place.root)) == number  # noqa: PTH208
    service.close(timeout_s=PATIENCE_S)


def test_a_thread_that_waits_ends_at_once(place, monkeypatch):
    monkeypatch.setattr(thread, "IDLE_S", PATIENCE_S)
    service = place.begin(threaded=True)
    place.go(lambda: place.intake.is_idle)
    service.close(timeout_s=PATIENCE_S)
    assert not place.intake._thread.is_alive()


def test_a_thread_that_was_never_begun_is_closed(place):
    place.begin(threaded=True).close(timeout_s=0.0)
