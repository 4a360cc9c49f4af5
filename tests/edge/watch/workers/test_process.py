"""What becomes of the films in the hands of a worker; real processes that do as their films say."""

import os
import select

import pytest
from bonefx_edge.errors import InterpreterError, Reason
from bonefx_edge.watch.journal.states import Claim
from bonefx_edge.watch.workers.process import (
    LOAD_TIMEOUT_S,
    PREFETCH,
    READ_GRACE_S,
    CrashLoopBackoff,
    WorkerProcess,
)
from bonefx_edge.watch.workers.protocol import TIME_LIMIT_S, Job, JobResult, JobStatus, WorkerConfig
from scripted_worker import MODEL, WORDS, jobs_in, program

PATIENCE_S = 60.0


class Place:
    """Where workers are spawned, with a clock that is set by hand."""

    def __init__(self, folder):
        self.heard, self.now, self.spawned = folder / "heard", 1000.0, []
        self.model = CrashLoopBackoff()

    def spawn(self, loading="ready"):
        worker = WorkerProcess(
            WorkerConfig(root="/nowhere", model="none"),
            backoff=self.model,
            clock=lambda: self.now,
            program=program(self.heard, loading),
        )
        self.spawned.append(worker)
        return worker

    def spawn_ready(self):
        worker = self.spawn()
        assert next_answers(worker) == []
        assert worker.predictor == MODEL
        return worker


@pytest.fixture(name="place")
def _place(tmp_path):
    place = Place(tmp_path)
    yield place
    for worker in place.spawned:
        worker.stop()


def job(name, *, refuse=None):
    return Job(Claim(f"sha of {name}", os.fsencode(name), 5.0), refuse)


def next_answers(worker) -> list[JobResult]:
    """Return what it says next; it says something, or the test fails."""
    readable, _, _ = select.select([worker], [], [], PATIENCE_S)
    assert readable, "the worker says nothing, and is not gone"
    return list(worker.read_results())


def answers_until_gone(worker) -> list[JobResult]:
    answers = []
    while not worker.has_exited:
        answers += next_answers(worker)
    return answers


def fates(worker) -> list[tuple]:
    """Return name, answer, code and reason of all that it had in hand when it ended."""
    return [
        (done.claim.path.decode(), done.status, done.code, done.reason)
        for done in answers_until_gone(worker)
    ]


# ---- pictures ----


def test_pictures_come_after_the_answer_and_a_worker_that_draws_is_not_idle(place):
    worker = place.spawn_ready()
    worker.submit(job("drawn-1"))
    answers = []
    while len(answers) < 2:
        answers += next_answers(worker)
        assert worker.is_idle == (len(answers) == 2)
    assert [answer.status for answer in answers] == [JobStatus.OK, JobStatus.DRAWN]
    assert answers[1].claim == answers[0].claim
    assert answers[1].pictures == {"thumb": b"jpeg"}


def test_a_film_is_not_blamed_for_a_crash_while_another_was_drawn(place):
    worker = place.spawn_ready()
    worker.submit(job("drawncrash-1"))
    worker.submit(job("film-2"))
    assert fates(worker) == [
        ("drawncrash-1", JobStatus.OK, "", None),
        ("film-2", JobStatus.NOT_STARTED, "", None),
        ("drawncrash-1", JobStatus.DRAWN, "worker_exited", None),
    ]


# ---- films and answers ----


def test_a_worker_has_room_when_it_is_ready_and_until_its_hands_are_full(place):
    worker = place.spawn()
    assert not worker.has_capacity
    assert worker.is_idle
    assert next_answers(worker) == []
    assert (worker.predictor, worker.environment) == (MODEL, "none 0")
    assert not worker.has_capacity, "it has not answered the canary yet"
    worker.is_verified = True
    for number in range(PREFETCH):
        assert worker.has_capacity
        worker.submit(job(f"hang-{number}"))
        assert not worker.is_idle
    assert not worker.has_capacity


def test_what_a_worker_says_after_the_model_proved_broken_is_not_heard(place):
    """Its next answer would be taken for that of the film before."""
    worker = place.spawn_ready()
    for name in ("broken-1", "film-2"):
        worker.submit(job(name))
    with pytest.raises(InterpreterError):
        next_answers(worker)
    assert worker.has_exited
    assert worker.is_idle
    assert [claim.path for claim in worker.stop()] == [b"broken-1", b"film-2"]


def test_answers_are_those_of_its_films_in_the_order_in_which_they_were_given(place):
    worker = place.spawn_ready()
    done = []
    for name in ("film-1", "corrupt-2", "EIO-3", "changed-4"):
        worker.submit(job(name))
        done += next_answers(worker)
    assert [d.claim for d in done] == [
        job(name).claim for name in ("film-1", "corrupt-2", "EIO-3", "changed-4")
    ]
    assert [d.status for d in done] == [
        JobStatus.OK, JobStatus.OK, JobStatus.TRANSIENT, JobStatus.CHANGED,
    ]  # fmt: skip
    assert [d.finding and d.finding["reason"] for d in done] == [None, "corrupt", None, None]
    assert [d.code for d in done] == ["", "", "EIO", ""]
    assert worker.is_idle


def test_a_worker_is_sent_names_of_any_bytes_and_what_to_refuse_unopened(place):
    worker = place.spawn_ready()
    name = "film-\udce9\n.png"  # a byte that is no text, and the end of a line
    worker.submit(job(name, refuse=Reason.DECODER_HUNG))
    (done,) = next_answers(worker)
    assert done.finding["path"] == name
    assert done.finding["reason"] == "decoder_hung"
    assert jobs_in(place.heard) == [(name, "decoder_hung")]


def test_an_answer_in_pieces_is_one_answer_when_its_line_has_ended(place):
    worker = place.spawn_ready()
    worker.submit(job("half-1"))
    assert next_answers(worker) == []
    assert not worker.is_idle
    worker.submit(job("rest-2"))
    done = next_answers(worker)
    assert [d.finding["sha256"] for d in done] == ["sha of half-1", "sha of rest-2"]
    assert [d.claim for d in done] == [job("half-1").claim, job("rest-2").claim]


def test_a_model_that_gives_no_usable_number_ends_it_in_the_words_of_the_worker(place):
    with pytest.raises(InterpreterError, match=WORDS):
        answers_until_gone(place.spawn("broken"))
    worker = place.spawn_ready()
    worker.submit(job("broken-1"))
    with pytest.raises(InterpreterError, match=WORDS):
        next_answers(worker)


# ---- ends ----


@pytest.mark.parametrize(
    ("how", "answer", "code", "reason"),
    [
        ("SIGSEGV", JobStatus.CRASHED, "", Reason.DECODER_CRASHED),
        ("SIGABRT", JobStatus.CRASHED, "", Reason.DECODER_CRASHED),
        ("exit", JobStatus.CRASHED, "", Reason.DECODER_CRASHED),
        ("SIGALRM", JobStatus.CRASHED, "", Reason.DECODER_HUNG),  # its own time limit
        ("SIGKILL", JobStatus.TRANSIENT, "out_of_memory", None),  # the kernel's
        ("SIGTERM", JobStatus.TRANSIENT, "out_of_memory", None),  # earlyoom's
    ],
)
def test_the_film_a_worker_ended_with_is_why_and_the_next_one_was_not_touched(
    place, how, answer, code, reason
):
    worker = place.spawn_ready()
    worker.submit(job(f"{how}-1"))
    worker.submit(job("film-2"))
    assert fates(worker) == [
        (f"{how}-1", answer, code, reason),
        ("film-2", JobStatus.NOT_STARTED, "", None),
    ]
    assert worker.is_idle


def test_a_film_that_was_answered_is_not_why_a_worker_ended(place):
    worker = place.spawn_ready()
    worker.submit(job("film-1"))
    worker.submit(job("SIGSEGV-2"))
    assert [fate[:2] for fate in fates(worker)] == [
        ("film-1", JobStatus.OK),
        ("SIGSEGV-2", JobStatus.CRASHED),
    ]


def test_a_worker_that_ends_with_nothing_in_progress_says_nothing_of_films(place):
    assert fates(place.spawn("deaf-SIGSEGV")) == []


def test_a_film_that_a_worker_could_not_even_be_sent_is_not_why_it_ended(place):
    worker = place.spawn("deaf-SIGSEGV")
    assert next_answers(worker) == []
    worker.submit(job("film-1"))
    worker.submit(job("film-2"))
    assert fates(worker) == [
        ("film-1", JobStatus.NOT_STARTED, "", None),
        ("film-2", JobStatus.NOT_STARTED, "", None),
    ]


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGKILL", "hang"])
def test_a_film_that_is_to_be_refused_unopened_still_is_when_another_one_ends_its_worker(
    place, how
):
    worker = place.spawn_ready()
    worker.submit(job(f"{how}-1"))
    worker.submit(job("poison-2", refuse=Reason.DECODER_HUNG))
    if how == "hang":
        worker.kill()
    assert fates(worker)[1] == ("poison-2", JobStatus.CRASHED, "", Reason.DECODER_HUNG)


def test_a_film_that_is_to_be_refused_unopened_is_so_whatever_ends_its_worker(place):
    worker = place.spawn("deaf-SIGKILL")
    assert next_answers(worker) == []
    worker.submit(job("poison-1", refuse=Reason.DECODER_HUNG))
    assert fates(worker) == [("poison-1", JobStatus.CRASHED, "", Reason.DECODER_HUNG)]


def test_a_worker_that_was_killed_for_taking_too_long_leaves_a_film_to_try_again(place):
    worker = place.spawn_ready()
    worker.submit(job("hang-1"))
    worker.submit(job("film-2"))
    worker.kill()
    assert fates(worker) == [
        ("hang-1", JobStatus.TRANSIENT, "timeout", None),
        ("film-2", JobStatus.NOT_STARTED, "", None),
    ]


def test_a_worker_that_is_stopped_returns_its_films_and_leaves_no_process(place):
    worker = place.spawn_ready()
    worker.submit(job("hang-1"))
    worker.submit(job("film-2"))
    pid = worker._process.pid
    assert worker.stop() == [job("hang-1").claim, job("film-2").claim]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ---- time ----


def test_time_runs_for_loading_then_for_each_film_and_not_while_a_worker_waits(place):
    worker = place.spawn()
    assert worker.deadline() == place.now + LOAD_TIMEOUT_S
    assert next_answers(worker) == []
    assert worker.deadline() is None
    place.now += 7
    worker.submit(job("half-1"))
    given = place.now
    assert worker.deadline() == given + TIME_LIMIT_S + READ_GRACE_S
    place.now += 7
    assert next_answers(worker) == []
    worker.submit(job("hang-2"))
    assert worker.deadline() == given + TIME_LIMIT_S + READ_GRACE_S, "the first is not answered yet"


def test_the_time_of_the_second_film_begins_with_the_answer_to_the_first(place):
    worker = place.spawn_ready()
    worker.submit(job("film-1"))
    worker.submit(job("hang-2"))
    place.now += 7
    (done,) = next_answers(worker)
    assert done.claim == job("film-1").claim
    assert worker.deadline() == place.now + TIME_LIMIT_S + READ_GRACE_S


# ---- loading ----


def test_a_worker_that_ends_by_itself_while_loading_is_the_models_trouble(place):
    with pytest.raises(InterpreterError, match=r"\(exit code 1\)\. Run edge-admin doctor"):
        answers_until_gone(place.spawn("exit"))


def test_a_worker_that_was_killed_while_loading_is_no_ones_fault(place):
    worker = place.spawn("SIGKILL")
    assert fates(worker) == []
    assert worker.has_exited
