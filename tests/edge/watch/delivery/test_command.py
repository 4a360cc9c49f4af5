"""Messages for a command: it gets each one, and leaves no process behind."""

import os
import shlex
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery import SERVICE_PID
from bonefx_edge.watch.delivery.command import CommandSink
from bonefx_edge.watch.delivery.relay import DeliveryError

CHILD = "import subprocess, sys; child = subprocess.Popen(['sleep', '600']); "
"""A program that starts another one, which does not end on its own."""
PATIENCE_S = 60.0


def run(source, **options):
    """Return the sink of a Python program that reads the message from its standard input."""
    return CommandSink(shlex.join([sys.executable, "-c", source]), **options)


def wait_for_end(pid):
    """Return when there is no such process; a zombie has ended, too."""
    end = time.monotonic() + PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < end, f"process {pid} lives on"
        time.sleep(0.02)


def is_running(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.fixture(name="note")
def _note(tmp_path):
    """Yield the file in which a command writes the number of its child; ends that in the end."""
    path = tmp_path / "child"
    yield path
    if path.exists() and path.read_text():
        with suppress(ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def note_child(path):
    """Return the source of a program that starts a child and writes down its number."""
    return f"{CHILD}open({str(path)!r}, 'w').write(str(child.pid)); "


def test_a_command_knows_the_process_of_its_service():
    run(f"import os; assert os.environ[{SERVICE_PID!r}] == {str(os.getpid())!r}")(b"{}")


@pytest.mark.parametrize("end", ["child.wait()", "sys.exit(1)", "sys.exit(0)", "1 / 0"])
def test_what_a_command_started_ends_with_it(note, end):
    sink = run(note_child(note) + end, timeout_s=3.0)
    with suppress(DeliveryError):
        sink(b"{}")
    wait_for_end(int(note.read_text()))


def test_a_command_that_runs_is_ended_with_the_service_and_no_other_is_started(note):
    sink, ended = run(note_child(note) + "child.wait()"), []

    def deliver():
        with pytest.raises(DeliveryError, match="SIGKILL"):
            sink(b"{}")
        ended.append(True)

    thread = threading.Thread(target=deliver)
    with sink:
        thread.start()
        end = time.monotonic() + PATIENCE_S
        while not (note.exists() and note.read_text()):
            assert time.monotonic() < end
            time.sleep(0.02)
    thread.join(PATIENCE_S)
    assert ended
    wait_for_end(int(note.read_text()))
    with pytest.raises(DeliveryError, match="stopping"):
        sink(b"{}")


def test_a_command_of_another_user_that_cannot_be_killed_is_waited_for(monkeypatch, caplog):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    run("pass")(b"{}")
    with pytest.raises(DeliveryError, match="longer than"):
        run("import time; time.sleep(1)", timeout_s=0.1)(b"{}")
    assert "cannot be killed" in caplog.text


def test_the_signal_that_ended_a_command_is_named():
    with pytest.raises(DeliveryError, match="SIGSEGV"):
        run("import os; os.kill(os.getpid(), 11)")(b"{}")


def test_a_command_is_given_the_message_and_takes_it_by_ending_well(tmp_path):
    told = tmp_path / "told"
    run(f"import sys; open({str(told)!r}, 'w').write(sys.stdin.read())")(b'{"a": 1}')
    assert told.read_text() == '{"a": 1}'


def test_a_command_that_ends_badly_has_not_taken_it():
    with pytest.raises(DeliveryError, match="exit code 7"):
        run("raise SystemExit(7)")(b"{}")


def test_a_command_that_does_not_read_is_no_trouble():
    run("pass")(b"x" * (1 << 20))


def test_a_command_that_hangs_is_ended():
    with pytest.raises(DeliveryError, match=r"longer than 0\.5 s"):
        run("import time; time.sleep(60)", timeout_s=0.5)(b"{}")


def test_a_program_that_was_removed_has_not_taken_it(tmp_path):
    program = tmp_path / "hook"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    deliver = CommandSink(str(program))
    deliver(b"{}")
    program.unlink()
    with pytest.raises(DeliveryError, match="could not be run"):
        deliver(b"{}")


@pytest.mark.parametrize("words", ["", "'no end", "/no/such/program", "no-such-program-at-all"])
def test_a_command_that_cannot_be_run_is_refused_at_the_start(words):
    with pytest.raises(UsageError, match="--on-result: expected a"):
        CommandSink(words)


def test_a_command_has_the_whole_message_from_its_start(tmp_path):
    """Through a pipe it would get an empty one if the service is killed just after the start."""
    source = f"import os; open({str(tmp_path / 'size')!r}, 'w').write(str(os.fstat(0).st_size))"
    run(source)(b'{"state": "fracture"}')
    assert (tmp_path / "size").read_text() == "21"
