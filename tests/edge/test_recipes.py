"""The scripts in recipes/: what they send for which result; programs that record their calls."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from bonefx_edge import NOTICE

RECIPES = Path(__file__).parents[2] / "recipes"
MESSAGE = {
    "schema": "bonefx.message/2", "sha256": "0123456789abcdef" * 4, "state": "fracture",
    "classified_at": "2026-11-29T08:00:00.000+00:00", "reason": None, "score": 0.81,
    "current": True, "notice": NOTICE,
}  # fmt: skip


@pytest.fixture(name="run")
def _run(tmp_path):
    """Run a script on a message; return its exit code and what the program got."""
    record = 'echo "$@" >"$CALLS"; [ ! -t 0 ] && cat >>"$CALLS"; exit "${CODE:-0}"\n'
    for name in ("msmtp", "lp"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{record}")
    (tmp_path / "gpioset").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "gpioset (libgpiod) $VERSION" && exit\n' + record
    )
    for name in ("msmtp", "lp", "gpioset"):
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"

    def run(script: str, *words: str, environment=(), **fields):
        calls.unlink(missing_ok=True)
        own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
        done = subprocess.run(
            [str(RECIPES / script), *words], input=json.dumps(MESSAGE | fields), text=True,
            env=os.environ | own | dict(environment), check=False,
        )  # fmt: skip
        return done.returncode, calls.read_text() if calls.exists() else None

    return run


def test_the_mail_says_state_score_and_that_it_is_no_diagnosis(run):
    code, sent = run("mail.sh", "reader@example.org")
    assert code == 0
    assert sent.startswith(
        "-- reader@example.org\nTo: reader@example.org\nSubject: bonefx: fracture"
    )
    assert "Score:      0.81\n" in sent
    assert "Image:      0123456789ab\n" in sent
    assert NOTICE in sent
    assert "File:" not in sent


def test_the_mail_links_to_the_page_without_a_name(run):
    _, sent = run("mail.sh", "reader@example.org", "https://bonefx.example.org/")
    assert f"Film:       https://bonefx.example.org/film/{MESSAGE['sha256']}\n" in sent


def send(run, folder, **options):
    return run("digest.sh", "send", str(folder), "reader@example.org", **options)


def test_the_fractures_of_a_while_come_in_one_mail_and_once(run, tmp_path):
    page = "https://bonefx.example.org"
    assert send(run, tmp_path) == (0, None), "no fracture, no mail"
    for digit in "12":
        for _ in range(2):  # a message may come twice
            assert run("digest.sh", "collect", str(tmp_path), page, sha256=digit * 64)[0] == 0
    run("digest.sh", "collect", str(tmp_path), page, sha256="3" * 64, state="uncertain")
    code, sent = send(run, tmp_path)
    assert code == 0
    assert "Subject: bonefx: fracture (2)\n" in sent
    assert [sent.count(f"{page}/film/{digit * 64}\n") for digit in "123"] == [1, 1, 0]
    assert NOTICE in sent
    assert "File:" not in sent
    assert send(run, tmp_path) == (0, None)


@pytest.mark.parametrize("fields", [{"state": "no_fracture"}, {"current": False}])
def test_a_result_that_changed_before_the_mail_is_not_in_it(run, tmp_path, fields):
    run("digest.sh", "collect", str(tmp_path))
    run("digest.sh", "collect", str(tmp_path), **fields)
    assert send(run, tmp_path) == (0, None)


def test_a_digest_that_the_mail_server_does_not_take_is_sent_again(run, tmp_path):
    run("digest.sh", "collect", str(tmp_path))
    assert send(run, tmp_path, environment={"CODE": "75"})[0] == 75
    run("digest.sh", "collect", str(tmp_path), sha256="2" * 64)
    send(run, tmp_path, environment={"CODE": "75"})
    run("digest.sh", "collect", str(tmp_path), sha256="2" * 64, state="no_fracture")
    code, sent = send(run, tmp_path)
    assert (code, sent.count("Score:      0.81\n")) == (0, 1)


def test_a_fracture_that_comes_while_the_digest_is_sent_is_in_the_next_one(run, tmp_path):
    run("digest.sh", "collect", str(tmp_path))
    (film,) = tmp_path.glob("*.txt")
    recording = tmp_path / "msmtp"
    as_before = recording.read_text()
    recording.write_text(f"{as_before.splitlines()[0]}\necho later >{film}\n{as_before}")
    assert "Score:      0.81\n" in send(run, tmp_path)[1]
    recording.write_text(as_before)
    code, sent = send(run, tmp_path)
    assert (code, "later" in sent) == (0, True)


def test_a_refusal_is_mailed_with_its_reason_and_a_name_cannot_add_lines(run):
    _, sent = run(
        "mail.sh", "r@example.org", state="refused", reason="blank", score=None, path="a\nBcc: x"
    )
    assert "Refused:    blank\n" in sent
    assert "File:       aBcc: x\n" in sent
    assert "Score" not in sent


@pytest.mark.parametrize("fields", [{"state": "no_fracture"}, {"current": False}])
def test_what_nobody_waits_for_is_delivered_without_a_mail(run, fields):
    assert run("mail.sh", "reader@example.org", **fields) == (0, None)


@pytest.mark.parametrize("script", ["mail.sh", "print.sh"])
def test_a_failure_is_passed_on_so_that_the_message_is_sent_again(run, script):
    assert run(script, "x", environment={"CODE": "75"})[0] == 75


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("v1.6.3", "--mode=time --sec=5 gpiochip0 17=1"),
        ("v2.2.1", "--toggle 5s,0 --chip gpiochip0 17=1"),
    ],
)
def test_the_lamp_is_on_for_a_fracture_only(run, version, words):
    code, got = run("lamp.sh", "gpiochip0", "17", environment={"VERSION": version})
    assert (code, got.splitlines()[0]) == (0, words)
    assert run("lamp.sh", "gpiochip0", "17", state="uncertain") == (0, None)


def test_each_current_result_is_printed(run):
    code, printed = run("print.sh", "reading-room", state="no_fracture")
    assert (code, printed.splitlines()[0]) == (0, "-s -d reading-room -t bonefx -")
    assert "State:      no fracture\n" in printed
    assert NOTICE in printed
