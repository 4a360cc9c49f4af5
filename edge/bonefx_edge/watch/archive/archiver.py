"""Move the originals of classified and refused images out of the watched folder, if asked for.

There is no state "to be moved": candidates are all present files whose content has a result. A kill
leaves the file at its old or at its new place, and the next pass handles it.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bonefx_edge.watch.archive.safe_move import move
from bonefx_edge.watch.files import Signature, error_name
from bonefx_edge.watch.folder_claims import claim
from bonefx_edge.watch.intake.open_writers import has_writer
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.states import MAYBE_INCOMPLETE, ImageState
from bonefx_edge.watch.marked_folder import AwayLog, FolderAwayError, MarkedFolder

logger = logging.getLogger(__name__)

PASS_EVERY_S: Final = 5.0
"""Between two passes over the present files."""
ERROR_PAUSE_S: Final = 60.0
"""After a pass in which a file could not be moved: disk full, permission denied."""
MAX_FAILURES: Final = 10
"""After so many failed moves a pass ends: the disk is the likely cause, and each attempt costs
two synced writes to the journal."""
MAX_SEARCH_SHARE: Final = 0.01
"""Upper limit for the share of time spent on searching, without moving: a folder with many files
that stay is searched less often."""
INCOMPLETE_GRACE_S: Final = 600.0
"""A file that may be incomplete is moved this long after its refusal: the upload may continue."""
_PAGE: Final = 200
"""Files per query."""


class Archiver:
    """Moves files that have a result, in passes ordered by path."""

    name = "archive"

    def __init__(
        self,
        root: bytes,
        targets: Mapping[ImageState, MarkedFolder],
        *,
        journal: Path,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """Store the parts.

        Parameters
        ----------
        root
            The watched folder.
        targets
            The target folder for DONE, REFUSED or both; each is waited for.
        journal
            Folder of the journal, for the markers of the targets.
        clock, wall
            Monotonic seconds; seconds since 1970.
        """
        self._root, self._targets, self._journal = root, targets, journal
        self._clock, self._wall, self._away_log = clock, wall, AwayLog(clock)
        self._after, self._next_pass = b"", clock()
        self._searched_s, self._failures, self._last_error = 0.0, 0, ""

    def run_once(self, connection: sqlite3.Connection) -> bool:
        """Handle one page of files; return whether the pass continues."""
        began = self._clock()
        if began < self._next_pass:
            return False
        usable = {
            state for state, target in self._targets.items() if self._check(connection, target)
        }
        if len(usable) == len(self._targets):
            self._away_log.clear()
        now = self._wall()
        page = connection.execute(_FILES, (now - INCOMPLETE_GRACE_S, self._after, _PAGE)).fetchall()
        self._searched_s += self._clock() - began
        for row in page:
            self._after = row["path"]
            state = ImageState(row["state"])
            if state in usable and not self._move(FileIndex(connection), row, self._targets[state]):
                self._failures += 1
            if self._failures == MAX_FAILURES:
                break
        if len(page) == _PAGE and self._failures < MAX_FAILURES:
            return True
        if self._failures < MAX_FAILURES:  # else the next pass starts with the remaining files
            self._after = b""
        least_s = ERROR_PAUSE_S if self._failures else PASS_EVERY_S
        self._next_pass = self._clock() + max(least_s, self._searched_s / MAX_SEARCH_SHARE)
        self._searched_s, self._failures = 0.0, 0
        return False

    def _check(self, connection: sqlite3.Connection, target: MarkedFolder) -> bool:
        """Return whether a target is the folder that was marked; mark one that is new."""
        try:
            if target.marker is None:
                claim(connection, target, journal=self._journal)
            target.check()
        except FolderAwayError as err:
            self._away_log.report(err)
        except OSError as err:
            self._log_failure(err)
        else:
            return True
        target.away = target.away or "cannot be used"
        return False

    def _log_failure(self, err: OSError) -> None:
        if error_name(err) != self._last_error:  # logged once: a full disk stays full for days
            self._last_error = error_name(err)
            logger.warning("archiving failed (%s), will retry", self._last_error)

    def _move(self, files: FileIndex, row: sqlite3.Row, target: MarkedFolder) -> bool:
        """Move a file to the same relative folder below the target; return False on failure."""
        path, sha256 = row["path"], row["sha256"]
        if has_writer(os.path.join(self._root, path)):
            return True  # `move` checks it again; this costs no writes to the journal
        # First: a file that gets this path later is another image, not a new revision of this one.
        # After a kill in between, the scan finds the file again.
        files.mark_missing([path])
        try:
            if self._move_below(target, row):
                files.mark_missing([path])  # a walk may have found it during the move
            else:
                files.mark_present(path, sha256)
        except OSError as err:
            files.mark_present(path, sha256)
            self._log_failure(err)
            return False
        self._last_error = ""
        return True

    def _move_below(self, target: MarkedFolder, row: sqlite3.Row) -> bool:
        """Move a file, see `move`; the target is named by a descriptor, not by its path.

        A disk that is unmounted meanwhile gets the file all the same, or the move fails.
        """
        source = os.path.join(self._root, row["path"])
        signature = Signature(row["size"], row["mtime_ns"], row["ctime_ns"])
        with target.opened() as descriptor:
            folder = os.path.join(f"/proc/self/fd/{descriptor}".encode(), row["path"])
            return move(source, os.path.dirname(folder), sha256=row["sha256"], signature=signature)


_REASONS: Final = ", ".join(f"'{reason}'" for reason in sorted(MAYBE_INCOMPLETE))
_FILES: Final = f"""
SELECT path, file.sha256, size, mtime_ns, ctime_ns, state
FROM file INDEXED BY file_present JOIN image USING (sha256)
WHERE present AND file.failure IS NULL AND superseded_by IS NULL AND published
  AND (state = '{ImageState.DONE}' OR state = '{ImageState.REFUSED}'
       AND (reason NOT IN ({_REASONS}) OR classified_at <= ?))
  AND path > ? ORDER BY path LIMIT ?
"""  # noqa: S608 -- constants of this package
