"""A part of the service that hangs keeps the journal from being opened again: said, and bounded."""

import sqlite3
import threading

import pytest
from bonefx_edge.cli.exit_codes import ExitCode, fail_with
from bonefx_edge.errors import JournalHeldError
from bonefx_edge.watch.background import BackgroundTasks
from bonefx_edge.watch.monitoring.health import CheckStatus, Pause, check_ready, status_line
from bonefx_edge.watch.storage import ERROR_PAUSE_S, HELD_WARNING_S, MAX_HELD_S
from typer import Exit
from watched_folder import PATIENCE_S


class Hanging:
    """A task whose share does not answer until the test lets it."""

    name = "archive"

    def __init__(self):
        self.hangs, self.answers = threading.Event(), threading.Event()
        self.threads: BackgroundTasks

    def run_once(self, connection):
        self.hangs.set()
        assert self.answers.wait(PATIENCE_S)
        return False


@pytest.fixture(name="task")
def _task(place):
    """A service whose journal fails while a task hangs."""
    task = Hanging()
    place.begin()
    task.threads = BackgroundTasks([task], journal=place.journal.access)
    assert task.hangs.wait(PATIENCE_S)
    error = sqlite3.OperationalError("scripted")
    error.sqlite_errorname = "SQLITE_IOERR_READ"
    place.service._suspend(error)
    yield task
    task.answers.set()
    task.threads.close()


def wait_s(place, seconds):
    place.now += seconds
    place.service.step()


def test_the_log_and_the_checks_name_what_holds_the_journal(place, task, caplog):
    wait_s(place, ERROR_PAUSE_S + HELD_WARNING_S)
    assert place.service.pause is Pause.JOURNAL_HELD
    wait_s(place, 2)
    said = "the journal cannot be opened again while in use by archive"
    assert [line for line in caplog.messages if "again" in line] == [said]
    snapshot = place.service.snapshot()
    assert said in status_line(snapshot)
    checks = check_ready(snapshot, "JournalError", now=place.now, wall=place.wall())
    (found,) = (check for check in checks if check.name == "results")
    assert (found.status, found.found) == (CheckStatus.FAIL, said)
    assert "2 minutes" in found.remedy


def test_the_service_goes_on_when_the_task_has_ended(place, task):
    wait_s(place, ERROR_PAUSE_S + HELD_WARNING_S)
    task.answers.set()
    task.threads.close()
    place.receive("film-1")
    place.go(lambda: place.finished == ["film-1"])
    assert place.service.pause is Pause.NONE


def test_the_service_ends_when_a_task_hangs_for_long_so_that_it_is_started_again(
    place, task, capsys
):
    wait_s(place, ERROR_PAUSE_S)
    with pytest.raises(JournalHeldError, match="in use by archive for") as caught:
        wait_s(place, MAX_HELD_S)
    with pytest.raises(Exit) as ended:
        fail_with(caught.value)
    assert ended.value.exit_code == ExitCode.JOURNAL
    assert "start the service again" in capsys.readouterr().err
