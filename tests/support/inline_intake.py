"""The intake without its thread: its turns are those of the loop, by the test's clock."""

import os
from collections.abc import Callable
from pathlib import Path

from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.journal.connection import reopen
from bonefx_edge.watch.journal.journal import Journal


class InlineIntake:
    """As `IntakeThread`: a connection of its own, and a new intake after an error."""

    def __init__(self, make: Callable[[Journal], Intake], *, journal: Path) -> None:
        self._make, self._journal = make, Journal(reopen(journal), None)
        self._news = os.eventfd(0)
        self.intake = make(self._journal)

    folder_is_there = property(lambda self: self.intake.folder_is_there)
    is_at_rest = property(lambda self: self.intake.is_at_rest)
    answered = property(lambda self: self.intake.answered)

    def fileno(self) -> int:
        return self._news

    def resume(self) -> None:
        try:
            self.intake.turn()
        except Exception:
            self.intake.close()
            self.intake = self._make(self._journal)
            raise

    def suspend(self) -> None:
        """Nothing to do: no turn comes."""

    def close(self) -> None:
        self.intake.close()
        self._journal.close()
        if self._news >= 0:
            os.close(self._news)
            self._news = -1
