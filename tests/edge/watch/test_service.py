"""What the loop promises of films, results and journal; real workers that do as their films say."""

import json
import os
import threading

import pytest
from bonefx_edge.errors import InterpreterError
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.transaction import transaction
from bonefx_edge.watch.service import (
    INCOMPLETE_GRACE_S,
)
from bonefx_edge.watch.workers.process import READ_GRACE_S
from bonefx_edge.watch.workers.protocol import TIME_LIMIT_S
from watched_folder import A_LITTLE, PATIENCE_S

# ---- results and journal ----


def test_a_film_that_comes_into_the_folder_has_its_result_on_disk_before_it_is_done(place):
    service = place.begin()
    place.go(service.is_ready)
    (place.root / "film-1").write_bytes(b"content")
    place.go(lambda: place.finished)  # which looks for the file
    (sha256,) = place.finished
    assert place.reasons() == {sha256: None}
    assert place.states() == {sha256: "done"}
    result = json.loads(place.result_of(sha256).read_text())
    assert result["predictor"] == place.spawned[0].predictor


def test_the_log_gives_a_short_hash_and_the_state_of_each_result(place, caplog):
    caplog.set_level("INFO", "bonefx_edge")
    place.receive("film-1", "blank-1")
    place.begin()
    place.go(lambda: len(place.finished) == 2)
    lines = [record.getMessage() for record in caplog.records]
    assert {"film-1 fracture", "blank-1 refused (blank)"} <= set(lines)


def test_a_refusal_is_a_result_and_is_counted(place):
    place.receive("blank-1", "film-2")
    service = place.begin()
    place.go(lambda: len(place.finished) == 2)
    assert place.reasons() == {"blank-1": "blank", "film-2": None}
    assert place.states() == {"blank-1": "refused", "film-2": "done"}
    assert (service.refused, place.failed) == (1, 0)


def test_the_answer_to_a_film_that_was_rewritten_meanwhile_is_not_among_the_current(place):
    place.receive("film-1")
    service = place.begin()
    place.go(lambda: not place.spawned[0].is_idle)
    place.rewrite("film-1", "rewritten")
    place.go(lambda: len(place.finished) == 2)
    assert place.finished == ["film-1", "rewritten"]
    assert place.reasons() == {"rewritten": None}
    assert place.states() == {"film-1": "done", "rewritten": "done"}
    assert service.is_ready()


def test_the_result_of_a_rewritten_film_stays_current_until_the_new_one_is_there(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished == ["film-1"])
    place.rewrite("film-1", "rewritten")
    place.service.step()
    assert place.reasons() == {"film-1": None}
    place.go(lambda: place.finished == ["film-1", "rewritten"])
    place.service.step()
    assert place.reasons() == {"rewritten": None}
    assert (place.out / "superseded" / "film-1.json").exists()


def test_what_a_kill_left_half_done_is_put_right_at_the_start(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished)
    place.rewrite("film-1", "rewritten")
    record = json.loads(place.result_of("film-1").read_text())
    place.results.publish("rewritten", record)
    Journal.finish(place.journal, "rewritten", record, predictor="", now=place.wall())
    (place.out / ".partial-x").touch()
    place.begin().step()
    assert [path.name for path in place.out.glob("*.json")] == ["rewritten.json"]
    assert not list(place.out.glob(".partial-*"))


def test_a_result_that_a_kill_kept_from_the_journal_is_retired_with_its_film(place):
    place.receive("film-1")
    claim = place.journal.claim(now=place.wall())
    place.results.publish(claim.sha256, {"finding": {"reason": None}, "sha256": "film-1"})
    place.journal.close()  # killed here; the film is rewritten before the next start
    place.reopen()
    place.rewrite("film-1", "rewritten")
    place.begin()
    place.go(lambda: place.finished == ["rewritten"])
    place.service.step()
    assert [path.name for path in place.out.glob("*.json")] == ["rewritten.json"]
    assert (place.out / "superseded" / "film-1.json").exists()


def test_what_another_process_puts_back_is_classified_again_without_a_new_film(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished == ["film-1"])
    place.service.step()
    with (
        Journal.open(place.journal_folder, owner=False) as other,
        transaction(other._connection) as run,
    ):
        run("UPDATE image SET state = 'received'")
    place.go(lambda: place.finished == ["film-1", "film-1"])


# ---- the intake writes at the same time ----


def meanwhile(place, step, action):
    """Have `action` done by another thread at the first `step` of the results: before or after."""
    real, threads = getattr(place.results, step), []

    def disturbed(sha256, *words):
        if threads:
            return real(sha256, *words)
        threads.append(threading.Thread(target=action))
        if step == "publish":
            real(sha256, *words)
        threads[0].start()
        threads[0].join(0.5)  # it waits for us, or is done
        if step != "publish":
            real(sha256, *words)
        return None

    setattr(place.results, step, disturbed)
    return threads


def test_a_film_that_is_rewritten_while_its_result_is_written_is_superseded(place):
    place.receive("film-1")
    service = place.begin()
    threads = meanwhile(place, "publish", lambda: place.rewrite("film-1", "rewritten"))
    place.go(lambda: threads)
    threads[0].join()
    place.go(lambda: place.finished == ["film-1", "rewritten"])
    service.step()
    assert place.reasons() == {"rewritten": None}
    assert (place.out / "superseded" / "film-1.json").exists()


def test_a_film_that_comes_back_while_its_result_is_retired_has_a_current_one(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished == ["film-1"])
    threads = meanwhile(place, "retire", lambda: place.rewrite("film-copy", "film-1"))
    place.rewrite("film-1", "rewritten")
    place.go(lambda: threads)
    threads[0].join()
    place.go(lambda: place.finished.count("film-1") == 2)
    assert place.result_of("film-1").exists()
    assert place.states()["film-1"] == "done"


# ---- poison, and what hangs ----


@pytest.mark.parametrize(
    ("how", "reason"),
    [("SIGSEGV", "decoder_crashed"), ("exit", "decoder_crashed"), ("SIGALRM", "decoder_hung")],
)
def test_a_film_that_ends_its_worker_is_refused_unopened_and_its_neighbour_goes_on(
    place, how, reason
):
    poison = f"{how}-1"
    place.receive(poison, "film-2", "film-3")
    service = place.begin()
    place.go(lambda: len(place.finished) == 3)
    assert place.reasons() == {poison: reason, "film-2": None, "film-3": None}
    assert place.opened().count(poison) == 1
    assert place.refused_unopened() == [(poison, reason)]
    assert len(place.spawned) == 2
    assert (service.refused, place.failed) == (1, 0)
    assert place.row("film-2")["attempts"] == 0


def test_a_worker_that_takes_too_long_is_killed_and_its_film_tried_again_later(place):
    place.receive("hang-1", "film-2")
    service = place.begin()
    place.go(lambda: place.opened() == ["hang-1"])
    began = place.now
    place.now = began + TIME_LIMIT_S + READ_GRACE_S - A_LITTLE
    service.step()
    assert not place.spawned[0]._killed
    place.now = began + TIME_LIMIT_S + READ_GRACE_S + A_LITTLE
    place.go(lambda: place.finished == ["film-2"])
    assert place.spawned[0].has_exited
    assert (place.row("hang-1")["state"], place.row("hang-1")["failure"]) == ("failed", "timeout")
    assert place.opened() == ["hang-1", "film-2"]
    place.go(lambda: place.opened() == ["hang-1", "film-2", "hang-1"])
    assert place.now >= began + TIME_LIMIT_S + READ_GRACE_S + 2
    assert (service.refused, place.failed) == (0, 1)


def test_two_workers_have_one_film_each_before_one_has_two(place):
    place.begin(workers=2)
    place.go(place.service.is_ready)
    place.go(lambda: all(worker.predictor for worker in place.spawned))
    for number in range(2):
        (place.root / f"hang-{number}").write_text(str(number))
    place.go(lambda: sorted(place.opened()) == ["hang-0", "hang-1"])
    assert [len(worker._jobs) for worker in place.spawned] == [1, 1]


# ---- what is tried again ----


@pytest.mark.parametrize("code", ["EIO", "changed"])
def test_a_film_that_could_not_be_tried_is_tried_again_after_pauses_that_double(place, code):
    name = f"{code}-1"
    place.receive(name)
    service = place.begin()
    place.go(lambda: place.failed == 1)
    for tried, pause_s in enumerate((2, 4, 8, 16), start=1):
        failed_at = place.now
        assert place.row(name)["failure"] == code
        place.now = failed_at + pause_s - A_LITTLE
        service.step()
        assert place.spawned[0].is_idle, "tried before its time"
        place.now = failed_at + pause_s + A_LITTLE
        service.step()
        assert not place.spawned[0].is_idle, "not tried at its time"
        place.go(lambda tried=tried: place.failed == tried + 1)
    assert place.reasons() == {}


def test_what_may_still_be_written_is_tried_again_and_refused_when_its_grace_is_over(place):
    place.receive("truncated-1", "empty-2", "corrupt-3", "blank-4")
    received = place.now
    service = place.begin()
    place.go(lambda: place.failed == 3 and service.refused == 1)
    assert place.reasons() == {"blank-4": "blank"}
    assert place.row("truncated-1")["failure"] == "truncated"
    place.now = received + INCOMPLETE_GRACE_S - A_LITTLE
    place.go(lambda: place.failed == 6)
    assert place.reasons() == {"blank-4": "blank"}
    place.now += 4 + A_LITTLE
    place.go(lambda: service.refused == 4)
    assert place.reasons() == {
        "blank-4": "blank", "corrupt-3": "corrupt", "truncated-1": "truncated", "empty-2": "empty",
    }  # fmt: skip


@pytest.mark.parametrize("days", [400, -400])
def test_the_grace_of_half_a_film_is_not_cut_short_by_a_clock_that_is_set(place, days):
    place.receive("truncated-1")
    received = place.now
    service = place.begin()
    place.go(lambda: place.failed == 1)
    place.clock_set_by = days * 86_400.0
    place.go(lambda: place.failed == 2)
    assert place.reasons() == {}
    place.now = received + INCOMPLETE_GRACE_S + A_LITTLE
    place.go(lambda: service.refused == 1)


def test_a_film_that_an_earlier_run_received_by_a_wrong_clock_is_refused_at_once(place):
    place.clock_set_by = 400 * 86_400.0
    place.receive("truncated-1")
    place.clock_set_by = 0.0
    service = place.begin()
    place.go(lambda: service.refused == 1)
    assert place.failed == 0


def test_once_refuses_what_is_unfinished_and_ends_with_what_could_not_be_tried(place):
    place.receive("EIO-1", "film-2", "truncated-3")
    service = place.begin(once=True)
    pulses = []
    service.serve(lambda: len(pulses) > 10_000, heartbeat=lambda: pulses.append(1))
    assert service.is_done()
    assert place.reasons() == {"film-2": None, "truncated-3": "truncated"}
    assert place.states() == {"EIO-1": "failed", "film-2": "done", "truncated-3": "refused"}
    assert (service.refused, place.failed) == (1, 1)
    assert place.opened().count("EIO-1") == 1


# ---- the end ----


def test_at_the_end_what_is_in_progress_is_waited_for_and_nothing_more_is_taken(place):
    place.receive("film-1", "film-2", "film-3")
    service = place.begin()
    place.go(lambda: not place.spawned[0].is_idle)
    in_hand = [claim.claim.sha256 for claim in place.spawned[0]._jobs]
    service.close(timeout_s=PATIENCE_S)
    assert place.finished == in_hand == ["film-1", "film-2"]
    assert place.states()["film-3"] == "received"


def test_at_the_end_what_is_not_answered_in_time_is_released_untried(place):
    place.receive("hang-1", "film-2")
    service = place.begin()
    place.go(lambda: place.opened() == ["hang-1"])
    service.close(timeout_s=0)
    assert place.states() == {"hang-1": "received", "film-2": "received"}
    assert (place.row("hang-1")["attempts"], place.row("hang-1")["crash_count"]) == (0, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(place.spawned[0]._process.pid, 0)


def test_at_the_end_a_film_that_ended_its_worker_is_released(place):
    place.receive("SIGSEGV-1", "film-2")
    service = place.begin()
    place.go(lambda: not all(worker.is_idle for worker in place.spawned))
    service.close(timeout_s=PATIENCE_S)
    assert place.states() == {"SIGSEGV-1": "received", "film-2": "received"}


def test_at_the_end_no_worker_is_started_for_one_that_is_gone(place):
    """It could take nothing, and one that cannot load would end the end."""
    place.receive("SIGSEGV-1")
    service = place.begin(workers=2)
    place.go(lambda: not all(worker.is_idle for worker in place.spawned))
    place.loading = ["exit"]
    service.close(timeout_s=PATIENCE_S)
    assert len(place.spawned) == 2
    assert place.states() == {"SIGSEGV-1": "received"}


# ---- models ----


def test_a_model_that_cannot_be_used_ends_the_service(place):
    place.loading = ["broken"]
    service = place.begin()
    with pytest.raises(InterpreterError):
        service.serve(lambda: False, heartbeat=lambda: None)


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGILL", "SIGBUS"])
def test_a_model_that_ends_three_workers_while_it_loads_ends_the_service_in_words(place, how):
    place.loading = [how] * 10
    place.receive("film-1")
    service = place.begin()
    words = f"crashed while loading the model 3 times in a row .{how}.. Run edge-admin doctor"
    with pytest.raises(InterpreterError, match=words):
        service.serve(lambda: len(place.spawned) > 5, heartbeat=lambda: None)
    assert len(place.spawned) == 3


def test_a_worker_that_becomes_ready_in_between_shows_that_the_model_can_be_loaded(place):
    place.loading = ["SIGILL", "SIGILL", "ready", "SIGILL", "SIGILL", "ready"]
    place.receive("SIGSEGV-1", "film-2")
    place.begin()
    place.go(lambda: len(place.finished) == 2)
    assert len(place.spawned) == 6


def test_after_a_kill_while_loading_a_worker_is_started_after_pauses_that_double_to_five_minutes(
    place,
):
    place.loading = ["SIGKILL", "SIGTERM"] * 4
    place.receive("film-1")
    service = place.begin()
    pauses = []
    for number in range(1, 9):
        place.go(lambda: place.spawned[-1].has_exited)
        died, before = place.now, place.now
        while len(place.spawned) == number:
            before, place.now = place.now, place.now + 1
            assert place.now - died < 1000
            service.step()
        pauses.append(place.now - died)
        assert before < place.now
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    place.go(lambda: place.finished == ["film-1"])
