"""Periodic tasks beside the main loop, one thread each: message delivery, archiving of originals.

Each task has its own connection to the journal and may block: the main loop never waits for it.
Every task can be interrupted at any moment, also by SIGKILL, and then repeats its last step.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.connection import damage_as_journal_error, error_code

logger = logging.getLogger(__name__)

IDLE_INTERVAL_S: Final = 1.0
"""Between two calls of a task that had nothing to do, unless there is a new result."""
ERROR_PAUSE_S: Final = 5.0
"""After the journal could not be read or written."""
STOP_TIMEOUT_S: Final = 2.0
"""For the step in progress at the stop; the next start repeats what did not end."""


class PeriodicTask(Protocol):
    """Work that is repeated."""

    name: str
    """For people: messages, archive."""

    def run_once(self, connection: sqlite3.Connection) -> bool:
        """Do one step; return whether there may be more to do at once."""
        ...


class BackgroundTasks:
    """One thread for each task."""

    def __init__(self, tasks: Sequence[PeriodicTask], *, journal: JournalAccess) -> None:
        """Start the threads; while the journal is shut, they wait."""
        self._journal = journal
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(task,), name="background task", daemon=True)
            for task in tasks
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Start no further step, and wait up to `STOP_TIMEOUT_S` for those in progress."""
        self._stop.set()
        self._journal.note_result()
        end = time.monotonic() + STOP_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self, task: PeriodicTask) -> None:
        while not self._stop.is_set():
            if not self._journal.is_shut:
                _repeat(task, journal=self._journal, wait=self._waiter(), stop=self._must_end)
            self._stop.wait(IDLE_INTERVAL_S if self._journal.is_shut else ERROR_PAUSE_S)

    def _must_end(self) -> bool:
        return self._stop.is_set() or self._journal.is_shut

    def _waiter(self) -> Callable[[], bool]:
        """Return the pause of one task; a result that came while the task looked ends it."""
        seen = self._journal.results

        def wait() -> bool:
            nonlocal seen
            self._journal.wait_for_result(seen, timeout_s=IDLE_INTERVAL_S)
            seen = self._journal.results
            return not self._stop.is_set()

        return wait


def drain(
    tasks: Sequence[PeriodicTask], *, journal: JournalAccess, stop: Callable[[], bool]
) -> None:
    """Run each task until it has nothing to do, or until `stop()`."""
    for task in tasks:
        _repeat(task, journal=journal, wait=lambda: False, stop=stop)


def _repeat(
    task: PeriodicTask,
    *,
    journal: JournalAccess,
    wait: Callable[[], bool],
    stop: Callable[[], bool],
) -> None:
    """Run a task until `stop()`, or until the journal cannot be used.

    `wait` is called when the task has nothing to do; the task ends if it returns False.
    """
    try:
        with damage_as_journal_error(), journal.connect(task.name) as connection:
            while not stop() and (task.run_once(connection) or wait()):
                pass
    except (OSError, sqlite3.OperationalError, JournalError) as err:
        cause = error_code(err)
        logger.warning("cannot use the journal (%s): messages and archiving paused", cause)
