"""What systemd hears, by sockets of the kinds that it gives."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.monitoring import systemd as notify
from bonefx_edge.watch.monitoring.systemd import Notifier

INTERVAL_S = 60
HALF_S = INTERVAL_S / 2


class Clock:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Manager:
    """The end of the line that systemd holds."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0)
        self.name = address.replace("\0", "@")

    def heard(self) -> list[bytes]:
        """Return the messages since the last call: a datagram is there when `send` returns."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096))
            except BlockingIOError:
                return messages


@pytest.fixture(name="manager", params=["path", "abstract"])
def _manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(
        str(tmp_path / "notify") if request.param == "path" else f"\0bonefx-test-{uuid.uuid4()}"
    )
    yield manager
    manager.socket.close()


def watched(manager: Manager, clock: Clock, **variables: str) -> Notifier:
    environ = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": str(INTERVAL_S * 1_000_000)}
    return Notifier.from_environment(environ | variables, clock=clock)


def test_ready_and_status_are_one_message(manager: Manager) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": manager.name}).ready("watching")
    assert manager.heard() == [b"READY=1\nSTATUS=watching"]


def test_status_and_stopping_are_said_as_they_are(manager: Manager) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.name})
    notifier.status("3 films wait: no room, 5 µg left")
    notifier.stopping()
    assert manager.heard() == ["STATUS=3 films wait: no room, 5 µg left".encode(), b"STOPPING=1"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_status_cannot_make_another_assignment(manager: Manager, end: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.name})
    notifier.status(f"a{end}MAINPID=1")
    notifier.ready(f"a{end}MAINPID=1")
    assert manager.heard() == [b"STATUS=a MAINPID=1", b"READY=1\nSTATUS=a MAINPID=1"]


def test_a_status_that_is_no_utf_8_is_said_with_question_marks(manager: Manager) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": manager.name}).status("a\udcff")
    assert manager.heard() == [b"STATUS=a?"]


def test_the_watchdog_hears_at_once_and_then_each_half_interval(manager: Manager) -> None:
    clock = Clock()
    notifier = watched(manager, clock)
    heard = []
    for _ in range(2 * INTERVAL_S):
        notifier.heartbeat()
        heard += [clock.now] * len(manager.heard())
        clock.now += 1
    assert heard == [1000.0 + number * HALF_S for number in range(4)]


def test_just_before_half_an_interval_nothing_is_said(manager: Manager) -> None:
    clock = Clock()
    notifier = watched(manager, clock)
    notifier.heartbeat()
    clock.now += HALF_S - 0.001
    notifier.heartbeat()
    assert manager.heard() == [b"WATCHDOG=1"]
    clock.now += 0.001
    notifier.heartbeat()
    assert manager.heard() == [b"WATCHDOG=1"]


def test_a_watchdog_for_this_process_is_served(manager: Manager) -> None:
    watched(manager, Clock(), WATCHDOG_PID=str(os.getpid())).heartbeat()
    assert manager.heard() == [b"WATCHDOG=1"]


def test_a_watchdog_for_another_process_is_not_ours_to_serve(manager: Manager) -> None:
    watched(manager, Clock(), WATCHDOG_PID=str(os.getppid())).heartbeat()
    assert manager.heard() == []


def test_without_a_watchdog_no_pulse_is_sent(manager: Manager) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": manager.name}).heartbeat()
    assert manager.heard() == []


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "1"}])
def test_without_a_socket_nothing_is_said_or_logged(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier.from_environment(environ)
    notifier.ready("watching")
    notifier.status("watching")
    notifier.heartbeat()
    notifier.stopping()
    assert caplog.records == []


@pytest.mark.parametrize("name", ["notify", "vsock:2:1234"])
def test_a_socket_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"NOTIFY_SOCKET: expected /path or @name, got"):
        Notifier.from_environment({"NOTIFY_SOCKET": name})


@pytest.mark.parametrize("usec", ["", "0", "-1", "1.5", "soon", "²"])
def test_an_interval_that_is_none_is_refused(usec: str) -> None:
    with pytest.raises(UsageError, match="WATCHDOG_USEC: expected microseconds, got"):
        Notifier.from_environment({"WATCHDOG_USEC": usec})


def test_a_manager_that_is_gone_is_logged_once_a_loss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = tmp_path / "notify"
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(address)})
    notifier.ready("watching")
    notifier.status("watching")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot notify the service manager" in caplog.text

    manager = Manager(str(address))
    notifier.status("again")
    assert manager.heard() == [b"STATUS=again"]
    assert len(caplog.records) == 1

    manager.socket.close()
    address.unlink()
    notifier.status("lost")
    notifier.stopping()
    assert len(caplog.records) == 2


def test_a_pulse_that_was_not_heard_is_due_at_the_next_turn(tmp_path: Path) -> None:
    address, clock = tmp_path / "notify", Clock()
    environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "60000000"}
    notifier = Notifier.from_environment(environ, clock=clock)
    notifier.heartbeat()
    manager = Manager(str(address))
    clock.now += 1
    notifier.heartbeat()
    assert manager.heard() == [b"WATCHDOG=1"]
    manager.socket.close()


def test_a_manager_that_does_not_listen_holds_nobody_up(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its queue is filled (net.unix.max_dgram_qlen), then one more is sent."""
    monkeypatch.setattr(notify, "SEND_TIMEOUT_S", 0.001)
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.name})
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for number in range(queue + 2):
        notifier.status(str(number))
    assert "timed out" in caplog.text
    assert manager.heard()[0] == b"STATUS=0"
