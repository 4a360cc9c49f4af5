"""Find the images in the watched folder and enter each content into the journal once.

    events, walks -> stability -> hash -> journal

Events name files to check, walks find what events missed, and a file is read when it has been
unchanged for the settle time. `step` does a part of what is due, without sleeping, and blocks as
long as the file system does; `next_due` returns when to call it again.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Set
from typing import Final

from bonefx_edge.watch.files import Signature, error_name, stat_signature
from bonefx_edge.watch.intake.folder_events import FolderEvents
from bonefx_edge.watch.intake.hashing import hash_file
from bonefx_edge.watch.intake.ignore import is_image_folder, is_image_path
from bonefx_edge.watch.intake.listed_names import listed_path
from bonefx_edge.watch.intake.missing import mark_missing
from bonefx_edge.watch.intake.own_results import OwnResults
from bonefx_edge.watch.intake.rescan import RescanSchedule
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.intake.root import RootChange, RootMonitor
from bonefx_edge.watch.intake.walk import Entry, walk
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.states import Known, Receipt

logger = logging.getLogger(__name__)

ENTRIES_PER_STEP: Final = 200
"""Of a walk, before stable files are hashed and the kernel's events are read."""
MAX_TRACKED: Final = 4096
"""Files that wait to become stable; the walk of a larger backlog pauses, which bounds memory."""
_REMOVED: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""The file was removed, or replaced by a link."""


class Intake:
    """Enters every image of a folder into the journal when it is complete, each content once."""

    def __init__(
        self,
        root: bytes,
        files: FileIndex,
        *,
        rest: Rest,
        clock: Callable[[], float],
        wall: Callable[[], float],
        needs_polling: Callable[[], bool],
        skip: Set[bytes] = frozenset(),
        reclassify: bool = False,
    ) -> None:
        """Store the parts; nothing is read before the first step.

        Parameters
        ----------
        root, files
            The watched folder, which need not exist yet; files of the journal.
        rest
            How long a file must be unchanged before it is read.
        clock, wall
            Monotonic seconds, for stability; seconds since 1970, for the journal.
        needs_polling
            Whether the kernel reports no changes in the folder: it is then walked every second.
        skip
            Folders below the root that are not searched.
        reclassify
            Whether a content that arrives again is classified again.
        """
        self._root, self._files, self._rest = root, files, rest
        self._clock, self._wall = clock, wall
        self._skip, self._reclassify = skip, reclassify
        self._events = FolderEvents(root, needs_polling)
        self._monitor = RootMonitor(root, clock=clock)
        self._schedule = RescanSchedule(clock=clock)
        self._tracker = rest.begin()
        self._own = OwnResults(root)
        self._walk: Iterator[Entry] | None = None
        self.accepted = 0
        """Images entered into the journal since the start, or found again."""
        self.is_idle = False
        """Whether after the last step everything that was found was in the journal."""
        self.folder_answered = clock()
        """Monotonic second of the last answer of the file system."""

    @property
    def folder_exists(self) -> bool | None:
        """Whether the watched folder could be read the last time; None before the first."""
        return self._monitor.exists

    @property
    def walks(self) -> int:
        """Completed walks of the whole folder."""
        return self._schedule.completed

    def fileno(self) -> int | None:
        """Return the descriptor that is readable when there are events; None while polling."""
        return self._events.fileno()

    def next_due(self) -> float:
        """Return the monotonic second at which there is something to do; it may be past."""
        if not self._monitor.exists:
            return self._monitor.next_check
        times = [self._monitor.next_check, self._tracker.next_due()]
        if self._walk is None and len(self._tracker) < MAX_TRACKED:
            times.append(self._schedule.next_walk)
        return min(time for time in times if time is not None)

    def step(self) -> bool:
        """Do a part of what is due: some of a walk, one file; return whether there is more."""
        if self._clock() >= self._monitor.next_check:
            self._check_root()
        self._note_answer()
        if not self._monitor.exists:
            return False
        self._read_events()
        began = self._clock()
        self._continue_walk()
        self._schedule.add_time(self._clock() - began)
        has_read = self._read_next()
        waiting = self._walk or self._schedule.has_new_folders or len(self._tracker)
        self.is_idle = not waiting and self.walks > 0
        return has_read or self._can_walk()

    def request_rescan(self) -> None:
        """Walk the whole folder as soon as possible."""
        self._schedule.request()

    def close(self) -> None:
        """Stop watching."""
        self._events.close()

    # ---- the watched folder, its events and walks ----

    def _check_root(self) -> None:
        change = self._monitor.check()
        if change is RootChange.NONE:
            return
        self._reset()
        if change is RootChange.NEW:
            self.request_rescan()
            self._events.open()

    def _reset(self) -> None:
        self._walk, self.is_idle = None, False
        self._tracker = self._rest.begin()
        self._schedule.clear_folders()
        self.close()

    def _read_events(self) -> None:
        events = self._events.read()
        if events is None:
            return
        if events.is_root_gone:
            self._monitor.forget()
        if events.lost:
            logger.warning("events were lost, or a folder was moved: walking the whole folder")
            self.request_rescan()
        for folder in events.folders:
            if is_image_folder(os.path.basename(folder)) and folder not in self._skip:
                self._schedule.add_folder(folder)
        removed = [path for path in events.removed if is_image_path(path)]
        if removed:
            # First: a file that has the path now is another image. All at once, as each
            # transaction waits for the disk.
            self._files.mark_missing(removed)
        for path in filter(is_image_path, events.files):
            self._stat(path)

    def _can_walk(self) -> bool:
        due = self._walk is not None or self._schedule.is_due
        return due and bool(self._monitor.exists) and len(self._tracker) < MAX_TRACKED

    def _continue_walk(self) -> None:
        """Continue a walk, or start one that is due; a large folder takes several steps."""
        for _ in range(ENTRIES_PER_STEP):
            if not self._can_walk():
                return
            if self._walk is None:
                start = self._schedule.begin()
                self._walk = walk(self._root, start, enter=self._watch, skip=self._skip)
            try:
                entry = next(self._walk, None)
            except OSError as err:  # the folder at which it starts
                self._abort_walk(err)
                return
            self._note_answer()
            if entry is None:
                self._end_walk()
            elif entry.signature is None:
                self._mark_unreadable(entry.path, entry.failure or "")
            else:
                self._observe(entry.path, entry.signature)

    def _abort_walk(self, err: OSError) -> None:
        """Stop a walk; files that it did not reach are not missing for that reason."""
        logger.warning("a folder cannot be listed: %s", error_name(err))
        self._walk = None
        if self._schedule.abort(interval_s=self._events.interval_s):
            self._monitor.check_soon()

    def _end_walk(self) -> None:
        self._walk = None
        if self._schedule.end(interval_s=self._events.interval_s):
            mark_missing(self._root, self._files, on_answer=self._note_answer)

    def _watch(self, folder: bytes) -> None:
        if not self._events.add(folder):
            self.request_rescan()  # not at the interval for events

    # ---- files ----

    def _stat(self, path: bytes) -> None:
        """Check a file that an event names."""
        self._note_answer()
        try:
            path = listed_path(self._root, path)
            signature = stat_signature(os.path.join(self._root, path))
        except OSError as err:
            self._mark_unreadable(path, error_name(err))
            return
        if signature is None:
            self._tracker.forget(path)
        else:
            self._observe(path, signature)

    def _observe(self, path: bytes, signature: Signature) -> None:
        is_own = self._own.has(path, signature)
        known = Known.YES if is_own else self._files.recognize(path, signature)
        if known is not Known.NO:
            self.accepted += known is Known.RETURNED
            self._tracker.forget(path)
        elif len(self._tracker) < MAX_TRACKED:
            self._tracker.observe(path, signature, now=self._clock())
        else:
            self.request_rescan()  # the next walk finds it again

    def _mark_unreadable(self, path: bytes, code: str) -> None:
        """Record a file or folder that cannot be read; the next walk tries it again."""
        self._tracker.forget(path)
        if self._files.mark_unreadable(path, code):
            logger.warning("a file or folder cannot be read (%s), will retry", code)

    def _read_next(self) -> bool:
        """Read the file that has been stable for longest; return False if there is none."""
        now = self._clock()
        for path, signature in self._tracker.due(now=now):
            self._stat(path)  # one that changed must become stable again
            if self._tracker.is_due(path, signature, now=now) and not self._postpone(path, now=now):
                self._read(path, signature)
                return True
        return False

    def _postpone(self, path: bytes, *, now: float) -> bool:
        """Let a file wait that is being written; return whether it does."""
        limit_s = self._rest.longest_wait_s(os.path.join(self._root, path))
        if limit_s and self._tracker.unchanged_s(path, now=now) < limit_s:
            self._tracker.postpone(path, now=now)
            return True
        if limit_s:
            logger.warning(
                "a file is not complete and unchanged for %.0f s: read as it is", limit_s
            )
        return False

    def _read(self, path: bytes, signature: Signature) -> None:
        """Hash a film and enter it into the journal, unless it changed meanwhile."""
        if self._own.find(path, signature):
            self._files.mark_missing([path])  # a film that had this name
            self._tracker.forget(path)
            return
        full = os.path.join(self._root, path)
        try:
            sha256 = hash_file(full, signature, on_chunk=self._note_answer)
        except OSError as err:
            if err.errno in _REMOVED:
                self._stat(path)
            else:
                self._mark_unreadable(path, error_name(err))
            return
        if sha256 is None:
            self._stat(path)
            return
        receipt = self._files.receive(
            *(path, signature, sha256), now=self._wall(), reclassify=self._reclassify
        )
        self._tracker.forget(path)  # last: if the disk is full, the file stays tracked
        self.accepted += receipt is not Receipt.DUPLICATE
        logger.info("%s %s", sha256[:8], receipt.value)

    def _note_answer(self) -> None:
        self.folder_answered = self._clock()
