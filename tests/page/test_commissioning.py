"""A commissioning from the page: one at a time, in its own process, and its profile is used."""

import csv
import dataclasses
import hashlib
import os
import signal
from pathlib import Path

import cv2
import pytest
from bonefx_page.application import build
from bonefx_page.films.site_figures import read_figures
from bonefx_page.store.users import Role
from page_client import answered, form_token, give, sign_in
from starlette.testclient import TestClient
from toy import film, toy_path
from watch_service import alive, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(name="base", scope="module")
def _base(tmp_path_factory):
    """A folder with 61 normal films in `week`, one in `day`, and a link that leads out of it."""
    base = tmp_path_factory.mktemp("base")
    for name, grays in (("week", range(60, 182, 2)), ("day", [90])):
        (base / name / "normal").mkdir(parents=True)
        for gray in grays:
            cv2.imwrite(str(base / name / "normal" / f"{gray}.png"), film(gray))
    (base / "link").symlink_to(base.parent)
    Path(os.fsdecode(os.fsencode(base) + b"/caf\xe9")).mkdir()  # no page can show this name
    return base


@pytest.fixture(name="site")
def _site(settings, base, tmp_path):
    return dataclasses.replace(
        settings, commission_from=base, site_profile=tmp_path / "site-profile.json",
        commission_options=("--model", str(toy_path("int8"))),
    )  # fmt: skip


@pytest.fixture(name="admin")
def _admin(site):
    with TestClient(build(site), base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.ADMIN)
        yield client


def children() -> list[int]:
    """Return the commissionings that any thread of this process has started.

    A browser of another test may be a child, too.
    """
    tasks = Path("/proc/self/task").glob("*/children")
    found = [int(child) for task in tasks for child in task.read_text().split()]
    return [
        child for child in found if b"commission" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def post(client, path="/commissioning", **form):
    token = form_token(client.get("/commissioning").text)
    return client.post(path, data={"form_token": token} | form)


def start(client, source, **form):
    return post(client, source=source, **{"specificity": "90", "rule": "expected"} | form)


def use(client, page):
    """Confirm the report that a page shows."""
    profile = page.split('name="profile" value="')[1].partition('"')[0]
    return post(client, "/commissioning/use", confirmed="yes", profile=profile)


def finished(client) -> str:
    """Return the page of the commissioning when none runs any more."""
    wait_until(lambda: "It runs." not in client.get("/commissioning").text, what="commissioning")
    return client.get("/commissioning").text


def test_a_commissioning_is_followed_read_confirmed_and_used(admin, site) -> None:
    assert start(admin, "week").status_code == 303
    page = finished(admin)
    assert "Normal films: 61" in page
    assert "Save the site profile" in page
    whole = admin.get("/commissioning/report")
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert b"<html" in whole.content
    assert post(admin, "/commissioning/use").status_code == 400, "not confirmed"
    assert not site.site_profile.exists()
    assert post(admin, "/commissioning/use", confirmed="yes", profile="0" * 64).status_code == 400
    assert not site.site_profile.exists(), "another one than that of the page that was read"
    assert use(admin, page).status_code == 303
    assert read_figures(site.site_profile)[1].specificity.n == 61
    log = admin.get("/audit").text
    assert log.count("started commissioning") == log.count("used site profile") == 1


def test_there_is_one_at_a_time_and_it_can_be_canceled(admin, site) -> None:
    start(admin, "week")
    (child,) = children()
    os.killpg(child, signal.SIGSTOP)  # it goes on while the test looks
    assert "It runs." in admin.get("/commissioning").text
    again = start(admin, "day")
    assert again.status_code == 400
    assert "runs already" in again.text
    assert admin.get("/?day=all").status_code == 200
    assert post(admin, "/commissioning/cancel").status_code == 303
    assert not alive(child)
    assert not (site.data / "commissioning").exists()


def test_a_page_that_was_killed_and_started_again_knows_the_one_that_runs(admin, site) -> None:
    start(admin, "week")
    (child,) = children()
    os.killpg(child, signal.SIGSTOP)
    with TestClient(build(site), base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.ADMIN)
        assert "It runs." in client.get("/commissioning").text
        assert start(client, "day").status_code == 400
        assert post(client, "/commissioning/cancel").status_code == 303
        assert "It runs." not in client.get("/commissioning").text
    assert "It runs." not in admin.get("/commissioning").text


def test_it_ends_with_the_page(site) -> None:
    with TestClient(build(site), base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.ADMIN)
        start(client, "week")
        (child,) = children()
        os.killpg(child, signal.SIGSTOP)
    assert not alive(child)


def test_one_that_fails_says_why_also_after_a_restart_of_the_page(admin, site) -> None:
    start(admin, "day")
    assert "at least 60 are needed" in finished(admin)
    with TestClient(build(site), base_url="http://127.0.0.1") as client:
        sign_in(client, Role.ADMIN)
        assert "at least 60 are needed" in client.get("/commissioning").text


@pytest.mark.parametrize(
    "form",
    [
        {"source": "../base"}, {"source": "link"}, {"source": ""}, {"source": "week/normal"},
        {"source": "week", "rule": "other"}, {"source": "week", "specificity": "nan"},
        {"source": "week", "specificity": "20"}, {"source": "week", "specificity": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_other_films_and_other_wishes_are_refused(admin, form) -> None:
    assert start(admin, **form).status_code == 400
    assert not children()


def test_films_with_a_verdict_are_taken_with_their_body_part(admin, site, out) -> None:
    give(admin, answered(out), answer="fracture")
    assert start(admin, "verdicts").status_code == 303
    finished(admin)
    with (site.data / "commissioning" / "films.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["label"] == "fractured"
    assert Path(row["path"]).is_file()


def test_the_profile_of_another_model_is_not_used(site) -> None:
    other = dataclasses.replace(site, commission_options=("--model", str(toy_path("float32"))))
    with TestClient(build(other), base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.ADMIN)
        start(client, "week")
        assert "The service uses another model" in finished(client)
        profile = hashlib.sha256((site.data / "commissioning" / "site-profile.json").read_bytes())
        form = {"confirmed": "yes", "profile": profile.hexdigest()}
        assert post(client, "/commissioning/use", **form).status_code == 400
        assert not site.site_profile.exists()
