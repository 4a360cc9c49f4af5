"""The disk of the page is full: reading goes on, and no lost verdict is taken for a saved one."""

import dataclasses
import json
import stat
from contextlib import closing

import pytest
from bonefx_page.application import build
from bonefx_page.store.audit import Action, Audit, AuditMemory
from bonefx_page.store.database import DATABASE_NAME, connect
from bonefx_page.store.users import Role
from page_client import add_users, answered, give, sign_in
from starlette.testclient import TestClient
from watch_service import fill


@pytest.fixture(name="full")
def _full(settings, small_disk):
    """A client with a reader, whose page has its folder on a disk that is full; and the filling."""
    settings = dataclasses.replace(settings, data=small_disk / "page")
    add_users(settings.data)
    application = build(settings)
    with TestClient(application, base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.ADMIN)
        ballast = small_disk / "ballast"
        fill(ballast)
        yield client, ballast


def test_films_are_read_on_a_full_disk_and_a_verdict_says_that_it_was_not_saved(full, out) -> None:
    client, ballast = full
    film = answered(out)
    for _ in range(30):  # until the log of the database has no room left either
        for path in ("/?day=all", f"/film/{film}", f"/picture/{film}/large", f"/film/{film}/slip"):
            assert client.get(path).status_code == 200
    refused = give(client, film, answer="fracture")
    assert refused.status_code == 503
    assert "Your verdict was not saved" in refused.text
    assert "Verdicts</h2>" not in client.get(f"/film/{film}").text
    ballast.unlink()
    assert give(client, film, answer="no_fracture").status_code == 303
    (file,) = (ballast.parent / "page" / "verdicts").glob("*.jsonl")
    assert [json.loads(line)["answer"] for line in file.read_text().splitlines()] == ["no_fracture"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with closing(connect(ballast.parent / "page" / DATABASE_NAME)) as connection:
        entries = Audit(connection, AuditMemory()).entries(before=10_000, limit=10_000)
    assert sum(entry.action is Action.SAW_SLIP for entry in entries) == 30, "they are written later"


def test_signing_in_on_a_full_disk_says_why_it_is_not_possible(full) -> None:
    client, _ = full
    for _ in range(40):
        answer = sign_in(client, Role.READER)
        if answer.status_code != 303:
            break
    assert answer.status_code == 503
    assert "the disk of the device is full" in answer.text
