"""Whoever guesses passwords is slowed down, and nobody else."""

import sys
from contextlib import closing

import pytest
from bonefx_page import services
from bonefx_page.application import build
from bonefx_page.store.audit import Action, Audit, AuditMemory
from bonefx_page.store.database import DATABASE_NAME, connect
from bonefx_page.store.throttle import (
    ALL_AT_ONCE,
    ALL_PER_S,
    FREE_TRIES,
    MAX_NAMES,
    MAX_PAUSE_S,
    Throttle,
)
from bonefx_page.store.users import Role
from page_client import PASSWORD, form_token, sign_in
from starlette.testclient import TestClient

TRIES = 1000


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="clock")
def _clock():
    return Clock()


def guess(throttle: Throttle, name: str) -> bool:
    """Try a wrong password; return whether the throttle let it through."""
    if throttle.wait_s(name) > 0:
        return False
    throttle.wrong(name)
    return True


def test_one_name_gets_a_few_tries_and_then_one_a_minute(clock) -> None:
    throttle = Throttle(clock)
    assert sum(guess(throttle, "anna") for _ in range(TRIES)) == FREE_TRIES
    through = 0
    for _ in range(3600):
        clock.seconds += 1.0
        through += guess(throttle, "anna")
    assert through <= 3600 / MAX_PAUSE_S + 6, "the pauses before the longest one: 1, 2, 4 ... 32 s"
    assert throttle.wait_s("bert") == 0.0


def test_made_up_names_share_what_the_processor_can_spare_and_fill_no_memory(clock) -> None:
    throttle = Throttle(clock)
    assert sum(guess(throttle, f"name {n}") for n in range(TRIES)) == ALL_AT_ONCE
    for n in range(20 * MAX_NAMES):
        clock.seconds += 1 / ALL_PER_S
        assert guess(throttle, f"other {n}")
    assert len(throttle._wrong) == MAX_NAMES
    assert sys.getsizeof(throttle._wrong) < 100_000


def test_after_the_pause_the_right_password_counts_and_the_tries_are_forgotten(clock) -> None:
    throttle = Throttle(clock)
    for _ in range(TRIES):
        guess(throttle, "anna")
    clock.seconds += MAX_PAUSE_S
    assert throttle.wait_s("anna") == 0.0
    throttle.right("anna")
    assert sum(guess(throttle, "anna") for _ in range(TRIES)) == FREE_TRIES


def test_a_stranger_does_not_keep_out_whoever_has_signed_in_in_this_browser(
    settings, clock, monkeypatch
) -> None:
    monkeypatch.setattr(services, "Throttle", lambda: Throttle(clock))
    application = build(settings)
    with (
        TestClient(application, base_url="http://127.0.0.1", follow_redirects=False) as person,
        TestClient(application, base_url="http://127.0.0.1", follow_redirects=False) as stranger,
    ):
        assert sign_in(person, Role.READER).status_code == 303
        assert sign_in(person, Role.ADMIN).status_code == 303
        for role in list(Role) * 9:  # until each name, and all together, must wait
            sign_in(stranger, role, "wrong")
        assert sign_in(stranger, Role.READER).status_code == 429
        assert sign_in(person, Role.READER).status_code == 303
        assert sign_in(person, Role.TECHNICIAN).status_code == 429, "never signed in here"
        codes = [sign_in(person, Role.READER, "wrong").status_code for _ in range(FREE_TRIES + 1)]
        assert codes == [401] * FREE_TRIES + [429], "also a known browser is slowed down"


def test_1000_wrong_passwords_leave_the_page_as_it_was(settings, clock, monkeypatch) -> None:
    monkeypatch.setattr(services, "Throttle", lambda: Throttle(clock))
    application = build(settings)
    with TestClient(application, base_url="http://127.0.0.1", follow_redirects=False) as client:
        assert sign_in(client, Role.ADMIN).status_code == 303
        token = form_token(client.get("/sign-in").text)
        form = {"form_token": token, "name": "reader", "password": "wrong"}
        # The answer has a new form with a new token.
        codes = []
        for _ in range(TRIES):
            answer = client.post("/sign-in", data=form)
            form["form_token"] = form_token(answer.text)
            codes.append(answer.status_code)
        assert codes == [401] * FREE_TRIES + [429] * (TRIES - FREE_TRIES)
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/?day=all").status_code == 200
        assert sign_in(client, Role.TECHNICIAN).status_code == 303
        assert sign_in(client, Role.READER).status_code == 429, "also the right password waits"
        clock.seconds += MAX_PAUSE_S
        assert sign_in(client, Role.READER, PASSWORD).status_code == 303
    with closing(connect(settings.data / DATABASE_NAME)) as connection:
        entries = Audit(connection, AuditMemory()).entries(before=10_000, limit=10_000)
    wrong = [entry for entry in entries if entry.action is Action.WRONG_PASSWORD]
    assert len(wrong) == FREE_TRIES, "a try that waits is no entry: the log stays short"
