"""The intake without its thread: its turns are those of the loop, by the test's clock."""

import os
from collections.abc import Callable
from pathlib import Path

from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.journal.connection import reopen
from bonefx_edge.watch.journal.file_index import FileIndex


class InlineIntake:
    """As `IntakeThread`: a connection of its own, and a new intake after an error."""

    def __init__(self, make: Callable[[FileIndex], Intake], *, journal: Path) -> None:
        self._make, self._connection = make, reopen(journal)
        self._wakeup = os.eventfd(0)
        self.intake = make(FileIndex(self._connection))

    folder_exists = property(lambda self: self.intake.folder_exists)
    is_idle = property(lambda self: self.intake.is_idle)
    folder_answered = property(lambda self: self.intake.folder_answered)

    def fileno(self) -> int:
        return self._wakeup

    def resume(self) -> None:
        try:
            self.intake.step()
        except Exception:
            self.intake.close()
            self.intake = self._make(FileIndex(self._connection))
            raise

    def suspend(self) -> None:
        """Nothing to do: no turn comes."""

    def close(self) -> None:
        self.intake.close()
        self._connection.close()
        if self._wakeup >= 0:
            os.close(self._wakeup)
            self._wakeup = -1
