"""Write pictures in a thread of their own: a slow or full disk for pictures delays no result."""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bonefx_edge.errors import JournalError
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.marked_folder import FolderAwayError
from bonefx_edge.watch.pictures.folder import NoSpaceError, PictureFolder, TooLargeError

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 32
"""Films whose pictures wait for the disk, 60 kB each; those of further films are left out."""
PRUNE_INTERVAL_S: Final = 3600.0
"""Between two checks of the age, while no film arrives."""
WRITTEN: Final = "written"
"""Outcome; every other one is the cause of a failure."""


class _Film(NamedTuple):
    sha256: str
    pictures: Mapping[str, bytes]


class PictureWriter:
    """Writes the pictures of a film after its result; failures are counted and logged."""

    def __init__(
        self,
        folder: PictureFolder,
        *,
        claim: Callable[[], None],
        wall: Callable[[], float],
        note: Callable[[str], None],
        count: Callable[[str], None] | None = None,
    ) -> None:
        """Start the thread.

        Parameters
        ----------
        claim
            Learns or makes the marker of the folder; called until there is one.
        wall
            Seconds since 1970.
        note
            Gets `noted` when it changes, in the thread that calls `add`.
        count
            Gets the outcome for each film: `WRITTEN`, or the cause, such as ENOSPC.
        """
        self._folder, self._claim, self._wall = folder, claim, wall
        self._note, self._count = note, count
        self._waiting: queue.Queue[_Film | None] = queue.Queue(MAX_WAITING)
        self._failure = self.noted = ""
        """Why the last film has no pictures; "" if it has."""
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    def add(self, sha256: str, pictures: Mapping[str, bytes], code: str) -> None:
        """Accept the pictures of a film that has its result, and return at once.

        `code` is why the worker could not draw them, "" if it could. A file that cannot be decoded
        has none, which is no failure.
        """
        if code:
            self._end(code)
        elif pictures:
            try:
                self._waiting.put_nowait(_Film(sha256, pictures))
            except queue.Full:
                self._end("slow_disk")
        if self._failure != self.noted:
            self.noted = self._failure
            self._note(self.noted)

    def close(self, *, timeout_s: float) -> None:
        """Write what waits, then end; return after `timeout_s` in any case."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            logger.warning("pictures of %d films were not written", self._waiting.qsize())
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        timeout_s = 0.0  # first what is too old
        while True:
            try:
                film = self._waiting.get(timeout=timeout_s)
            except queue.Empty:
                film = _Film("", {})
            timeout_s = PRUNE_INTERVAL_S
            if film is None:
                return
            outcome = self._write(film)
            if film.pictures:
                self._end(outcome)

    def _write(self, film: _Film) -> str:
        try:
            if not self._folder.is_known:
                self._claim()
            self._folder.write(film.sha256, film.pictures, now=self._wall())
        except NoSpaceError:
            return "disk_low"
        except TooLargeError:
            return "pictures_mb"
        except FolderAwayError:
            return "folder_away"
        except (JournalError, sqlite3.OperationalError):
            return "journal"
        except OSError as err:
            return error_name(err)
        return WRITTEN

    def _end(self, outcome: str) -> None:
        if self._count:
            self._count(outcome)
        failure = "" if outcome == WRITTEN else outcome
        if failure != self._failure:
            if failure:
                logger.warning("no pictures of a film (%s); its result is complete", failure)
            else:
                logger.warning("pictures are written again")
            self._failure = failure
