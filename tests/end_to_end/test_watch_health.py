"""The service answers a monitor, and gives no result where the canary film is answered wrongly."""

import json
import shutil
import socket
import subprocess
import sys
import urllib.request

import pytest
from watch_service import (
    Watcher,
    check_exactly_one,
    children_of,
    decided,
    film_bytes,
    films,
    run_once,
    wait_until,
)

pytestmark = pytest.mark.slow


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
            "UPDATE meta SET value = ? WHERE name LIKE 'canary %'",
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
        wait_until(lambda: "self-test failed" in watcher.said(), what="said so")
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
    assert "Self-test failed" in done.stderr
    assert decided(out) == set()


def test_the_canary_is_no_film_of_the_folder_even_if_it_lies_there(folder, out):
    from bonefx_edge.watch.workers.canary import CANARY_PATH

    shutil.copy(CANARY_PATH, folder / "canary.jpg")
    assert run_once(folder, out).returncode in (0, 3)
    check_exactly_one(out, {folder / "canary.jpg": CANARY_PATH.read_bytes()})


def test_the_optional_parts_are_loaded_only_if_they_are_asked_for():
    program = (
        "import sys, bonefx_edge.watch.app;"
        "print([m for m in ('prometheus_client', 'http.server', 'urllib.request', 'numpy', 'cv2')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
