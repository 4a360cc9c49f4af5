"""Take the originals of decided films out of the watched folder, where it was asked for.

What is to be moved is no state of its own: it is every file that is there and whose content is
decided. A kill at any moment leaves the file where it was or where it goes, and the next pass sees.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from bonefx_edge.errors import Reason
from bonefx_edge.watch.films import FilmState
from bonefx_edge.watch.journal import Journal
from bonefx_edge.watch.moving import move
from bonefx_edge.watch.signature import Signature
from bonefx_edge.watch.walk import error_name

logger = logging.getLogger(__name__)

PASS_EVERY_S: Final = 5.0
"""Between two passes over the files that are there."""
TROUBLE_PAUSE_S: Final = 60.0
"""After a pass in which a file could not be moved: a full disk, a folder that forbids it."""
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
        self._trouble, self._said = False, ""

    def turn(self, connection: sqlite3.Connection) -> bool:
        """Move what a page of files holds; return whether the pass goes on."""
        if self._clock() < self._next_pass:
            return False
        now = self._wall()
        page = connection.execute(_FILES, (now - HALF_FILM_S, self._after, _PAGE)).fetchall()
        for row in page:
            self._after = row["path"]
            target = self._targets.get(FilmState(row["state"]))
            if target is not None and self._move(row, target):
                # At once: what comes under this name is another film, not a new revision. It rests
                # for the settle time first; after a kill in between, the intake finds it gone.
                Journal(connection, None).note_gone([row["path"]])
        if len(page) == _PAGE:
            return True
        pause_s = TROUBLE_PAUSE_S if self._trouble else PASS_EVERY_S
        self._after, self._trouble, self._next_pass = b"", False, self._clock() + pause_s
        return False

    def _move(self, row: sqlite3.Row, target: bytes) -> bool:
        """Return whether a file went to where it belongs, below the folder of the same name."""
        signature = Signature(row["size"], row["mtime_ns"], row["ctime_ns"])
        folder = os.path.join(target, os.path.dirname(row["path"]))
        source = os.path.join(self._root, row["path"])
        try:
            return move(source, folder, sha256=row["sha256"], signature=signature)
        except OSError as err:
            self._trouble = True
            if error_name(err) != self._said:  # once: a full disk stays full for days
                self._said = error_name(err)
                logger.warning(
                    "a file cannot be moved (%s); it stays, and is tried again", self._said
                )
            return False


_FILES: Final = f"""
SELECT path, file.sha256, size, mtime_ns, ctime_ns, state
FROM file INDEXED BY file_present JOIN film USING (sha256)
WHERE present AND file.failure IS NULL AND superseded_by IS NULL AND filed
  AND (state = '{FilmState.DONE}' OR state = '{FilmState.REFUSED}'
       AND (reason NOT IN ('{Reason.TRUNCATED}', '{Reason.EMPTY}') OR decided <= ?))
  AND path > ? ORDER BY path LIMIT ?
"""  # noqa: S608 -- our own words
