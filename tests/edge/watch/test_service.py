"""What the loop promises of films, results and journal; real workers that do as their films say."""

import errno
import json
import math
import os
import time
from collections import namedtuple

import pytest
from bonefx_edge.errors import InterpreterError
from bonefx_edge.watch.canary import AGAIN_S, EVERY_S, Canary
from bonefx_edge.watch.crew import Crew
from bonefx_edge.watch.intake import Intake
from bonefx_edge.watch.jobs import TIME_LIMIT_S, Options
from bonefx_edge.watch.journal import Journal
from bonefx_edge.watch.process import GRACE_S, Loading, Worker
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import (
    DISK_CHECK_S,
    TROUBLE_PAUSE_S,
    UNFINISHED_GRACE_S,
    Pause,
    Service,
    Settings,
)
from bonefx_edge.watch.signature import look_at
from scripted_worker import jobs_in, program

WALL = 1_800_000_000.0
SETTLE_S = 1.0
A_LITTLE = 0.1
PATIENCE_S = 60.0
Usage = namedtuple("Usage", "free")


class CheckedJournal(Journal):
    """A journal that finds the result on disk, whole, before it calls a film done."""

    place: "Place"

    def finish(self, sha256, record, *, answered_by, now, message=None):
        if not self.is_superseded(sha256):
            assert json.loads(self.place.result_of(sha256).read_text()) == record
        super().finish(sha256, record, answered_by=answered_by, now=now, message=message)
        self.place.finished.append(sha256)


class FailingResults(ResultFolder):
    """A folder that raises what is put into `trouble` when a result is to be written."""

    def __init__(self, folder):
        super().__init__(folder)
        self.trouble = []

    def publish(self, sha256, record):
        if self.trouble:
            raise self.trouble.pop()
        super().publish(sha256, record)


class Place:
    """A folder of films, a service with scripted workers, and a clock that is set by hand."""

    def __init__(self, folder):
        self.root, self.out, self.heard = folder / "in", folder / "out", folder / "heard"
        self.root.mkdir()
        self.now, self.finished, self.hired = 1000.0, [], []
        self.model = Loading()
        self.asks_canary, self.never_asks = False, False
        self.loading = []
        """How the next workers load; those after them become ready."""
        self.results = FailingResults(self.out)
        self.journal_folder = folder / "journal"
        self.journal = CheckedJournal.open(self.journal_folder, owner=True)
        self.journal.place = self

    def begin(self, *, workers=1, once=False, min_free_bytes=0, is_silent=True) -> Service:
        self.intake = Intake(
            os.fsencode(self.root), self.journal, settle_s=SETTLE_S, clock=lambda: self.now,
            wall=self.wall, is_silent=lambda: is_silent,
        )  # fmt: skip
        self.canary = Canary(self.journal, clock=lambda: self.now)
        self.crew = Crew(workers, hire=self.hire, canary=self.canary, clock=lambda: self.now)
        self.service = Service(
            settings=Settings(self.out, min_free_bytes, once),
            journal=self.journal, intake=self.intake, results=self.results, crew=self.crew,
            clock=lambda: self.now, wall=self.wall,
        )  # fmt: skip
        return self.service

    def wall(self):
        return WALL + self.now

    def hire(self):
        loading = self.loading.pop(0) if self.loading else "ready"
        worker = Worker(
            Options(root=str(self.root), model="none"),
            loading=self.model,
            clock=lambda: self.now,
            program=program(self.heard, loading),
        )
        if self.never_asks:
            worker.canary_due = math.inf
        if not self.asks_canary:
            worker.canary_due, worker.is_proven = math.inf, True
        self.hired.append(worker)
        return worker

    def receive(self, *names):
        """Put films into the folder and the journal, in this order; they are called as named."""
        for name in names:
            self.rewrite(name, name)

    def rewrite(self, name, content):
        (self.root / name).write_text(content)
        signature = look_at(os.fsencode(self.root / name))
        with Journal.open(self.journal_folder, owner=False) as journal:
            journal.receive(os.fsencode(name), signature, content, now=self.wall())

    def go(self, until):
        """Turn until it is so; the clock goes on while no worker has anything to say."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.service.turn()
            if until():
                return
            assert time.monotonic() < end, "waited in vain"
            if self.service.pause is Pause.NONE and any(map(self.will_say, self.crew._workers)):
                self.service.wait()
            else:
                self.now += SETTLE_S

    def will_say(self, worker):
        return not worker.is_gone and not (worker.answered_by and worker.is_idle)

    def result_of(self, sha256):
        return self.out / f"{sha256}.json"

    def reasons(self):
        """Return why each film with a current result was refused, None where it was not."""
        results = [json.loads(path.read_text()) for path in self.out.glob("*.json")]
        return {result["sha256"]: result["finding"]["reason"] for result in results}

    def row(self, sha256):
        return self.journal._film(sha256)

    def states(self):
        rows = self.journal._connection.execute("SELECT sha256, state FROM film")
        return {row["sha256"]: row["state"] for row in rows}

    def opened(self):
        """Return the films that workers were told to open, in order."""
        return [name for name, refuse in jobs_in(self.heard) if not refuse]

    def refused_unopened(self):
        return [job for job in jobs_in(self.heard) if job[1]]


@pytest.fixture(name="place")
def _place(tmp_path):
    place = Place(tmp_path)
    yield place
    for worker in place.hired:
        worker.stop()
    place.intake.close()
    place.journal.close()


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
    assert result["answered_by"] == place.hired[0].answered_by


def test_a_refusal_is_a_result_and_is_counted(place):
    place.receive("corrupt-1", "film-2")
    service = place.begin()
    place.go(lambda: len(place.finished) == 2)
    assert place.reasons() == {"corrupt-1": "corrupt", "film-2": None}
    assert place.states() == {"corrupt-1": "refused", "film-2": "done"}
    assert (service.refused, service.failed) == (1, 0)


def test_the_answer_to_a_film_that_was_rewritten_meanwhile_is_not_among_the_current(place):
    place.receive("film-1")
    service = place.begin()
    place.go(lambda: not place.hired[0].is_idle)
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
    place.service.turn()
    assert place.reasons() == {"film-1": None}
    place.go(lambda: place.finished == ["film-1", "rewritten"])
    place.service.turn()
    assert place.reasons() == {"rewritten": None}
    assert (place.out / "superseded" / "film-1.json").exists()


def test_what_a_kill_left_half_done_is_put_right_at_the_start(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished)
    place.rewrite("film-1", "rewritten")
    record = json.loads(place.result_of("film-1").read_text())
    place.results.publish("rewritten", record)
    Journal.finish(place.journal, "rewritten", record, answered_by="", now=place.wall())
    (place.out / ".partial-x").touch()
    place.begin()
    assert [path.name for path in place.out.glob("*.json")] == ["rewritten.json"]
    assert not list(place.out.glob(".partial-*"))


def test_what_another_process_puts_back_is_classified_again_without_a_new_film(place):
    place.receive("film-1")
    place.begin()
    place.go(lambda: place.finished == ["film-1"])
    place.service.turn()
    with Journal.open(place.journal_folder, owner=False) as other, other._transaction() as run:
        run("UPDATE film SET state = 'received'")
    place.go(lambda: place.finished == ["film-1", "film-1"])


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
    assert len(place.hired) == 2
    assert (service.refused, service.failed) == (1, 0)
    assert place.row("film-2")["attempts"] == 0


def test_a_worker_that_takes_too_long_is_killed_and_its_film_tried_again_later(place):
    place.receive("hang-1", "film-2")
    service = place.begin()
    place.go(lambda: place.opened() == ["hang-1"])
    began = place.now
    place.now = began + TIME_LIMIT_S + GRACE_S - A_LITTLE
    service.turn()
    assert not place.hired[0]._killed
    place.now = began + TIME_LIMIT_S + GRACE_S + A_LITTLE
    place.go(lambda: place.finished == ["film-2"])
    assert place.hired[0].is_gone
    assert (place.row("hang-1")["state"], place.row("hang-1")["failure"]) == ("failed", "timeout")
    assert place.opened() == ["hang-1", "film-2"]
    place.go(lambda: place.opened() == ["hang-1", "film-2", "hang-1"])
    assert place.now >= began + TIME_LIMIT_S + GRACE_S + 2
    assert (service.refused, service.failed) == (0, 1)


def test_two_workers_have_one_film_each_before_one_has_two(place):
    place.begin(workers=2)
    place.go(place.service.is_ready)
    place.go(lambda: all(worker.answered_by for worker in place.hired))
    for number in range(2):
        (place.root / f"hang-{number}").write_text(str(number))
    place.go(lambda: sorted(place.opened()) == ["hang-0", "hang-1"])
    assert [len(worker._jobs) for worker in place.hired] == [1, 1]


# ---- what is tried again ----


@pytest.mark.parametrize("code", ["EIO", "changed"])
def test_a_film_that_could_not_be_tried_is_tried_again_after_pauses_that_double(place, code):
    name = f"{code}-1"
    place.receive(name)
    service = place.begin()
    place.go(lambda: service.failed == 1)
    for tried, pause_s in enumerate((2, 4, 8, 16), start=1):
        failed_at = place.now
        assert place.row(name)["failure"] == code
        place.now = failed_at + pause_s - A_LITTLE
        service.turn()
        assert place.hired[0].is_idle, "tried before its time"
        place.now = failed_at + pause_s + A_LITTLE
        service.turn()
        assert not place.hired[0].is_idle, "not tried at its time"
        place.go(lambda tried=tried: service.failed == tried + 1)
    assert place.reasons() == {}


def test_what_may_still_be_written_is_tried_again_and_refused_when_its_grace_is_over(place):
    place.receive("truncated-1", "empty-2", "corrupt-3")
    received = place.now
    service = place.begin()
    place.go(lambda: service.failed == 2 and service.refused == 1)
    assert place.reasons() == {"corrupt-3": "corrupt"}
    assert place.row("truncated-1")["failure"] == "truncated"
    place.now = received + UNFINISHED_GRACE_S - A_LITTLE
    place.go(lambda: service.failed == 4)
    assert place.reasons() == {"corrupt-3": "corrupt"}
    place.now += 4 + A_LITTLE
    place.go(lambda: service.refused == 3)
    assert place.reasons() == {
        "corrupt-3": "corrupt", "truncated-1": "truncated", "empty-2": "empty",
    }  # fmt: skip


def test_once_refuses_what_is_unfinished_and_ends_with_what_could_not_be_tried(place):
    place.receive("EIO-1", "film-2", "truncated-3")
    service = place.begin(once=True)
    pulses = []
    service.serve(lambda: len(pulses) > 10_000, pulse=lambda: pulses.append(1))
    assert service.is_done()
    assert place.reasons() == {"film-2": None, "truncated-3": "truncated"}
    assert place.states() == {"EIO-1": "failed", "film-2": "done", "truncated-3": "refused"}
    assert (service.refused, service.failed) == (1, 1)
    assert place.opened().count("EIO-1") == 1


# ---- the disk ----


def test_a_disk_that_fails_stops_all_work_and_it_goes_on_by_itself_with_nothing_doubled(place):
    names = [f"film-{number}" for number in range(5)]
    place.receive(*names)
    (place.out / ".partial-of-a-failed-write").touch()
    service = place.begin()
    (place.out / ".partial-of-a-failed-write").touch()
    place.results.trouble = [OSError(errno.EIO, "scripted")]
    place.go(lambda: service.pause is Pause.TROUBLE)
    heard = len(jobs_in(place.heard))
    place.now += TROUBLE_PAUSE_S - A_LITTLE
    for _ in range(3):
        service.turn()
    assert service.pause is Pause.TROUBLE
    assert all(worker.is_idle for worker in place.hired[1:])
    assert len(jobs_in(place.heard)) == heard
    place.now += 2 * A_LITTLE
    place.go(lambda: len(place.finished) == 5)
    assert service.pause is Pause.NONE
    assert sorted(place.finished) == names, "each once"
    assert place.reasons() == dict.fromkeys(names)
    assert set(place.states().values()) == {"done"}
    assert not list(place.out.glob(".partial-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(place.hired[0]._process.pid, 0)


def test_a_journal_that_is_full_stops_all_work_and_the_result_is_not_doubled(place):
    place.receive("film-1", "film-2")
    service = place.begin()
    place.go(lambda: not place.hired[0].is_idle)
    run = place.journal._connection.execute
    run(f"PRAGMA max_page_count = {run('PRAGMA page_count').fetchone()[0]}")
    run(
        "CREATE TEMP TRIGGER large BEFORE UPDATE OF record ON film"
        " BEGIN INSERT INTO fact VALUES (NEW.sha256, hex(zeroblob(9000))); END"
    )
    place.go(lambda: service.pause is Pause.TROUBLE)
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
    place.go(lambda: len(place.hired) == 2)
    with monkeypatch.context() as patch:
        patch.setattr("bonefx_edge.watch.service.shutil.disk_usage", fail)
        place.now += DISK_CHECK_S
        service.turn()
    assert service.pause is Pause.TROUBLE
    place.go(lambda: place.finished)
    place.go(lambda: not any(map(place.will_say, place.crew._workers)))
    assert place.finished == ["SIGSEGV-1"]
    assert place.reasons() == {"SIGSEGV-1": "decoder_crashed"}


def test_after_trouble_the_folder_is_walked_as_what_was_heard_may_be_lost(place):
    place.receive("film-1")
    service = place.begin(is_silent=False)
    place.results.trouble = [OSError(errno.EIO, "scripted")]
    place.go(lambda: service.pause is Pause.TROUBLE)
    walks = place.intake.walks
    place.now += TROUBLE_PAUSE_S
    service.turn()
    assert (service.pause, place.intake.walks) == (Pause.NONE, walks + 1)


def test_below_the_watermark_nothing_is_taken_or_filed_until_there_is_room(place, monkeypatch):
    free = [100]
    monkeypatch.setattr(
        "bonefx_edge.watch.service.shutil.disk_usage", lambda _folder: Usage(free[0] << 20)
    )
    place.receive("film-1")
    service = place.begin(min_free_bytes=50 << 20)
    place.go(lambda: not place.hired[0].is_idle)
    service.wait()  # its answer is there
    free[0] = 49
    place.receive("film-2")
    place.now += DISK_CHECK_S
    service.turn()
    assert service.pause is Pause.DISK_LOW
    for _ in range(3):
        place.now += 1000  # longer than a film may take: nobody looked at the answer
        service.turn()
    assert (place.finished, place.hired[0].is_gone) == ([], False)
    free[0] = 50
    place.now += DISK_CHECK_S
    place.go(lambda: place.finished == ["film-1", "film-2"])
    assert service.pause is Pause.NONE
    assert place.opened() == ["film-1", "film-2"]


# ---- the end ----


def test_at_the_end_what_is_in_hand_is_waited_for_and_nothing_more_is_taken(place):
    place.receive("film-1", "film-2", "film-3")
    service = place.begin()
    place.go(lambda: not place.hired[0].is_idle)
    in_hand = [claim.claim.sha256 for claim in place.hired[0]._jobs]
    service.close(patience_s=PATIENCE_S)
    assert place.finished == in_hand == ["film-1", "film-2"]
    assert place.states()["film-3"] == "received"


def test_at_the_end_what_is_not_answered_in_time_is_handed_back_untried(place):
    place.receive("hang-1", "film-2")
    service = place.begin()
    place.go(lambda: place.opened() == ["hang-1"])
    service.close(patience_s=0)
    assert place.states() == {"hang-1": "received", "film-2": "received"}
    assert (place.row("hang-1")["attempts"], place.row("hang-1")["deaths"]) == (0, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(place.hired[0]._process.pid, 0)


def test_at_the_end_a_film_that_ended_its_worker_is_handed_back(place):
    place.receive("SIGSEGV-1", "film-2")
    service = place.begin()
    place.go(lambda: not all(worker.is_idle for worker in place.hired))
    service.close(patience_s=PATIENCE_S)
    assert place.states() == {"SIGSEGV-1": "received", "film-2": "received"}


def test_at_the_end_no_worker_is_hired_for_one_that_is_gone(place):
    """It could take nothing, and one that cannot load would end the end."""
    place.receive("SIGSEGV-1")
    service = place.begin(workers=2)
    place.go(lambda: not all(worker.is_idle for worker in place.hired))
    place.loading = ["exit"]
    service.close(patience_s=PATIENCE_S)
    assert len(place.hired) == 2
    assert place.states() == {"SIGSEGV-1": "received"}


# ---- models ----


def test_a_model_that_cannot_be_used_ends_the_service(place):
    place.loading = ["broken"]
    service = place.begin()
    with pytest.raises(InterpreterError):
        service.serve(lambda: False, pulse=lambda: None)


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGILL", "SIGBUS"])
def test_a_model_that_ends_three_workers_while_it_loads_ends_the_service_in_words(place, how):
    place.loading = [how] * 10
    place.receive("film-1")
    service = place.begin()
    words = f"expected a worker to load the model, 3 in a row ended .{how}.; run edge-admin doctor"
    with pytest.raises(InterpreterError, match=words):
        service.serve(lambda: len(place.hired) > 5, pulse=lambda: None)
    assert len(place.hired) == 3


def test_a_worker_that_becomes_ready_in_between_shows_that_the_model_can_be_loaded(place):
    place.loading = ["SIGILL", "SIGILL", "ready", "SIGILL", "SIGILL", "ready"]
    place.receive("SIGSEGV-1", "film-2")
    place.begin()
    place.go(lambda: len(place.finished) == 2)
    assert len(place.hired) == 6


def test_after_a_kill_while_loading_a_worker_is_hired_after_pauses_that_double_to_five_minutes(
    place,
):
    place.loading = ["SIGKILL", "SIGTERM"] * 4
    place.receive("film-1")
    service = place.begin()
    pauses = []
    for number in range(1, 9):
        place.go(lambda: place.hired[-1].is_gone)
        died, before = place.now, place.now
        while len(place.hired) == number:
            before, place.now = place.now, place.now + 1
            assert place.now - died < 1000
            service.turn()
        pauses.append(place.now - died)
        assert before < place.now
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    place.go(lambda: place.finished == ["film-1"])


# ---- the canary ----


@pytest.fixture(name="watched")
def _watched(place):
    """A place whose workers are asked about the canary, as always outside of these tests."""
    place.asks_canary = True
    return place


def canary_says(place, word):
    place.heard.with_name("canary").write_text(word)


def heard(place):
    return ["canary" if name.endswith("canary.jpg") else name for name, _ in jobs_in(place.heard)]


def learn(place):
    """Have the first answer to the canary film kept."""
    place.receive("film-0")
    place.go(lambda: place.finished == ["film-0"])


def test_each_worker_is_asked_about_the_canary_before_its_first_film(watched):
    watched.receive("film-1", "SIGSEGV-1", "film-2")
    watched.begin()
    watched.go(lambda: len(watched.finished) == 3)
    first, second = (i for i, name in enumerate(heard(watched)) if name == "canary")
    assert first == 0
    assert heard(watched).index("SIGSEGV-1") < second < heard(watched).index("film-2")


def test_the_canary_is_asked_about_again_on_schedule_and_not_before(watched):
    watched.begin()
    learn(watched)
    watched.now += EVERY_S - 100.0
    watched.service.turn()
    assert heard(watched).count("canary") == 1
    watched.now += 100.0
    watched.go(lambda: heard(watched).count("canary") == 2)
    watched.go(lambda: watched.canary.answered == watched.now)


def test_a_wrong_answer_stops_results_until_another_worker_answers_rightly(watched):
    service = watched.begin()
    learn(watched)
    canary_says(watched, "0.7")
    watched.now += EVERY_S
    watched.receive("film-1")
    watched.go(lambda: not service.vitals().canary_is_sound)
    began = watched.now
    watched.go(lambda: service.is_ready() and len(watched.hired) == 2)
    assert watched.now < began + AGAIN_S
    while watched.now < began + AGAIN_S - 2 * SETTLE_S:
        service.turn()
        watched.now += SETTLE_S
    watched.go(lambda: watched.crew.is_idle)
    assert watched.finished == ["film-0"]
    assert len(watched.hired) == 2
    assert heard(watched).count("canary") == 2, "a worker was asked before its time"
    assert watched.states()["film-1"] == "received"
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-0", "film-1"])
    assert service.vitals().canary_is_sound


def test_films_behind_a_wrong_answer_are_handed_back_without_a_result(watched):
    """They are in the worker's hands before it has answered."""
    watched.begin()
    learn(watched)
    canary_says(watched, "0.7")
    watched.now += EVERY_S
    watched.receive("film-1", "film-2")
    watched.go(lambda: not watched.canary.is_sound)
    watched.go(lambda: set(watched.states().values()) == {"done", "received"})
    assert watched.finished == ["film-0"]
    assert watched.row("film-1")["attempts"] == 0


@pytest.mark.parametrize("word", ["exit", "SIGSEGV"])
def test_a_worker_that_the_canary_ends_is_wrong_and_no_film_is_blamed(watched, word):
    watched.begin()
    learn(watched)
    canary_says(watched, word)
    watched.now += EVERY_S
    watched.receive("film-1")
    watched.go(lambda: not watched.canary.is_sound)
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-0", "film-1"])
    assert watched.reasons()["film-1"] is None


@pytest.mark.parametrize("word", ["EIO", "SIGKILL"])
def test_want_of_memory_or_a_disk_says_nothing_of_the_answer(watched, word):
    watched.begin()
    learn(watched)
    answered = watched.canary.answered
    canary_says(watched, word)
    watched.now += EVERY_S
    watched.go(lambda: heard(watched).count("canary") == 2)
    watched.go(lambda: watched.crew.is_idle)
    assert watched.canary.is_sound
    assert watched.canary.answered == answered


def test_a_worker_that_could_not_try_the_canary_gets_no_film_and_is_asked_again(watched):
    canary_says(watched, "EIO")
    watched.receive("film-1")
    watched.begin()
    watched.go(lambda: heard(watched) == ["canary", "canary"])
    assert watched.finished == []
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-1"])


def test_a_worker_hired_while_another_was_wrong_is_asked_before_its_first_film(watched):
    watched.begin(workers=2)
    watched.go(lambda: all(worker.is_proven for worker in watched.hired))
    watched.receive("film-0")
    watched.go(lambda: watched.finished == ["film-0"])
    first, second = watched.hired
    second.canary_due = watched.now + AGAIN_S / 2  # the other one has its turn a little later
    first.canary_due = watched.now
    canary_says(watched, "0.7")
    watched.never_asks = True
    watched.go(lambda: len(watched.hired) == 3)
    canary_says(watched, "0.5")
    watched.go(lambda: watched.canary.is_sound and watched.hired[2].answered_by)
    assert not watched.hired[2].has_room
