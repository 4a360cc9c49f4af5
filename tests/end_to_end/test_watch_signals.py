"""Signals that are not meant to stop the service do not stop it, and SIGTERM stops all of it."""

import os
import shlex
import signal

import pytest
from watch_service import Watcher, alive, children_of, decided, film_bytes, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_of_a_closed_terminal_or_of_log_rotation_stops_nothing(folder, out, number):
    """A terminal sends it to all processes of the service."""
    with Watcher(folder, out) as watcher:
        wait_until(lambda: "worker ready" in watcher.said(), what="a worker")
        for pid in (watcher.process.pid, *children_of(watcher.process.pid)):
            os.kill(pid, number)
        (folder / "a.png").write_bytes(film_bytes(1))
        wait_until(lambda: decided(out), what="a result")
        assert "worker exited" not in watcher.said()
        assert watcher.stop() == 0


def test_a_command_that_hangs_ends_with_the_service(folder, out, tmp_path):
    note = tmp_path / "child"
    words = shlex.join(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"])
    with Watcher(folder, out, "--on-result", words) as watcher:
        (folder / "a.png").write_bytes(film_bytes(1))
        wait_until(lambda: note.exists() and note.read_text(), what="the command runs")
        assert watcher.stop() == 0
    wait_until(lambda: not alive(int(note.read_text())), what="its child ended")
