"""edge-admin list, show and status: what a person asks about results, from a real journal."""

import dataclasses
import json
import os
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from bonefx_dicom.sender.progress import note_not_sent
from bonefx_edge import NOTICE
from bonefx_edge.cli.admin import app
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.errors import ADVICE, Reason
from bonefx_edge.inference.decision import State
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal import listing
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.outbox import message
from bonefx_edge.watch.results import result_record
from example_findings import ANSWERED, REFUSED
from typer.testing import CliRunner
from watch_service import Watcher, decided, film_bytes, sha256, wait_until

TODAY = "2026-11-29"
NOW = datetime(2026, 11, 29, 17, tzinfo=UTC).timestamp()
TEN = datetime(2026, 11, 29, 10, tzinfo=UTC).timestamp()
DAY_S = 86400.0
STATES = {
    State.FRACTURE: ANSWERED,
    State.UNCERTAIN: dataclasses.replace(ANSWERED, state=State.UNCERTAIN, p_fracture=0.5),
    State.NO_FRACTURE: dataclasses.replace(
        ANSWERED,
        state=State.NO_FRACTURE,
        p_fracture=0.1,
        regions=(),
        site_profile=None,
        accepted=(SiteSwitch.NO_PREAMBLE,),
    ),
    State.REFUSED: REFUSED,
}


class Device:
    """A folder of results whose journal a test fills, and edge-admin for it."""

    def __init__(self, out) -> None:
        self.out, self.n = out, 0
        self.journal = Journal.open(out / "journal", owner=True)
        self.journal.set_meta("folder", "/srv/incoming")

    def receive(self, name: str | bytes, sha: str, *, at: float = TEN) -> str:
        self.n += 1
        signature = Signature(self.n, self.n, self.n)
        self.journal.files.receive(os.fsencode(name), signature, sha, now=at)
        return sha

    def add(self, name, sha, state=State.FRACTURE, *, at=TEN, messages=False) -> str:
        """Receive a film and classify it 2 s later."""
        self.receive(name, sha, at=at)
        finding = dataclasses.replace(STATES[state], path=os.fsdecode(name), sha256=sha)
        record = result_record(
            finding.to_dict(), received=at, classified_at=at + 2, predictor="toy"
        )
        body = message(record, supersedes=()) if messages else None
        assert self.journal.claim(now=at).sha256 == sha
        self.journal.finish(sha, record, predictor="toy", now=at + 2, message=body)
        return sha

    def ask(self, command: str, *args: str):
        return CliRunner().invoke(app, [command, str(self.out), *args])


@pytest.fixture
def device(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    device = Device(tmp_path)
    yield device
    device.journal.close()
    monkeypatch.undo()
    time.tzset()


def hex_of(digit: str) -> str:
    return digit * 64


def test_list_shows_the_images_of_today_newest_last(device) -> None:
    device.add("evening.png", hex_of("1"), State.UNCERTAIN, at=TEN + 3600)
    device.add("late/yesterday.png", hex_of("2"), at=TEN - DAY_S)
    device.add("morning.png", hex_of("3"), State.NO_FRACTURE, at=TEN)
    device.add("damaged.png", hex_of("4"), State.REFUSED, at=TEN + 60)
    device.receive("waits.png", hex_of("5"), at=TEN + 7200)
    done = device.ask("list")
    assert done.exit_code == 0, done.output
    _, _, table = done.stdout.partition("time      state        score  file\n")
    assert table == (
        "10:00:00  no fracture  0.27   morning.png\n"
        "10:01:00  refused      -      damaged.png\n"
        f"          truncated: {ADVICE[Reason.TRUNCATED]}\n"
        "11:00:00  uncertain    0.50   evening.png\n"
        "12:00:00  waiting      -      waits.png\n"
        "\n4 images: 0 fracture, 1 uncertain, 1 no fracture, 1 refused, 1 waiting\n"
    )
    assert " ".join(done.stdout.split()).startswith(NOTICE)
    assert "received on 2026-11-29" in done.stdout


def test_list_takes_another_day_and_one_state(device) -> None:
    device.add("a.png", hex_of("1"), at=TEN - DAY_S)
    device.add("b.png", hex_of("2"), State.REFUSED, at=TEN - DAY_S)
    device.add("c.png", hex_of("3"), at=TEN)
    done = device.ask("list", "--day", "2026-11-28", "--state", "fracture", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["files"] for row in rows] == [["a.png"]]
    assert rows[0]["received"] == "2026-11-28T10:00:00+00:00"
    assert rows[0]["score"] == STATES[State.FRACTURE].score
    assert (rows[0]["state"], rows[0]["sha256"]) == ("fracture", hex_of("1"))


@pytest.mark.parametrize("option", ["--day=29.11.2026", "--day=0001-01-01", "--state=broken"])
def test_list_refuses_what_is_no_day_and_no_state(device, option: str) -> None:
    assert device.ask("list", option).exit_code == 2


def test_the_day_and_the_times_are_local(device, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    device.add("before_midnight.png", hex_of("1"), at=NOW - 2.5 * 3600)  # 23:30 in Tokyo
    device.add("after_midnight.png", hex_of("2"), at=NOW - 1.5 * 3600)
    text = device.ask("list").stdout
    assert "00:30:00  fracture" in text
    assert "before_midnight" not in text
    assert "2026-11-30" in text


def test_a_day_of_several_pages_is_listed_whole_and_in_order(device, monkeypatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 3)
    for number in range(8):
        device.add(f"{number}.png", f"{number:064x}", at=TEN + number)
    rows = [json.loads(line) for line in device.ask("list", "--json").stdout.splitlines()]
    assert [row["files"][0] for row in rows] == [f"{number}.png" for number in range(8)]


def test_odd_names_fit_the_line_and_are_found_as_printed(device) -> None:
    device.add("Röntgen/" + "x" * 60 + "/hand-é.png", hex_of("1"))
    device.add(b"left\n\xff.png", hex_of("2"))
    device.add("写真" * 30 + ".png", hex_of("3"))
    text = device.ask("list").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "...x" in text
    assert "hand-é.png" in text
    assert "left\\n\\udcff.png" in text
    whole = "Röntgen/" + "x" * 60 + "/hand-é.png"
    assert device.ask("show", "hand-é.png").stdout.startswith(f"file          {whole}\n")
    assert f"sha256        {hex_of('2')}" in device.ask("show", "left\\n\\udcff.png").stdout
    assert f"sha256        {hex_of('1')}" in device.ask("show", "hand-e\u0301.png").stdout


def test_a_result_stays_listed_while_the_image_is_classified_again(device) -> None:
    device.add("a.png", hex_of("1"))
    assert device.ask("requeue", "--sha256", "1").exit_code == 0
    assert "fracture     0.72   a.png" in device.ask("list").stdout
    shown = device.ask("show", "a.png").stdout
    assert "state         fracture" in shown
    assert "now           waits to be classified again" in shown


def test_show_says_all_of_one_image_in_plain_lines(device) -> None:
    device.add("in/hand.png", hex_of("1"), at=TEN - DAY_S)
    device.add("in/hand.png", hex_of("2"), State.UNCERTAIN, at=TEN, messages=True)
    device.receive("copy.png", hex_of("2"), at=TEN + 9)
    done = device.ask("show", "hand.png")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for line in (
        "file          in/hand.png",
        "also named    copy.png",
        "state         uncertain",
        "score         0.50: below 0.33 no fracture, from 0.67 fracture",
        "region        x 10 to 110, y 20 to 120 px, tile score 0.75",
        f"thresholds    of this site: commissioned {TODAY}, site profile {'ef' * 6}",
        "model         toy 1.0.0, tiled, operating point balanced",
        "received      2026-11-29 10:00:00",
        "classified    2026-11-29 10:00:02",
        "replaces      2026-11-28 10:00:02, fracture 0.72, sha256 111111111111",
        "messages      1 not delivered, 0 failed attempts",
    ):
        assert line in lines
    assert NOTICE in " ".join(done.stdout.split())
    old = device.ask("show", "1111").stdout
    assert "replaced by   sha256 222222222222: the file was overwritten" in old


def test_show_says_why_an_image_was_refused_and_what_to_do(device) -> None:
    device.add("a.png", hex_of("1"), State.REFUSED)
    lines = device.ask("show", "/srv/incoming/a.png").stdout.splitlines()
    assert "refused for   truncated: expected all, got half" in lines
    assert f"what to do    {ADVICE[Reason.TRUNCATED]}" in lines
    assert "thresholds    not commissioned: of the model, not of this site" in lines


def test_show_says_which_site_switches_an_image_needed(device) -> None:
    device.add("a.png", hex_of("1"), State.NO_FRACTURE)
    assert "accepted      no-preamble\n" in device.ask("show", "a.png").stdout


def test_show_lists_the_images_that_a_name_matches(device) -> None:
    device.add("monday/hand.png", hex_of("1"), at=TEN - DAY_S)
    device.add("tuesday/hand.png", hex_of("2"), at=TEN)
    device.add("tuesday/left-hand.png", hex_of("3"), at=TEN + 60)
    done = device.ask("show", "hand.png")
    assert done.exit_code == 2
    assert "2026-11-28 10:00:00  fracture     0.72   monday/hand.png" in done.stdout
    assert "left-hand" not in done.stdout  # two files have exactly this name
    assert "2 images match" in done.stderr
    assert device.ask("show", "left").exit_code == 0
    assert device.ask("show", "monday/hand.png").exit_code == 0


def test_show_confuses_no_number_in_a_name_with_the_sha256_of_another_image(device) -> None:
    device.add("other.png", "0750" + "a" * 60)
    device.add("hand-0750.png", hex_of("b"))
    done = device.ask("show", "0750")
    assert done.exit_code == 2
    assert "other.png" in done.stdout
    assert "hand-0750.png" in done.stdout
    assert device.ask("show", "0750aaaa").exit_code == 0


def test_show_of_nothing_known_says_where_to_see_the_names(device) -> None:
    done = device.ask("show", "nonesuch.png")
    assert done.exit_code == 2
    assert "edge-admin list" in done.stderr


def test_show_names_a_file_that_cannot_be_read(device) -> None:
    device.journal.files.mark_unreadable(b"locked.png", "EACCES")
    done = device.ask("show", "locked.png")
    assert done.exit_code == 0
    assert "cannot be read (EACCES)" in done.stdout
    assert "Files or folders that cannot be read: 1, see" in device.ask("list").stdout


def test_status_counts_today_and_names_what_needs_a_person(device) -> None:
    for digit, state in zip("1234", State, strict=True):
        device.add(f"{digit}.png", hex_of(digit), state, at=TEN + int(digit), messages=True)
    device.add("old.png", hex_of("5"), at=TEN - DAY_S)
    device.journal.files.mark_unreadable(b"locked.png", "EACCES")
    device.receive("fails.png", hex_of("6"))
    device.journal.claim(now=TEN)
    device.journal.fail(hex_of("6"), "no_memory", now=TEN)
    device.receive("gone.png", hex_of("7"))
    device.journal.files.mark_missing([b"gone.png"])
    device.journal.claim(now=TEN)
    text = device.ask("status").stdout
    assert "today          1 fracture, 1 uncertain, 1 no fracture, 1 refused\n" in text
    _, _, rest = text.partition("Needs a person:\n")
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "1 image was refused today: see edge-admin list --state refused\n",
        "1 file or folder cannot be read: correct the permissions\n    EACCES  locked.png\n",
        "1 image failed and is retried: see the log of the service\n    no_memory  fails.png\n",
        "1 image is absent: put the file back, or leave it\n    gone.png\n",
        "4 messages not delivered: see the log of the service\n",
    ):
        assert words in rest
    found = json.loads(device.ask("status", "--json").stdout)
    assert found["today"] == {"fracture": 1, "uncertain": 1, "no_fracture": 1, "refused": 1}
    assert found["drift"] == {"films": 0, "departed": {}}
    assert "locked.png" not in device.ask("status", "--json").stdout  # may be stored by monitoring


def test_status_counts_the_results_that_an_archive_did_not_get(device) -> None:
    for n, words in ((1, "1 result was not sent"), (2, "2 results were not sent")):
        note_not_sent(device.out, hex_of("1"), to="PACS@h:104", cause="status A900", now="")
        said = device.ask("status").stdout
        assert f"  {words} to an archive: see dicom-not-sent.jsonl, then delete it\n" in said
        assert json.loads(device.ask("status", "--json").stdout)["dicom_not_sent"] == n


def test_status_says_when_nothing_needs_a_person(device) -> None:
    assert "Needs a person: nothing.\n" in device.ask("status").stdout


def test_list_and_show_work_while_the_service_runs_and_leave_no_name_in_its_log(tmp_path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "garfield_jon.png").write_bytes(film_bytes(1))
    device = SimpleNamespace(out=out)
    with Watcher(folder, out) as watcher:
        wait_until(lambda: decided(out), what="the result")
        listed = Device.ask(device, "list")
        shown = Device.ask(device, "show", "garfield_jon.png")
        assert watcher.process.poll() is None
        assert watcher.stop() == 0
        said = watcher.said()
    assert "garfield_jon.png" in listed.stdout
    assert sha256(film_bytes(1)) in shown.stdout
    assert "model         toy 1.0.0" in shown.stdout
    assert "garfield" not in said
