"""`make demo-page`: service and page over the films of the demo, with one command."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browser import Visit
from page_server import answers, free_port
from playwright.sync_api import expect
from watch_service import alive, children_of, wait_until

SCRIPT = Path(__file__).parents[3] / "demo" / "page.py"


@pytest.fixture(name="demo")
def _demo(tmp_path):
    """The demo as a shell starts it: in a process group of its own. And its log and its port."""
    log, port = tmp_path / "log", free_port()
    command = [sys.executable, str(SCRIPT), str(tmp_path / "demo"), "--port", str(port)]
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True) as process,
    ):
        yield process, log, port
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_the_demo_shows_its_films_until_ctrl_c(demo, browser) -> None:
    process, log, port = demo
    wait_until(
        lambda: "the page is at" in log.read_text() or process.poll() is not None, what="the page"
    )
    password = re.search(r"shown once: (\S+)", log.read_text())[1]
    visit = Visit(browser, f"http://127.0.0.1:{port}")
    wait_until(lambda: answers(visit.origin), what="the page answers")
    visit.sign_in("demo", password)
    expect(visit.page.locator(".films li")).to_have_count(11)
    expect(visit.page.locator(".health")).to_have_text("The service works.")
    visit.close()
    started = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert len(started) == 2
    assert not any(alive(pid) for pid in started)
