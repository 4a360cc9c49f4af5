"""What the loop promises where a disk is full, slow or gone."""

import errno
import os
import sqlite3

import pytest
from bonefx_edge.watch.monitoring.health import Pause
from bonefx_edge.watch.storage import DISK_CHECK_S, ERROR_PAUSE_S
from scripted_worker import jobs_in
from watched_folder import A_LITTLE, PATIENCE_S, Usage


def sqlite_error(name):
    error = sqlite3.OperationalError("scripted")
    error.sqlite_errorname = name
    return error


def test_a_disk_that_fails_stops_all_work_and_it_goes_on_by_itself_with_nothing_doubled(place):
    names = [f"film-{number}" for number in range(5)]
    place.receive(*names)
    (place.out / ".partial-of-a-failed-write").touch()
    service = place.begin()
    (place.out / ".partial-of-a-failed-write").touch()
    place.results.trouble = [OSError(errno.EIO, "scripted")]
    place.go(lambda: service.pause is Pause.STORAGE_ERROR)
    heard = len(jobs_in(place.heard))
    place.now += ERROR_PAUSE_S - A_LITTLE
    for _ in range(3):
        service.step()
    assert service.pause is Pause.STORAGE_ERROR
    assert all(worker.is_idle for worker in place.spawned[1:])
    assert len(jobs_in(place.heard)) == heard
    place.now += 2 * A_LITTLE
    place.go(lambda: len(place.finished) == 5)
    assert service.pause is Pause.NONE
    assert sorted(place.finished) == names, "each once"
    assert place.reasons() == dict.fromkeys(names)
    assert set(place.states().values()) == {"done"}
    assert not list(place.out.glob(".partial-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(place.spawned[0]._process.pid, 0)


def test_a_journal_that_is_full_stops_all_work_and_the_result_is_not_doubled(place):
    place.receive("film-1", "film-2")
    service = place.begin()
    place.go(lambda: not place.spawned[0].is_idle)
    run = place.journal._connection.execute
    run(f"PRAGMA max_page_count = {run('PRAGMA page_count').fetchone()[0]}")
    run(
        "CREATE TEMP TRIGGER large BEFORE UPDATE OF record ON image"
        " BEGIN INSERT INTO meta VALUES (NEW.sha256, hex(zeroblob(9000))); END"
    )
    place.go(lambda: service.pause is Pause.STORAGE_ERROR)
    assert place.finished == []
    run("DROP TRIGGER large")
    run("PRAGMA max_page_count = 1000000")
    place.go(lambda: len(place.finished) == 2)
    assert place.reasons() == {"film-1": None, "film-2": None}


def test_a_film_that_ended_its_worker_just_before_the_disk_failed_is_refused_once(
    place, monkeypatch
):
    def fail(_folder):
        raise OSError(errno.EIO, "scripted")

    place.receive("SIGSEGV-1")
    service = place.begin()
    place.go(lambda: len(place.spawned) == 2)
    with monkeypatch.context() as patch:
        patch.setattr("bonefx_edge.watch.storage.shutil.disk_usage", fail)
        place.now += DISK_CHECK_S
        service.step()
    assert service.pause is Pause.STORAGE_ERROR
    place.go(lambda: place.finished)
    place.go(lambda: not any(map(place.will_say, place.pool._workers)))
    assert place.finished == ["SIGSEGV-1"]
    assert place.reasons() == {"SIGSEGV-1": "decoder_crashed"}


def test_below_the_watermark_nothing_is_taken_or_filed_until_there_is_room(place, monkeypatch):
    free = [100]
    monkeypatch.setattr(
        "bonefx_edge.watch.storage.shutil.disk_usage", lambda _folder: Usage(free[0] << 20)
    )
    place.receive("film-1")
    service = place.begin(min_free_bytes=50 << 20)
    place.go(lambda: not place.spawned[0].is_idle)
    service.wait()  # its answer is there
    free[0] = 49
    place.receive("film-2")
    place.now += DISK_CHECK_S
    service.step()
    assert service.pause is Pause.DISK_LOW
    for _ in range(3):
        place.now += 1000  # longer than a film may take: nobody looked at the answer
        service.step()
    assert (place.finished, place.spawned[0].has_exited) == ([], False)
    free[0] = 50
    place.now += DISK_CHECK_S
    place.go(lambda: place.finished == ["film-1", "film-2"])
    assert service.pause is Pause.NONE
    assert place.opened() == ["film-1", "film-2"]


def test_a_stop_below_the_watermark_ends_when_the_films_in_progress_are_answered(
    place, monkeypatch
):
    free = [100]
    monkeypatch.setattr(
        "bonefx_edge.watch.storage.shutil.disk_usage", lambda _folder: Usage(free[0] << 20)
    )
    place.receive("film-1")
    service = place.begin(min_free_bytes=50 << 20)
    place.go(lambda: not place.spawned[0].is_idle)
    free[0] = 49
    place.now += DISK_CHECK_S
    service.step()
    assert service.pause is Pause.DISK_LOW
    waits = []
    wait = service.wait
    monkeypatch.setattr(service, "wait", lambda: (waits.append(1), wait(), place.tick()))
    service.close(timeout_s=PATIENCE_S)
    assert len(waits) < PATIENCE_S
    assert place.finished == ["film-1"]


def test_a_worker_that_cannot_be_started_stops_neither_the_others_nor_their_results(place, caplog):
    place.receive("film-1")
    service = place.begin(workers=2)
    place.refuses = [None, *[OSError(errno.EAGAIN, "scripted")] * 3]
    place.go(lambda: place.finished == ["film-1"])
    assert service.pause is Pause.NONE
    said = "cannot start a worker process (EAGAIN), next attempt in 5 s"
    assert said in [record.getMessage() for record in caplog.records]
    place.go(lambda: len(place.spawned) == 2)
    assert place.refuses == []


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (OSError(errno.EROFS, "scripted"), "the results (EROFS)"),
        (sqlite_error("SQLITE_FULL"), "the journal (SQLITE_FULL)"),
    ],
)
def test_the_log_says_which_of_results_and_journal_cannot_be_written(place, caplog, error, stage):
    place.receive("film-1")
    service = place.begin()
    place.results.trouble = [error]
    place.go(lambda: service.pause is Pause.STORAGE_ERROR)
    assert f"cannot write {stage}: paused" in [r.getMessage() for r in caplog.records]
