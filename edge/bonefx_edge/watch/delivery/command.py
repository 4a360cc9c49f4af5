"""Deliver messages to a command: one run for each message, the message on standard input."""

import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
from types import TracebackType
from typing import Final, Self

from bonefx_edge.errors import UsageError
from bonefx_edge.text import exit_cause
from bonefx_edge.watch.delivery import SERVICE_PID
from bonefx_edge.watch.delivery.relay import DeliveryError

logger = logging.getLogger(__name__)

COMMAND_TIMEOUT_S: Final = 30.0
"""The command is killed after this time, and run again later."""


class CommandSink:
    """Runs the command in a session of its own; what it started ends with it.

    Like systemd with a service of Type=oneshot: processes that are left when the command ends, runs
    out of time, or when the service ends, are killed. Without that, each message could leave a
    process.
    """

    def __init__(self, words: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Store the command, in the words of a shell, and its time limit in seconds.

        Raises
        ------
        UsageError
            The command cannot be split into words, or there is no such program.
        """
        try:
            self._command = shlex.split(words)
        except ValueError as err:
            msg = f"--on-result: expected a command, got incomplete quotes: {err}; check the quotes"
            raise UsageError(msg) from err
        if not self._command or shutil.which(self._command[0]) is None:
            msg = (
                f"--on-result: expected a program that can be run, got {words!r}; give its full "
                "path"
            )
            raise UsageError(msg)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the command that runs in another thread, with all that it started."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                _kill_group(self._running)

    def __call__(self, body: bytes) -> None:
        """Run the command with `body` on its standard input.

        Raises
        ------
        DeliveryError
            It could not be run, took too long, or ended with another exit code than 0.
        """
        with self._start(body) as process:
            try:
                process.wait(timeout=self._timeout_s)
            except subprocess.TimeoutExpired as err:
                msg = f"the command took longer than {self._timeout_s:g} s"
                raise DeliveryError(msg) from err
            finally:
                self._end_group(process)
        if process.returncode:
            msg = f"the command ended with {exit_cause(process.returncode)}"
            raise DeliveryError(msg)

    def _start(self, body: bytes) -> subprocess.Popen[bytes]:
        """Start the command on a file in memory.

        Through a pipe it could read an empty message, if the service is killed before it writes.
        """
        with self._lock, open(os.memfd_create("message"), "w+b", buffering=0) as message:
            message.write(body)
            message.seek(0)
            if self._closed:
                msg = "the service is stopping"
                raise DeliveryError(msg)
            try:
                self._running = subprocess.Popen(  # noqa: S603 -- the operator's own command
                    self._command,
                    stdin=message,
                    stdout=subprocess.DEVNULL,
                    env=os.environ | {SERVICE_PID: str(os.getpid())},
                    start_new_session=True,
                )
            except OSError as err:
                msg = f"the command could not be run: {err.strerror}"
                raise DeliveryError(msg) from err
            return self._running

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            _kill_group(process)
            self._running = None


def _kill_group(leader: subprocess.Popen[bytes]) -> None:
    """Kill a process and what is left of its group, which has the number of the process."""
    try:
        os.killpg(leader.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing is left
    except PermissionError:  # such as sudo
        logger.warning("the command of --on-result runs as another user: it cannot be killed")
