"""The intake in its own thread: a folder that hangs delays nothing else.

It has its own connection to the journal, like the tasks of `background`. The main loop reads its
state, which only this thread writes, and wakes up when its `fileno` is readable.
"""

import os
import select
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Final

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.connection import damage_as_journal_error
from bonefx_edge.watch.journal.file_index import FileIndex

IDLE_S: Final = 1.0
"""Between two checks for a stop, in case a wake-up is missed."""
STOP_TIMEOUT_S: Final = 2.0
"""For the step in progress at the stop: a folder that hangs is not waited for."""


class IntakeThread:
    """Runs an intake until it is closed; when suspended, or after an error, waits for `resume`."""

    def __init__(
        self,
        make: Callable[[FileIndex], Intake],
        *,
        journal: JournalAccess,
        clock: Callable[[], float],
    ) -> None:
        """Store the parts; `resume` starts the thread.

        Parameters
        ----------
        make
            Makes the intake. After an error a new one is made: it walks the whole folder, so an
            event that the other one had read is not lost.
        journal
            When it is shut, the intake ends; a new one is made when it continues.
        clock
            Monotonic seconds.
        """
        self._make, self._journal, self._clock = make, journal, clock
        self._intake: Intake | None = None
        self._failure: OSError | sqlite3.OperationalError | JournalError | None = None
        self._may_run, self._is_stopped, self._is_waiting = False, False, True
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._control = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    @property
    def folder_exists(self) -> bool | None:
        """Whether the watched folder could be read the last time; None if that is not known."""
        intake = self._intake
        return None if intake is None else intake.folder_exists

    @property
    def is_idle(self) -> bool:
        """Whether all that was found is in the journal: nothing is tracked, read or walked."""
        intake = self._intake
        return intake is not None and intake.is_idle

    @property
    def folder_answered(self) -> float:
        """Monotonic second of the last answer of the file system."""
        intake = self._intake
        return self._clock() if self._is_waiting or intake is None else intake.folder_answered

    def fileno(self) -> int:
        """Return the descriptor that is readable when the state has changed."""
        return self._wakeup

    def resume(self) -> None:
        """Start or continue; called in each step of the main loop.

        Raises
        ------
        OSError, sqlite3.OperationalError, JournalError
            What ended the intake since the last call; the next call starts it again.
        """
        _drain(self._wakeup)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if not self._may_run:
            self._may_run = True
            os.eventfd_write(self._control, 1)
        if self._thread.ident is None:
            self._thread.start()

    def suspend(self) -> None:
        """Do no step after the one in progress; forget what ended the intake: a new one is made."""
        self._failure = None
        if self._may_run:
            self._may_run = False
            os.eventfd_write(self._control, 1)

    def close(self) -> None:
        """Stop it; a step that does not end in time ends with the process."""
        if self._is_stopped:
            return
        self._may_run, self._is_stopped = False, True
        os.eventfd_write(self._control, 1)
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)
        if not self._thread.is_alive():
            os.close(self._wakeup)
            os.close(self._control)

    # ---- in the thread ----

    def _run(self) -> None:
        self._is_waiting = False
        while not self._is_stopped:
            if not self._may_run:
                self._wait([], IDLE_S)
                continue
            try:
                self._run_intake()
            except (OSError, sqlite3.OperationalError, JournalError) as err:
                self._intake = None
                if self._journal.is_shut:  # the main loop knows it
                    self._wait([], IDLE_S)
                    continue
                self._may_run, self._failure = False, err
                os.eventfd_write(self._wakeup, 1)

    def _run_intake(self) -> None:
        """Run an intake on a new connection until the stop; when suspended, it keeps its state.

        Raises
        ------
        OSError, sqlite3.OperationalError, JournalError
            The journal cannot be read or written.
        """
        with damage_as_journal_error(), self._journal.connect("intake") as connection:
            self._intake = intake = self._make(FileIndex(connection))
            with closing(intake):
                while not (self._is_stopped or self._journal.is_shut):
                    if not self._may_run:
                        self._wait([], IDLE_S)
                    elif not self._step(intake):
                        sources = [] if intake.fileno() is None else [intake]
                        self._wait(sources, intake.next_due() - self._clock())
        self._intake = None

    def _step(self, intake: Intake) -> bool:
        """Do a step; wake the main loop if the state has changed."""
        before = (intake.accepted, intake.is_idle, intake.folder_exists)
        has_more = intake.step()
        if (intake.accepted, intake.is_idle, intake.folder_exists) != before:
            os.eventfd_write(self._wakeup, 1)
        return has_more

    def _wait(self, sources: list[Any], seconds: float) -> None:
        """Wait for a control event, for one of the sources, or so many seconds."""
        self._is_waiting = True
        select.select([self._control, *sources], [], [], max(0.0, seconds))
        _drain(self._control)
        self._is_waiting = False


def _drain(descriptor: int) -> None:
    with suppress(BlockingIOError):
        os.eventfd_read(descriptor)
