"""A page over many films, most of them read, asked as a browser asks it.

`make chaos-page` takes 100,000 films and bounds the times (BONEFX_CHAOS=long); here 2,000.
"""

import copy
import hashlib
import http.cookiejar
import json
import os
import statistics
import sys
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from bonefx_edge.watch.journal.connection import connect as open_journal
from bonefx_page.store.database import connect, create
from bonefx_page.store.users import Role
from bonefx_page.store.verdicts import Verdicts
from page_client import PASSWORD, add_users, answered, form_token
from page_server import serve

pytestmark = pytest.mark.slow
LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS = 100_000 if LONG else 2_000
UNREAD = 10
STATES = ("fracture", "uncertain", "no_fracture", "refused")
LIST_MS, REPORT_MS = 100, 1_000
TIMES = 7
LISTS = (
    "/?day=all",
    "/?day=all&state=suspicious",
    "/?day=all&state=refused",
    "/?day=all&reading=unread",
    "/?day=all&state=suspicious&reading=unread",
    "/?day=all&reading=disagreed",
    "/?day={day}",
    "/?day=all&after=0_{middle!r}_1",
)


class Browser:
    """A reader who signed in."""

    def __init__(self, origin: str) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._origin, self._opener = origin, urllib.request.build_opener(cookies)
        token = form_token(self.get("/sign-in"))
        self.post("/sign-in", form_token=token, name=Role.READER.value, password=PASSWORD)

    def get(self, address: str) -> str:
        return self._opener.open(self._origin + address).read().decode()

    def post(self, address: str, **form: str) -> None:
        self._opener.open(self._origin + address, urllib.parse.urlencode(form).encode()).read()

    def took_ms(self, address: str) -> float:
        """Return the median time of an answer."""
        times = []
        for _ in range(TIMES):
            started = time.monotonic()
            self.get(address)
            times.append((time.monotonic() - started) * 1e3)
        return statistics.median(times)


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def received(number: int) -> float:
    """Ten minutes from film to film: two years."""
    return 1_700_000_000.0 + number * 600


def fill_journal(folder: Path, pattern: dict) -> None:
    """Write a journal of many films; the pattern is one result."""
    with closing(open_journal(folder, owner=True)) as connection:
        connection.execute("BEGIN")
        for number in range(FILMS):
            record = copy.deepcopy(pattern)
            record["sha256"] = record["finding"]["sha256"] = sha256(number)
            record["finding"]["state"] = STATES[number % 4]
            connection.execute(
                "INSERT INTO image (sha256, state, received, classified_at, record)"
                " VALUES (?, 'done', ?, ?, ?)",
                (sha256(number), received(number), received(number), json.dumps(record)),
            )
        connection.execute("COMMIT")


def judge_one(browser: Browser, data: Path) -> dict:
    """Give a verdict by the page; return what its file has."""
    page = browser.get(f"/film/{sha256(0)}")
    at = page.split('name="classified_at" value="')[1].partition('"')[0]
    form = {"form_token": form_token(page), "classified_at": at, "answer": "fracture"}
    browser.post(f"/film/{sha256(0)}/verdict", **form)
    return json.loads((data / "verdicts" / f"{sha256(0)}.jsonl").read_text())


def judge_all(data: Path, pattern: dict) -> None:
    """Write the same verdict about all films but a few, and read the files into the database."""
    add_users(data)
    files = data / "verdicts"
    files.mkdir()
    for number in range(FILMS - UNREAD):
        own = {"sha256": sha256(number), "received": received(number), "state": STATES[number % 4]}
        (files / f"{sha256(number)}.jsonl").write_text(json.dumps(pattern | own) + "\n")
    with closing(connect(create(data))) as connection:
        assert Verdicts(connection, data).rebuild() == FILMS - UNREAD


def test_lists_and_report_of_many_films(out, tmp_path) -> None:
    place, data = tmp_path / "out", tmp_path / "read"
    place.mkdir()
    fill_journal(place / "journal", json.loads((out / f"{answered(out)}.json").read_text()))
    with serve(place, tmp_path / "page", films=place) as served:
        pattern = judge_one(Browser(served.origin), served.data)
    judge_all(data, pattern)
    day = time.strftime("%Y-%m-%d", time.localtime(received(FILMS // 2)))
    with serve(place, data, films=place) as served:
        browser = Browser(served.origin)
        assert browser.get("/?day=all&reading=unread").count('class="thumb"') == UNREAD
        assert f"Verdicts that count: {FILMS - UNREAD}." in browser.get("/report")
        names = [address.format(day=day, middle=received(FILMS // 2)) for address in LISTS]
        took = {address: round(browser.took_ms(address)) for address in (*names, "/report")}
    if LONG:
        sys.stdout.write(f"{FILMS} films, ms: {took}\n")
        assert took.pop("/report") < REPORT_MS
        assert max(took.values()) < LIST_MS, took
