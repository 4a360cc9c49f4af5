"""What is done beside the loop, in threads: telling of results, moving originals away.

Each has a connection to the journal of its own, and may take as long as it likes: the loop never
waits for it. What it does is written so that a kill at any moment repeats it without harm.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.journal.connection import name_of_trouble, reopen

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
"""Between two looks whether there is something to do."""
TROUBLE_PAUSE_S: Final = 5.0
"""After the journal could not be read or written."""
STOP_PATIENCE_S: Final = 2.0
"""For what is under way at the stop; the rest is repeated at the next start."""


class Errand(Protocol):
    """Something to do again and again."""

    def turn(self, connection: sqlite3.Connection) -> bool:
        """Do a piece; return whether there may be more to do at once."""
        ...


class Errands:
    """A thread for each errand; none if there are none."""

    def __init__(self, errands: Sequence[Errand], *, journal: Path) -> None:
        """Begin; `journal` is its folder."""
        self._journal = journal
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(errand,), name="errand", daemon=True)
            for errand in errands
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Begin nothing more, and wait a little for what is under way."""
        self._stop.set()
        end = time.monotonic() + STOP_PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self, errand: Errand) -> None:
        while not self._stop.is_set():
            _work(errand, journal=self._journal, goes_on=self._rest, stop=self._stop.is_set)
            self._stop.wait(TROUBLE_PAUSE_S)

    def _rest(self) -> bool:
        return not self._stop.wait(LOOK_EVERY_S)


def run_out(errands: Sequence[Errand], *, journal: Path, stop: Callable[[], bool]) -> None:
    """Do each errand until there is nothing left to do at once, or `stop()`."""
    for errand in errands:
        _work(errand, journal=journal, goes_on=lambda: False, stop=stop)


def _work(
    errand: Errand,
    *,
    journal: Path,
    goes_on: Callable[[], bool],
    stop: Callable[[], bool],
) -> None:
    """Do what there is to do, until `stop()`, the journal is out of reach, or not `goes_on()`.

    `goes_on` is asked whenever there is nothing to do at once.
    """
    try:
        with closing(reopen(journal)) as connection:
            while not stop() and (errand.turn(connection) or goes_on()):
                pass
    except (OSError, sqlite3.OperationalError, JournalError) as err:
        cause = err.code if isinstance(err, JournalError) else name_of_trouble(err)
        logger.warning("the journal is out of reach (%s): messages and moves wait", cause)
