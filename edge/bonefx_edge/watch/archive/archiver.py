"""Take the originals of decided films out of the watched folder, where it was asked for.

What is to be moved is no state of its own: it is every file that is there and whose content is
decided. A kill at any moment leaves the file where it was or where it goes, and the next pass sees.
"""

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from bonefx_edge.errors import Reason
from bonefx_edge.watch.archive.safe_move import move
from bonefx_edge.watch.files import Signature, error_name
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import FilmState

logger = logging.getLogger(__name__)

PASS_EVERY_S: Final = 5.0
"""Between two passes over the files that are there."""
TROUBLE_PAUSE_S: Final = 60.0
"""After a pass in which a file could not be moved: a full disk, a folder that forbids it."""
MOST_TROUBLES: Final = 10
"""Files that could not be moved, before a pass ends early: it is the disk then, and each costs two
synced writes to the journal."""
PASS_SHARE: Final = 0.01
"""Of the time at most that the search takes, moving aside: many files that stay are searched less
often."""
HALF_FILM_S: Final = 600.0
"""After its refusal, before a file that ended early is moved: its sender may still go on."""
_PAGE: Final = 200
"""Files looked up at a time."""


class Mover:
    """Moves decided files, in passes by name."""

    def __init__(
        self,
        root: bytes,
        targets: Mapping[FilmState, bytes],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """Take the watched folder, and for DONE, REFUSED or both the folder that it goes to."""
        self._root, self._targets, self._clock, self._wall = root, targets, clock, wall
        self._after, self._next_pass = b"", clock()
        self._searched_s, self._troubles, self._said = 0.0, 0, ""

    def turn(self, connection: sqlite3.Connection) -> bool:
        """Move what a page of files holds; return whether the pass goes on."""
        began = self._clock()
        if began < self._next_pass:
            return False
        now = self._wall()
        page = connection.execute(_FILES, (now - HALF_FILM_S, self._after, _PAGE)).fetchall()
        self._searched_s += self._clock() - began
        for row in page:
            self._after = row["path"]
            target = self._targets.get(FilmState(row["state"]))
            if target is not None and not self._move(Journal(connection, None), row, target):
                self._troubles += 1
            if self._troubles == MOST_TROUBLES:
                break
        if len(page) == _PAGE and self._troubles < MOST_TROUBLES:
            return True
        if self._troubles < MOST_TROUBLES:  # else the rest of the files is first, the next time
            self._after = b""
        least_s = TROUBLE_PAUSE_S if self._troubles else PASS_EVERY_S
        self._next_pass = self._clock() + max(least_s, self._searched_s / PASS_SHARE)
        self._searched_s, self._troubles = 0.0, 0
        return False

    def _move(self, journal: Journal, row: sqlite3.Row, target: bytes) -> bool:
        """Move a file to where it belongs, below the folder of the same name; False for trouble."""
        path, sha256 = row["path"], row["sha256"]
        signature = Signature(row["size"], row["mtime_ns"], row["ctime_ns"])
        folder = os.path.join(target, os.path.dirname(path))
        # First: what comes under this name afterwards is another film, not a new revision of this
        # one. After a kill in between, the walk finds the file back.
        journal.note_gone([path])
        try:
            if not os.path.isdir(target):  # a disk that is not mounted: not made in its place
                raise FileNotFoundError(errno.ENOENT, "expected the folder to move to")
            if not move(os.path.join(self._root, path), folder, sha256=sha256, signature=signature):
                journal.note_back(path, sha256)
        except OSError as err:
            journal.note_back(path, sha256)
            if error_name(err) != self._said:  # once: a full disk stays full for days
                self._said = error_name(err)
                logger.warning("a file cannot be moved (%s); it stays, tried again", self._said)
            return False
        self._said = ""
        return True


_FILES: Final = f"""
SELECT path, file.sha256, size, mtime_ns, ctime_ns, state
FROM file INDEXED BY file_present JOIN film USING (sha256)
WHERE present AND file.failure IS NULL AND superseded_by IS NULL AND filed
  AND (state = '{FilmState.DONE}' OR state = '{FilmState.REFUSED}'
       AND (reason NOT IN ('{Reason.TRUNCATED}', '{Reason.EMPTY}') OR decided <= ?))
  AND path > ? ORDER BY path LIMIT ?
"""  # noqa: S608 -- our own words
