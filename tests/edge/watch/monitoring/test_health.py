"""What makes the service unready, and what must not."""

from dataclasses import replace

import pytest
from bonefx_edge.check import CheckStatus
from bonefx_edge.watch.journal.admin import Status
from bonefx_edge.watch.monitoring.health import (
    CANARY_LIMIT_S,
    FOLDER_LIMIT_S,
    LOOP_LIMIT_S,
    QUEUE_LIMIT_S,
    Pause,
    ServiceSnapshot,
    check_alive,
    check_ready,
    status_line,
)

NOW, WALL = 10_000.0, 1_800_000_000.0
WELL = ServiceSnapshot(
    last_step=NOW, folder_exists=True, folder_answered=NOW, workers_ready=1,
    pause=Pause.NONE, canary_is_healthy=True, canary_last_passed=NOW, classified=3, refused=1,
)  # fmt: skip
EMPTY = Status(
    is_running=True, folder="/in", states={}, refusals={}, failures={}, absent=0, unreadable={},
    duplicates=0, oldest_waiting_s=None, oldest_untried_s=None, last_result=None, per_hour=0,
    undelivered=0, oldest_undelivered_s=None, predictors={},
)  # fmt: skip


def failed(snapshot=WELL, journal=EMPTY):
    checks = check_ready(snapshot, journal, now=NOW, wall=WALL)
    for check in checks:
        assert bool(check.remedy) == (check.status is not CheckStatus.OK), check
    return [check.name for check in checks if check.status is CheckStatus.FAIL]


def test_a_service_with_nothing_to_do_is_ready():
    assert failed() == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"last_step": NOW - LOOP_LIMIT_S - 1}, ["loop"]),
        ({"folder_exists": False}, ["folder"]),
        ({"folder_answered": NOW - FOLDER_LIMIT_S - 1}, ["folder"]),
        ({"workers_ready": 0}, ["workers"]),
        ({"pause": Pause.DISK_LOW}, ["results"]),
        ({"pause": Pause.STORAGE_ERROR}, ["results"]),
        ({"canary_is_healthy": False}, ["canary"]),
        ({"canary_last_passed": None}, ["canary"]),
        ({"canary_last_passed": NOW - CANARY_LIMIT_S - 1}, ["canary"]),
        # what must not: a turn, an answer, just within their time
        ({"last_step": NOW - LOOP_LIMIT_S + 1}, []),
        ({"canary_last_passed": NOW - CANARY_LIMIT_S + 1}, []),
    ],
)
def test_one_thing_wrong_fails_one_check(change, names):
    assert failed(replace(WELL, **change)) == names


def test_a_journal_that_cannot_be_read_is_not_ready():
    assert failed(journal="OSError") == ["journal"]


@pytest.mark.parametrize(
    ("oldest_s", "last_ago_s", "names"),
    [
        (QUEUE_LIMIT_S - 1, None, []),
        (QUEUE_LIMIT_S + 1, None, ["queue"]),
        (QUEUE_LIMIT_S + 1, QUEUE_LIMIT_S + 1, ["queue"]),
        (50_000.0, 10.0, []),  # a backlog of a day that moves
        (None, 50_000.0, []),  # a quiet night
    ],
)
def test_a_queue_is_wrong_where_films_wait_and_no_result_comes(oldest_s, last_ago_s, names):
    last = None if last_ago_s is None else WALL - last_ago_s
    assert failed(journal=replace(EMPTY, oldest_untried_s=oldest_s, last_result=last)) == names


def test_a_film_that_is_tried_again_for_ever_is_reported_and_makes_no_device_unready():
    films = replace(EMPTY, failures={"EIO": 1}, oldest_waiting_s=1e6)
    assert failed(journal=films) == []
    (queue,) = (c for c in check_ready(WELL, films, now=NOW, wall=WALL) if c.name == "queue")
    assert queue.status is CheckStatus.WARN
    assert "1 for EIO" in queue.found


def test_what_cannot_be_read_is_a_warning_with_what_to_do():
    forbidden = replace(EMPTY, unreadable={"EACCES": 2, "EIO": 1})
    assert failed(journal=forbidden) == []
    (check,) = (c for c in check_ready(WELL, forbidden, now=NOW, wall=WALL) if c.name == "files")
    assert check.status is CheckStatus.WARN
    assert check.found == "files or folders that cannot be read: 2 for EACCES, 1 for EIO"
    assert "permissions" in check.remedy


def test_messages_that_nobody_takes_are_reported():
    assert failed(
        journal=replace(EMPTY, undelivered=1, oldest_undelivered_s=QUEUE_LIMIT_S + 1)
    ) == ["messages"]
    assert (
        failed(journal=replace(EMPTY, undelivered=9, oldest_undelivered_s=QUEUE_LIMIT_S - 1)) == []
    )


def test_alive_asks_for_nothing_but_turns():
    ill = replace(WELL, folder_exists=False, workers_ready=0, canary_is_healthy=False)
    assert check_alive(ill, now=NOW).status is CheckStatus.OK
    assert check_alive(ill, now=NOW + LOOP_LIMIT_S + 1).status is CheckStatus.FAIL


def test_the_line_for_the_service_manager_says_what_is_wrong_first():
    assert status_line(WELL) == "3 results, 1 of them refused"
    ill = status_line(replace(WELL, pause=Pause.DISK_LOW, canary_is_healthy=False))
    assert ill.startswith(
        "results paused: disk_low; canary self-test failed: classification stopped; 3 results"
    )
