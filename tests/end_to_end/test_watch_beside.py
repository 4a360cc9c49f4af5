"""What the service does beside its films: tells of results, moves originals, answers a monitor."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress

import pytest
from watching import (
    Watcher,
    check_exactly_one,
    children_of,
    current,
    decided,
    film_bytes,
    films,
    run_once,
    sha256,
    wait_until,
)

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


def teller(path):
    """Return the words of a command that appends each message to a file."""
    return shlex.join([sys.executable, "-c", APPEND, str(path)])


def told(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(port, page):
    """Return what a page says; nothing while the service is not up, or is unready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""


# ---- messages ----


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
        wait_until(lambda: watcher.log.read_bytes().count(b"not taken") == 5, what="said so")
        assert watcher.stop() == 0
    ready.touch()
    with Watcher(folder, out, "--on-result", words) as watcher:
        wait_until(lambda: len(told(tmp_path / "told")) == 5, what="told after all")
        assert watcher.stop() == 0
    assert {m["sha256"] for m in told(tmp_path / "told")} == decided(out)


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


# ---- moves ----


def moved(folder):
    """Return the contents below a folder by the name without the digits of the hash."""
    return {
        re.sub(r"\.[0-9a-f]{16}", "", str(path.relative_to(folder))): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("other_disk", [False, True])
def test_originals_go_where_they_were_asked_to(folder, out, tmp_path, small_disk, other_disk):
    target = (small_disk if other_disk else tmp_path) / "moved"
    for state in ("done", "refused"):
        (target / state).mkdir(parents=True)
    (folder / "day").mkdir()
    good = {"a.png": film_bytes(1), "day/b.png": film_bytes(2), "day/again.png": film_bytes(1)}
    for name, data in good.items():
        (folder / name).write_bytes(data)
    (folder / "note.png").write_bytes(b"this is no film")
    words = ("--move-done", str(target / "done"), "--move-refused", str(target / "refused"))
    assert run_once(folder, out, *words).returncode == 3
    assert moved(target / "done") == good
    assert moved(target / "refused") == {"note.png": b"this is no film"}
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert len(decided(out)) == 3
    assert run_once(folder, out, *words).returncode == 0
    assert len(decided(out)) == 3


def test_without_being_asked_no_original_moves(folder, out, tmp_path):
    (folder / "a.png").write_bytes(film_bytes(1))
    (folder / "note.png").write_bytes(b"this is no film")
    (tmp_path / "done").mkdir()
    run_once(folder, out, "--move-done", str(tmp_path / "done"))
    assert [path.name for path in folder.iterdir()] == ["note.png"]


def test_a_refused_half_film_stays_for_ten_minutes_for_it_may_be_completed(folder, out, tmp_path):
    path = folder / "film.png"
    path.write_bytes(film_bytes(1)[:500])
    (tmp_path / "refused").mkdir()
    words = ("--move-refused", str(tmp_path / "refused"))
    assert run_once(folder, out, *words).returncode == 3
    assert path.exists()
    path.write_bytes(film_bytes(1))
    run_once(folder, out, *words)
    check_exactly_one(out, {path: film_bytes(1)})


def test_films_of_one_name_that_come_one_after_another_are_all_kept(folder, out, tmp_path):
    done = tmp_path / "done"
    done.mkdir()
    path = folder / "IMG0001.png"
    with Watcher(folder, out, "--move-done", str(done), "--poll", "always") as watcher:
        for number in range(3):
            path.write_bytes(film_bytes(number))
            wait_until(lambda: not path.exists(), what="moved")
        assert watcher.stop() == 0
    contents = sorted(p.read_bytes() for p in done.iterdir())
    assert contents == sorted(film_bytes(n) for n in range(3))
    assert decided(out) == {sha256(film_bytes(n)) for n in range(3)}


def test_films_that_are_moved_inside_of_the_watched_folder_are_not_taken_again(folder, out):
    (folder / "a.png").write_bytes(film_bytes(1))
    (folder / "done").mkdir()
    words = ("--move-done", str(folder / "done"))
    run_once(folder, out, *words)
    assert moved(folder / "done") == {"a.png": film_bytes(1)}
    run_once(folder, out, *words)
    assert [row["state"] for row in films(out).values()] == ["done"]
    assert moved(folder / "done") == {"a.png": film_bytes(1)}


def test_moves_survive_kills_and_no_film_is_lost_or_doubled(folder, out, small_disk):
    target = small_disk / "done"
    target.mkdir()
    contents = {}
    for wave in range(3):
        with Watcher(folder, out, "--move-done", str(target)) as watcher:
            for number in range(10):
                data = film_bytes(10 * wave + number)
                contents[sha256(data)] = data
                (folder / f"{wave} {number}.png").write_bytes(data)

            def few_left(most=0 if wave == 2 else 7):
                return len(list(folder.iterdir())) <= most

            wait_until(few_left, what="some moved")
            if wave == 2:
                assert watcher.stop() == 0
    assert {sha256(data) for data in moved(target).values()} == set(contents)
    assert len(list(target.iterdir())) == 30
    assert decided(out) == set(contents)


def test_a_full_disk_to_move_to_keeps_originals_where_they_are(folder, out, small_disk):
    ballast = small_disk / "ballast"
    target = small_disk / "done"
    target.mkdir()
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    (folder / "a.png").write_bytes(film_bytes(1))
    done = run_once(folder, out, "--move-done", str(target))
    assert done.returncode == 0
    assert "cannot be moved (ENOSPC)" in done.stderr
    assert (folder / "a.png").read_bytes() == film_bytes(1)
    ballast.unlink()
    run_once(folder, out, "--move-done", str(target))
    assert moved(target) == {"a.png": film_bytes(1)}


def test_a_folder_inside_of_the_watched_one_is_known_also_by_a_link_or_dots(folder, out, tmp_path):
    (folder / "done").mkdir()
    (folder / "a.png").write_bytes(film_bytes(1))
    (tmp_path / "link").symlink_to(folder)
    for place in (tmp_path / "link/done", folder / "../incoming/done"):
        for _ in range(2):
            run_once(folder, out, "--move-done", str(place))
        assert moved(folder / "done") == {"a.png": film_bytes(1)}


def test_a_folder_to_move_to_that_is_not_there_is_waited_for_and_not_made(folder, out, tmp_path):
    """It may be a disk that is not mounted."""
    (folder / "a.png").write_bytes(film_bytes(1))
    done = run_once(folder, out, "--move-done", str(tmp_path / "absent"))
    assert done.returncode == 0
    assert "cannot be moved (ENOENT)" in done.stderr
    assert not (tmp_path / "absent").exists()
    (tmp_path / "absent").mkdir()
    run_once(folder, out, "--move-done", str(tmp_path / "absent"))
    assert moved(tmp_path / "absent") == {"a.png": film_bytes(1)}


def test_a_file_that_cannot_be_moved_holds_up_no_other(folder, out, tmp_path):
    """A file lies where its sub-folder would go."""
    done = tmp_path / "done"
    done.mkdir()
    (done / "day").write_bytes(b"in the way")
    (folder / "day").mkdir()
    for number, name in enumerate(("day/a.png", "z.png")):
        (folder / name).write_bytes(film_bytes(number))
    told = run_once(folder, out, "--move-done", str(done))
    assert "cannot be moved" in told.stderr
    assert (folder / "day/a.png").exists()
    assert not (folder / "z.png").exists()


@pytest.mark.parametrize("place", ["incoming", "results", "results/journal"])
def test_films_cannot_be_moved_among_films_results_or_the_journal(folder, out, tmp_path, place):
    done = run_once(folder, out, "--move-done", str(tmp_path / place))
    assert done.returncode == 2
    assert "a folder of its own" in done.stderr


# ---- duplicates ----


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


# ---- the health port and the canary ----


def test_a_monitor_sees_the_service_become_ready_count_and_lose_its_folder(folder, out):
    port = free_port()
    with Watcher(folder, out, "--health-port", str(port)) as watcher:
        wait_until(lambda: '"passed": true' in ask(port, "/readyz"), what="ready")
        (folder / "a.png").write_bytes(film_bytes(1))
        counted = 'bonefx_films{state="done"} 1.0'
        wait_until(lambda: counted in ask(port, "/metrics"), what="counted")
        shutil.rmtree(folder)
        unready = 'bonefx_check_passed{check="folder"} 0.0'
        wait_until(lambda: unready in ask(port, "/metrics"), what="folder missed")
        assert '"passed": true' in ask(port, "/livez")
        assert watcher.stop() == 0


def test_a_port_that_is_taken_ends_the_service_in_words_and_leaves_no_process(folder, out):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run_once(folder, out, "--health-port", str(server.getsockname()[1]))
    assert done.returncode == 1
    assert "expected a free port" in done.stderr


def forge_the_first_answer(out):
    """Make the journal remember another answer to the canary film than the device gives."""
    import sqlite3

    with sqlite3.connect(out / "journal/journal.sqlite") as connection:
        changed = connection.execute(
            "UPDATE fact SET value = ? WHERE name LIKE 'canary %'",
            (json.dumps(["fracture", None, 0.123]),),
        )
        assert changed.rowcount == 1
    connection.close()


def test_a_device_that_answers_the_canary_wrongly_gives_no_result_and_is_unready(folder, out):
    run_once(folder, out)
    forge_the_first_answer(out)
    (folder / "a.png").write_bytes(film_bytes(1))
    port = free_port()
    with Watcher(folder, out, "--health-port", str(port)) as watcher:
        unready = 'bonefx_check_passed{check="canary"} 0.0'
        wait_until(lambda: "answered wrongly" in watcher.said(), what="said so")
        wait_until(lambda: unready in ask(port, "/metrics"), what="unready")
        wait_until(lambda: films(out), what="the film taken in all the same")
        wait_until(lambda: children_of(watcher.process.pid), what="another worker")
        assert decided(out) == set()
        assert {row["state"] for row in films(out).values()} <= {"received"}
        assert watcher.stop() == 0


def test_once_ends_in_words_where_the_canary_is_answered_wrongly(folder, out):
    run_once(folder, out)
    forge_the_first_answer(out)
    (folder / "a.png").write_bytes(film_bytes(1))
    done = run_once(folder, out)
    assert done.returncode == 4
    assert "expected the canary film answered as before" in done.stderr
    assert decided(out) == set()


def test_the_canary_is_no_film_of_the_folder_even_if_it_lies_there(folder, out):
    from bonefx_edge.watch.canary import CANARY_PATH

    shutil.copy(CANARY_PATH, folder / "canary.jpg")
    assert run_once(folder, out).returncode in (0, 3)
    check_exactly_one(out, {folder / "canary.jpg": CANARY_PATH.read_bytes()})


def test_the_optional_parts_are_loaded_only_if_they_are_asked_for():
    program = (
        "import sys, bonefx_edge.watch.start;"
        "print([m for m in ('prometheus_client', 'http.server', 'urllib.request', 'numpy', 'cv2')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
