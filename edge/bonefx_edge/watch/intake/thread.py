"""The intake in a thread of its own: a folder that hangs holds up nothing else.

It has its own connection to the journal, as the tasks of `background` do. The loop reads its state,
which this thread alone writes, and wakes up when its `fileno` is readable.
"""

import os
import select
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.journal.connection import reopen
from bonefx_edge.watch.journal.journal import Journal

IDLE_S: Final = 1.0
"""Between two looks whether to go on, should a wake-up be missed."""
STOP_PATIENCE_S: Final = 2.0
"""For the step under way at the stop: a folder that hangs is not waited for."""


class IntakeThread:
    """Runs an intake until it is closed; suspended, or after an error, it waits for `resume`."""

    def __init__(
        self,
        make: Callable[[Journal], Intake],
        *,
        journal: Path,
        clock: Callable[[], float],
    ) -> None:
        """Take what makes the intake of a journal, and the folder of that; `resume` begins.

        After an error the intake is made anew: it listens and walks from the beginning, so nothing
        that was heard before is missed.
        """
        self._make, self._journal, self._clock = make, journal, clock
        self._intake: Intake | None = None
        self._failure: OSError | sqlite3.OperationalError | JournalError | None = None
        self._may_run, self._is_stopped, self._is_waiting = False, False, True
        self._news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._orders = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    @property
    def folder_is_there(self) -> bool | None:
        """Whether the watched folder could be read the last time; None if that is not known."""
        intake = self._intake
        return None if intake is None else intake.folder_is_there

    @property
    def is_at_rest(self) -> bool:
        """Whether all that was seen is in the journal: nothing settles, is read or walked."""
        intake = self._intake
        return intake is not None and intake.is_at_rest

    @property
    def answered(self) -> float:
        """Monotonic second at which the file system of the folder answered last."""
        intake = self._intake
        return self._clock() if self._is_waiting or intake is None else intake.answered

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something new to see."""
        return self._news

    def resume(self) -> None:
        """Begin or go on; called in each turn of the loop.

        Raises
        ------
        OSError, sqlite3.OperationalError, JournalError
            What has ended the intake since; the next call begins it anew.
        """
        _drain(self._news)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if not self._may_run:
            self._may_run = True
            os.eventfd_write(self._orders, 1)
        if self._thread.ident is None:
            self._thread.start()

    def suspend(self) -> None:
        """Take nothing more after the step under way."""
        self._may_run = False

    def close(self) -> None:
        """End it; a step that does not end in time is left to the end of the process."""
        if self._is_stopped:
            return
        self._may_run, self._is_stopped = False, True
        os.eventfd_write(self._orders, 1)
        if self._thread.ident is not None:
            self._thread.join(STOP_PATIENCE_S)
        if not self._thread.is_alive():
            os.close(self._news)
            os.close(self._orders)

    # ---- in the thread ----

    def _run(self) -> None:
        self._is_waiting = False
        while not self._is_stopped:
            try:
                if self._may_run:
                    self._take()
            except (OSError, sqlite3.OperationalError, JournalError) as err:
                self._may_run, self._failure, self._intake = False, err, None
                os.eventfd_write(self._news, 1)
            self._wait([], IDLE_S)

    def _take(self) -> None:
        """Let an intake of our own connection work until the stop; suspended, it keeps its state.

        Raises
        ------
        OSError, sqlite3.OperationalError, JournalError
            The journal cannot be read or written.
        """
        with closing(reopen(self._journal)) as connection:
            self._intake = intake = self._make(Journal(connection, None))
            with closing(intake):
                while not self._is_stopped:
                    if not self._may_run:
                        self._wait([], IDLE_S)
                    elif not self._turn(intake):
                        sources = [] if intake.fileno() is None else [intake]
                        self._wait(sources, intake.next_due() - self._clock())

    def _turn(self, intake: Intake) -> bool:
        """Do a step; wake the loop if it took films or came to rest."""
        before = (intake.taken, intake.is_at_rest, intake.folder_is_there)
        goes_on = intake.turn()
        if (intake.taken, intake.is_at_rest, intake.folder_is_there) != before:
            os.eventfd_write(self._news, 1)
        return goes_on

    def _wait(self, sources: list[Any], seconds: float) -> None:
        """Wait for orders, for one of the sources, or so long."""
        self._is_waiting = True
        select.select([self._orders, *sources], [], [], max(0.0, seconds))
        _drain(self._orders)
        self._is_waiting = False


def _drain(descriptor: int) -> None:
    with suppress(BlockingIOError):
        os.eventfd_read(descriptor)
