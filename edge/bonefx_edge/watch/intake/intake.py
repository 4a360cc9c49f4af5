"""From a folder in which anything may happen to films in the journal, each content once.

    events, walk -> settling -> identity -> journal

Events say where to look, the walk finds what they missed, and nothing is taken before it has been
at rest. No sleep: `turn` does a step of what is due and may wait for the file system as long as
that takes, `next_due` says when to call again.
"""

import errno
import logging
import math
import os
from collections.abc import Callable, Iterator, Set
from typing import Final

from bonefx_edge.text import printable
from bonefx_edge.watch.files import Signature, error_name, stat_signature
from bonefx_edge.watch.intake.hashing import hash_file
from bonefx_edge.watch.intake.ignore import is_film_folder, is_film_name
from bonefx_edge.watch.intake.inotify import Events
from bonefx_edge.watch.intake.stability import Settling
from bonefx_edge.watch.intake.walk import Entry, walk
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import Known, Receipt

logger = logging.getLogger(__name__)

ENTRIES_PER_TURN: Final = 200
"""Of the walk, before files at rest are read and the kernel's events are taken."""
MOST_WAITING: Final = 4096
"""Files that settle at a time; the walk of a larger backlog waits, so memory does not grow."""
ROOT_CHECK_S: Final = 2.0
"""Between two looks whether the folder is still the same one: a share comes and goes silently."""
ABSENT_EVERY_S: Final = 60.0
"""Between two warnings that the folder cannot be read."""
RESCAN_EVENTS_S: Final = 60.0
"""Between two walks where the kernel tells of changes: what it forgets waits so long at most."""
RESCAN_POLLING_S: Final = 1.0
"""The same where it does not."""
LONGEST_RESCAN_S: Final = 300.0
RESCAN_SHARE: Final = 0.004
"""Of the time at most that walking takes: a large folder on a small device is walked less often."""
_NO_ROOM: Final = (errno.ENOSPC, errno.ENOMEM, errno.EMFILE)
"""The kernel takes no more folders to listen to."""
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""The file was removed, or a link put in its place."""


class Intake:
    """Hands every film of a folder to the journal: settled, and its content once."""

    def __init__(
        self,
        root: bytes,
        journal: Journal,
        *,
        settle_s: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        is_silent: Callable[[], bool],
        skip: Set[bytes] = frozenset(),
        repeats: bool = False,
    ) -> None:
        """Begin; nothing is looked at before the first turn.

        Parameters
        ----------
        root
            The watched folder; it may come later.
        clock, wall
            Monotonic seconds, for rest; seconds since 1970, for the journal.
        is_silent
            Whether the kernel does not tell of changes in the folder as it is now; it is then
            walked every `RESCAN_POLLING_S`.
        skip
            Folders below the root that hold no films.
        repeats
            Whether a content that comes again is classified again.
        """
        self._root, self._journal, self._settle_s = root, journal, settle_s
        self._clock, self._wall = clock, wall
        self._is_silent, self._skip, self._repeats = is_silent, skip, repeats
        self._settling = Settling(settle_s)
        self._events: Events | None = None
        self._identity: tuple[int, int] | None = None
        self._walk: Iterator[Entry] | None = None
        self._walked_s, self._is_whole = 0.0, True
        self._new_folders: set[bytes] = set()
        self._next_root_check = self._next_walk = clock()
        self._next_warning = -math.inf
        self.walks = 0
        """Whole walks since the beginning."""
        self.taken = 0
        """Films that went to the journal since the beginning, or came back to it."""
        self.folder_is_there: bool | None = None
        """Whether the watched folder could be read the last time; None before the first."""
        self.is_at_rest = False
        """Whether after the last turn all that was seen was in the journal."""
        self.answered = clock()
        """Monotonic second at which the file system answered last."""

    def fileno(self) -> int | None:
        """Return the descriptor that is readable when the kernel has hints, if it gives any."""
        return None if self._events is None else self._events.fileno()

    def next_due(self) -> float:
        """Return the monotonic second at which there is something to do; it may be past."""
        if self._identity is None:
            return self._next_root_check
        times = [self._next_root_check, self._settling.next_due()]
        if self._walk is None and len(self._settling) < MOST_WAITING:
            times.append(self._next_walk)
        return min(time for time in times if time is not None)

    def turn(self) -> bool:
        """Do a step of what is due: some of a walk, one file; return whether there is more."""
        now = self._clock()
        if now >= self._next_root_check:
            self._check_root()
            self._next_root_check = now + ROOT_CHECK_S
        self._note_answer()
        if self._identity is None:
            return False
        self._take_hints()
        began = self._clock()
        self._walk_on()
        self._walked_s += self._clock() - began
        is_read = self._read_next()
        waiting = self._walk or self._new_folders or len(self._settling)
        self.is_at_rest = not waiting and self.walks > 0
        return is_read or self._can_walk()

    def close(self) -> None:
        """Stop listening."""
        if self._events:
            self._events.close()
            self._events = None

    @property
    def _rescan_s(self) -> float:
        return RESCAN_POLLING_S if self._events is None else RESCAN_EVENTS_S

    # ---- the folder itself ----

    def _check_root(self) -> None:
        """Notice that the folder went, came, or is another one: a share unmounted or mounted."""
        try:
            status = os.stat(self._root)
        except OSError as err:
            self.folder_is_there = False
            self._warn_of_root(err)
            self._lose_root()
            return
        self.folder_is_there = True
        self._next_warning = -math.inf
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            if self._identity is not None:
                logger.warning("watched folder is another one now: unmounted, mounted or replaced")
            self._lose_root()
            self._identity = identity
            self._next_walk = self._clock()
            self._events = None if self._polls() else self._open_events()
            logger.info("watching by %s", "events" if self._events else "polling")

    def _warn_of_root(self, err: OSError) -> None:
        """Say that the folder cannot be read, at once and then every minute."""
        now = self._clock()
        if now >= self._next_warning:
            logger.warning(
                "the watched folder %s cannot be read (%s): waiting for it",
                *(printable(os.fsdecode(self._root)), error_name(err)),
            )
            self._next_warning = now + ABSENT_EVERY_S

    def _polls(self) -> bool:
        """Return whether the folder is to be walked every second; also if nobody can say."""
        try:
            return self._is_silent()
        except OSError as err:
            logger.warning("the mount table cannot be read (%s)", error_name(err))
            return True

    def _open_events(self) -> Events | None:
        """Return a line to the kernel; None, and a word, where it has none left."""
        try:
            return Events(self._root)
        except OSError as err:
            logger.warning("no events (%s): raise fs.inotify.max_user_instances", error_name(err))
            return None

    def _lose_root(self) -> None:
        self._identity = self._walk = None
        self.is_at_rest = False
        self._settling = Settling(self._settle_s)
        self._new_folders.clear()
        self.close()

    # ---- where to look ----

    def _take_hints(self) -> None:
        if self._events is None:
            return
        hints = self._events.read()
        if hints.lost:
            logger.warning("events were lost, or a folder moved: walking all of the folder")
            self._next_walk = self._clock()
        self._new_folders |= {path for path in hints.folders if self._may_enter(path)}
        removed = [path for path in hints.removed if self._is_film(path)]
        if removed:
            # Before the look: what is there by now is another film under the old name.
            self._journal.note_gone(removed)  # at once: each by itself would wait for the disk
        for path in filter(self._is_film, hints.files):
            self._look(path)

    def _is_film(self, path: bytes) -> bool:
        return is_film_name(os.path.basename(path))

    def _may_enter(self, folder: bytes) -> bool:
        return is_film_folder(os.path.basename(folder)) and folder not in self._skip

    def _can_walk(self) -> bool:
        due = self._walk or self._new_folders or self._clock() >= self._next_walk
        return bool(due) and self._identity is not None and len(self._settling) < MOST_WAITING

    def _walk_on(self) -> None:
        """Go on with the walk that is due, or begin one; a large folder takes several turns."""
        for _ in range(ENTRIES_PER_TURN):
            if not self._can_walk():
                return
            self._walk = self._walk or self._begin_walk()
            try:
                entry = next(self._walk, None)
            except OSError as err:  # the folder to begin with: gone again, or forbidden
                self._break_walk(err)
                return
            self._note_answer()
            if entry is None:
                self._end_walk()
            elif entry.signature is None:
                self._note_unreadable(entry.path, entry.failure or "")
            else:
                self._see(entry.path, entry.signature)

    def _begin_walk(self) -> Iterator[Entry]:
        """Return the next walk: of a folder that came, else of all of it."""
        self._is_whole = not self._new_folders
        if self._is_whole:
            self._next_walk = math.inf  # asked for from here on: another one, after this one
        start = self._new_folders.pop() if self._new_folders else b""
        return walk(self._root, start, enter=self._listen, skip=self._skip)

    def _break_walk(self, err: OSError) -> None:
        """Give up a walk; what it did not see has not gone, for all we know."""
        logger.warning("a folder cannot be listed: %s", error_name(err))
        self._walk = None
        if self._is_whole:
            self._next_root_check = self._clock()
            self._next_walk = self._clock() + self._rescan_s

    def _end_walk(self) -> None:
        self._walk = None
        if not self._is_whole:
            return
        self.walks += 1
        now = self._clock()
        # Of the time spent walking alone: a walk stands still while a backlog settles.
        pause_s = min(self._walked_s / RESCAN_SHARE, LONGEST_RESCAN_S)
        self._next_walk = min(self._next_walk, now + max(self._rescan_s, pause_s))
        self._walked_s = 0.0
        self._note_gone()

    def _note_gone(self) -> None:
        """Note the files that are not there any more, a page at a time."""
        last = b""
        while pages := self._journal.present_files(after=last, limit=ENTRIES_PER_TURN):
            gone = []
            for path in pages:
                try:
                    if stat_signature(os.path.join(self._root, path)) is None:
                        gone.append(path)
                except OSError:  # the walk says so
                    continue
                self._note_answer()
            if gone:
                self._journal.note_gone(gone)
            last = pages[-1]

    def _listen(self, folder: bytes) -> None:
        if self._events is None:
            return
        try:
            self._events.listen(folder)
        except OSError as err:
            if err.errno not in _NO_ROOM:
                raise
            logger.warning(
                "no events (%s): the folder is walked every %g s instead; "
                "raise fs.inotify.max_user_watches",
                *(error_name(err), RESCAN_POLLING_S),
            )
            self.close()
            self._next_walk = self._clock()  # not when the next one was due with events

    # ---- what is there ----

    def _look(self, path: bytes) -> None:
        """Look at a file that something was heard of."""
        self._note_answer()
        try:
            signature = stat_signature(os.path.join(self._root, path))
        except OSError as err:
            self._note_unreadable(path, error_name(err))
            return
        if signature is None:
            self._settling.forget(path)
        else:
            self._see(path, signature)

    def _see(self, path: bytes, signature: Signature) -> None:
        known = self._journal.recognize(path, signature)
        if known is not Known.NO:
            self.taken += known is Known.BACK
            self._settling.forget(path)
        elif len(self._settling) < MOST_WAITING:
            self._settling.note(path, signature, now=self._clock())
        else:
            self._next_walk = self._clock()  # no room: found again by the next walk

    def _note_unreadable(self, path: bytes, code: str) -> None:
        """Make a file visible that cannot be read; the next walk tries it again."""
        self._settling.forget(path)
        if self._journal.note_unreadable(path, code):
            logger.warning("a file cannot be read: %s; tried again with every walk", code)

    # ---- what it is ----

    def _read_next(self) -> bool:
        """Read the file that is longest at rest; return False if there is none.

        Those that changed meanwhile rest anew.
        """
        now = self._clock()
        for path, signature in self._settling.due(now=now):
            self._look(path)
            if self._settling.is_due(path, signature, now=now):
                self._read(path, signature)
                return True
        return False

    def _read(self, path: bytes, signature: Signature) -> None:
        """Give a file to the journal, unless it changed meanwhile."""
        full = os.path.join(self._root, path)
        try:
            sha256 = hash_file(full, signature, on_piece=self._note_answer)
        except OSError as err:
            if err.errno in _GONE:
                self._look(path)
            else:
                self._note_unreadable(path, error_name(err))
            return
        if sha256 is None:
            self._look(path)
            return
        receipt = self._journal.receive(
            *(path, signature, sha256), now=self._wall(), repeats=self._repeats
        )
        self._settling.forget(path)  # after: a full disk must not lose it
        self.taken += receipt is not Receipt.DUPLICATE
        logger.info("%s: %s", sha256[:12], receipt.value)

    def _note_answer(self) -> None:
        self.answered = self._clock()
