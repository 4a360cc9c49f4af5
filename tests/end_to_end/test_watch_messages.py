"""The service tells of its results, at least once, whoever is away."""

import json
import shlex
import sys

import pytest
from watch_service import (
    Watcher,
    check_exactly_one,
    current,
    decided,
    film_bytes,
    run_once,
    sha256,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


def teller(path):
    """Return the words of a command that appends each message to a file."""
    return shlex.join([sys.executable, "-c", APPEND, str(path)])


def told(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_result_is_told_once_and_nothing_else_is(folder, out, tmp_path):
    for number in range(5):
        (folder / f"Doe^Jane {number}.png").write_bytes(film_bytes(number))
    (folder / "again.png").write_bytes(film_bytes(0))
    done = run_once(folder, out, "--on-result", teller(tmp_path / "told"))
    assert done.returncode == 0, done.stderr
    messages = told(tmp_path / "told")
    assert sorted(m["sha256"] for m in messages) == sorted(decided(out))
    for one in messages:
        assert one["state"] == current(out)[one["sha256"]]["finding"]["state"]
    assert "Doe" not in (tmp_path / "told").read_text()


def test_the_name_of_the_file_is_told_only_where_that_is_asked_for(folder, out, tmp_path):
    (folder / "Doe^Jane.png").write_bytes(film_bytes(1))
    run_once(folder, out, "--on-result", teller(tmp_path / "told"), "--message-names")
    (message,) = told(tmp_path / "told")
    assert message["path"] == "Doe^Jane.png"
    assert run_once(folder, out, "--message-names").returncode == 2


def test_a_rewritten_film_is_told_with_what_it_supersedes(folder, out, tmp_path):
    path = folder / "film.png"
    for number in (1, 2):
        path.write_bytes(film_bytes(number))
        run_once(folder, out, "--on-result", teller(tmp_path / "told"))
    first, second = told(tmp_path / "told")
    assert first["supersedes"] == []
    assert second["supersedes"] == [sha256(film_bytes(1))]


def test_a_receiver_that_is_away_holds_up_no_film_and_is_told_when_it_is_back(
    folder, out, tmp_path
):
    ready = tmp_path / "ready"
    words = shlex.join(["sh", "-c", f"test -e {ready} && {teller(tmp_path / 'told')}"])
    for number in range(5):
        (folder / f"{number}.png").write_bytes(film_bytes(number))
    with Watcher(folder, out, "--on-result", words) as watcher:
        wait_until(lambda: len(decided(out)) == 5, what="decided though nobody listens")
        wait_until(lambda: watcher.log.read_bytes().count(b"delivery failed") == 5, what="said so")
        assert watcher.stop() == 0
    ready.touch()
    with Watcher(folder, out, "--on-result", words) as watcher:
        wait_until(lambda: len(told(tmp_path / "told")) == 5, what="told after all")
        assert watcher.stop() == 0
    assert {m["sha256"] for m in told(tmp_path / "told")} == decided(out)


def test_a_result_that_was_replaced_while_the_receiver_was_away_comes_first_and_is_marked(
    folder, out, tmp_path
):
    ready, path = tmp_path / "ready", folder / "film.png"
    words = shlex.join(["sh", "-c", f"test -e {ready} && {teller(tmp_path / 'told')}"])
    with Watcher(folder, out, "--on-result", words) as watcher:
        for number in (1, 2):
            path.write_bytes(film_bytes(number))
            wait_until(lambda n=number: sha256(film_bytes(n)) in decided(out), what="decided")
        ready.touch()
        wait_until(lambda: len(told(tmp_path / "told")) == 2, what="told")
        assert watcher.stop() == 0
    old, new = told(tmp_path / "told")
    assert (old["sha256"], old["current"]) == (sha256(film_bytes(1)), False)
    assert (new["sha256"], new["current"]) == (sha256(film_bytes(2)), True)
    assert old["sequence"] < new["sequence"]


def test_messages_survive_kills(folder, out, tmp_path):
    """At least once: none is lost, whenever the service is killed."""
    for number in range(40):
        (folder / f"{number}.png").write_bytes(film_bytes(number))
    options = ("--on-result", teller(tmp_path / "told"))

    def everyone_knows():
        return {m["sha256"] for m in told(tmp_path / "told")} >= {
            sha256(film_bytes(number)) for number in range(40)
        }

    for wanted in (1, 10, 20, 30):
        with Watcher(folder, out, *options):
            wait_until(lambda n=wanted: len(decided(out)) >= n, what="some decided")
    with Watcher(folder, out, *options) as watcher:
        wait_until(everyone_knows, what="all told")
        assert watcher.stop() == 0


def test_a_command_or_a_webhook_but_not_both(folder, out):
    done = run_once(folder, out, "--on-result", "true", "--webhook", "http://127.0.0.1:9/")
    assert done.returncode == 2
    assert "choose one" in done.stderr


def test_a_content_that_comes_again_is_classified_again_where_that_is_asked_for(
    folder, out, tmp_path
):
    (folder / "a.png").write_bytes(film_bytes(1))
    words = ("--duplicates", "again", "--on-result", teller(tmp_path / "told"))
    run_once(folder, out, *words)
    run_once(folder, out, *words)
    assert len(told(tmp_path / "told")) == 1  # the same file, seen again, is not news
    (folder / "b.png").write_bytes(film_bytes(1))
    run_once(folder, out, *words)
    assert len(told(tmp_path / "told")) == 2
    (folder / "c.png").write_bytes(film_bytes(1))
    run_once(folder, out, "--on-result", teller(tmp_path / "told"))
    assert len(told(tmp_path / "told")) == 2
    check_exactly_one(out, {folder / name: film_bytes(1) for name in ("a.png", "b.png", "c.png")})
