"""Kill a process at each of its steps that reach the disk: before it and after it."""

import os
import signal
import sqlite3
import threading


class Doom:
    """Counts the steps that reach the disk, and dies at one of them."""

    def __init__(self, at: int) -> None:
        self.at, self.count, self._turn = at, 0, threading.Lock()

    def around(self, step):
        def wrapped(*args, **kwargs):
            self.point()
            value = step(*args, **kwargs)
            self.point()
            return value

        return wrapped

    def point(self) -> None:
        with self._turn:
            self.count += 1
            if self.count == self.at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch_commits(self, module) -> None:
        """Count each COMMIT of the connections that a module makes by `sqlite3.connect`."""
        real, around = sqlite3.connect, self.around

        class Connection(sqlite3.Connection):
            def execute(self, sql, *rest):
                run = super().execute
                return around(run)(sql, *rest) if sql == "COMMIT" else run(sql, *rest)

        module.sqlite3.connect = lambda *a, **k: real(*a, factory=Connection, **k)


def run_and_die(act) -> bool:
    """Call `act` in a forked process; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True
