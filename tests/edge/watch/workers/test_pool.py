"""No result is believed of a worker that has not answered the canary film rightly."""

import pytest
from bonefx_edge.watch.workers.canary import CANARY_INTERVAL_S, CANARY_RETRY_S
from scripted_worker import jobs_in
from watched_folder import SETTLE_S


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
    watched.now += CANARY_INTERVAL_S - 100.0
    watched.service.step()
    assert heard(watched).count("canary") == 1
    watched.now += 100.0
    watched.go(lambda: heard(watched).count("canary") == 2)
    watched.go(lambda: watched.canary.last_passed == watched.now)


def test_a_wrong_answer_stops_results_until_another_worker_answers_rightly(watched):
    service = watched.begin()
    learn(watched)
    canary_says(watched, "0.7")
    watched.now += CANARY_INTERVAL_S
    watched.receive("film-1")
    watched.go(lambda: not service.snapshot().canary_is_healthy)
    began = watched.now
    watched.go(lambda: service.is_ready() and len(watched.spawned) == 2)
    assert watched.now < began + CANARY_RETRY_S
    while watched.now < began + CANARY_RETRY_S - 2 * SETTLE_S:
        service.step()
        watched.now += SETTLE_S
    watched.go(lambda: watched.pool.is_idle)
    assert watched.finished == ["film-0"]
    assert len(watched.spawned) == 2
    assert heard(watched).count("canary") == 2, "a worker was asked before its time"
    assert watched.states()["film-1"] == "received"
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-0", "film-1"])
    assert service.snapshot().canary_is_healthy


def test_films_behind_a_wrong_answer_are_released_without_a_result(watched):
    """They are in the worker's hands before it has answered."""
    watched.begin()
    learn(watched)
    canary_says(watched, "0.7")
    watched.now += CANARY_INTERVAL_S
    watched.receive("film-1", "film-2")
    watched.go(lambda: not watched.canary.is_healthy)
    watched.go(lambda: set(watched.states().values()) == {"done", "received"})
    assert watched.finished == ["film-0"]
    assert watched.row("film-1")["attempts"] == 0


@pytest.mark.parametrize("word", ["exit", "SIGSEGV"])
def test_a_worker_that_the_canary_ends_is_wrong_and_no_film_is_blamed(watched, word):
    watched.begin()
    learn(watched)
    canary_says(watched, word)
    watched.now += CANARY_INTERVAL_S
    watched.receive("film-1")
    watched.go(lambda: not watched.canary.is_healthy)
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-0", "film-1"])
    assert watched.reasons()["film-1"] is None


@pytest.mark.parametrize("word", ["EIO", "SIGKILL"])
def test_want_of_memory_or_a_disk_says_nothing_of_the_answer(watched, word):
    watched.begin()
    learn(watched)
    answered = watched.canary.last_passed
    canary_says(watched, word)
    watched.now += CANARY_INTERVAL_S
    watched.go(lambda: heard(watched).count("canary") == 2)
    watched.go(lambda: watched.pool.is_idle)
    assert watched.canary.is_healthy
    assert watched.canary.last_passed == answered


def test_a_worker_that_could_not_try_the_canary_gets_no_film_and_is_asked_again(watched):
    canary_says(watched, "EIO")
    watched.receive("film-1")
    watched.begin()
    watched.go(lambda: heard(watched) == ["canary", "canary"])
    assert watched.finished == []
    canary_says(watched, "0.5")
    watched.go(lambda: watched.finished == ["film-1"])


def test_a_worker_started_while_another_was_wrong_is_asked_before_its_first_film(watched):
    watched.begin(workers=2)
    watched.go(lambda: all(worker.is_verified for worker in watched.spawned))
    watched.receive("film-0")
    watched.go(lambda: watched.finished == ["film-0"])
    first, second = watched.spawned
    second.canary_due = (
        watched.now + CANARY_RETRY_S / 2
    )  # the other one has its turn a little later
    first.canary_due = watched.now
    canary_says(watched, "0.7")
    watched.never_asks = True
    watched.go(lambda: len(watched.spawned) == 3)
    canary_says(watched, "0.5")
    watched.go(lambda: watched.canary.is_healthy and watched.spawned[2].predictor)
    assert not watched.spawned[2].has_capacity
