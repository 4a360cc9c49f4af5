"""What is done beside the loop, in threads: telling of results, moving originals away.

Each has a connection to the journal of its own, and may take as long as it likes: the loop never
waits for it. What it does is written so that a kill at any moment repeats it without harm.
"""

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from bonefx_edge.watch.database import connect
from bonefx_edge.watch.walk import error_name

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

    def __init__(self, errands: list[Errand], *, journal: Path) -> None:
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
        for thread in self._threads:
            thread.join(STOP_PATIENCE_S)

    def _run(self, errand: Errand) -> None:
        while not self._stop.is_set():
            try:
                with closing(connect(self._journal, check=False)) as connection:
                    self._work(errand, connection)
            except (OSError, sqlite3.OperationalError) as err:
                cause = error_name(err) if isinstance(err, OSError) else err.sqlite_errorname
                logger.warning("the journal is out of reach (%s): messages and moves wait", cause)
                self._stop.wait(TROUBLE_PAUSE_S)

    def _work(self, errand: Errand, connection: sqlite3.Connection) -> None:
        while not self._stop.is_set():
            if not errand.turn(connection):
                self._stop.wait(LOOK_EVERY_S)


def run_out(errands: list[Errand], *, journal: Path) -> None:
    """Do each errand until there is nothing left to do at once."""
    for errand in errands:
        with closing(connect(journal, check=False)) as connection:
            while errand.turn(connection):
                pass
