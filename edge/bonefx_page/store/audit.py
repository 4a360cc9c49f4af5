"""The audit log: who signed in, saw which film, decided what."""

import logging
import sqlite3
import threading
from collections import OrderedDict, deque
from enum import StrEnum
from typing import Final, NamedTuple

from bonefx_page.store.database import transaction

logger = logging.getLogger(__name__)

KEEP_DAYS: Final = 730
"""Older entries are removed when the page starts."""
MAX_UNWRITTEN: Final = 10_000
"""Entries that are kept in memory while the disk is full; then the oldest are lost."""
SAME_VIEW_S: Final = 600.0
"""A picture that is sent so long after its film or list was shown belongs to that view."""
_MAX_VIEWS: Final = 10_000


class Action(StrEnum):
    """What a person did."""

    SIGNED_IN = "signed_in"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 an action, no password
    SIGNED_OUT = "signed_out"
    NEW_PASSWORD = "new_password"  # noqa: S105 an action, no password
    SAW_LIST = "saw_list"
    SAW_FILM = "saw_film"
    SAW_SLIP = "saw_slip"
    SAW_PICTURE = "saw_picture"
    """A picture without the page of its film, or a thumbnail without the list."""
    GAVE_VERDICT = "gave_verdict"
    SAW_REPORT = "saw_report"
    EXPORTED = "exported"
    SAW_AUDIT = "saw_audit"
    STARTED_COMMISSIONING = "started_commissioning"
    CANCELED_COMMISSIONING = "canceled_commissioning"
    USED_SITE_PROFILE = "used_site_profile"


class Entry(NamedTuple):
    """One line of the log."""

    id: int
    at: float
    """Seconds since 1970."""
    user: str
    action: Action
    sha256: str | None
    """Of the film."""


_VIEWS: Final = frozenset({Action.SAW_LIST, Action.SAW_FILM, Action.SAW_SLIP, Action.SAW_PICTURE})
_Unwritten = tuple[float, str, Action, str | None]


class AuditMemory:
    """Entries that wait for the disk, and who saw what in the last minutes; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten: deque[_Unwritten] = deque(maxlen=MAX_UNWRITTEN)
        self._views: OrderedDict[tuple[str, str | None], float] = OrderedDict()

    def take(self) -> list[_Unwritten]:
        """Remove and return the entries that wait."""
        with self._lock:
            entries = list(self._unwritten)
            self._unwritten.clear()
            return entries

    def keep(self, entries: list[_Unwritten]) -> None:
        """Let entries wait."""
        with self._lock:
            self._unwritten = deque([*entries, *self._unwritten], maxlen=MAX_UNWRITTEN)

    def saw(self, user: str, sha256: str | None, *, now: float) -> None:
        """Remember who saw a film, or the list: None."""
        with self._lock:
            self._views[user, sha256] = now
            self._views.move_to_end((user, sha256))
            if len(self._views) > _MAX_VIEWS:
                self._views.popitem(last=False)

    def has_seen(self, user: str, sha256: str | None, *, now: float) -> bool:
        """Return whether that was within `SAME_VIEW_S`."""
        with self._lock:
            return now - self._views.get((user, sha256), float("-inf")) < SAME_VIEW_S


class Audit:
    """The log in the database of the page."""

    def __init__(self, connection: sqlite3.Connection, memory: AuditMemory) -> None:
        self._connection, self._memory = connection, memory

    def note(self, user: str, action: Action, sha256: str | None = None, *, now: float) -> None:
        """Add an entry; it is on disk when this returns.

        If the disk is full it waits in memory: films can still be read.
        """
        waiting = self._memory.take()
        entries = [*waiting, (now, user, action, sha256)]
        try:
            with transaction(self._connection):
                self._connection.executemany(
                    "INSERT INTO audit (at, user, action, sha256) VALUES (?, ?, ?, ?)", entries
                )
        except sqlite3.OperationalError as err:
            self._memory.keep(entries)
            if not waiting:
                text = "the audit log cannot be written (%s); entries wait in memory"
                logger.error(text, err.sqlite_errorname)  # noqa: TRY400 no traceback
        if action in _VIEWS:
            self._memory.saw(user, sha256, now=now)

    def note_picture(self, user: str, sha256: str, *, is_thumb: bool, now: float) -> None:
        """Add an entry about a picture, unless it belongs to a view that has one."""
        of_list = is_thumb and self._memory.has_seen(user, None, now=now)
        if not (of_list or self._memory.has_seen(user, sha256, now=now)):
            self.note(user, Action.SAW_PICTURE, sha256, now=now)

    def entries(self, *, before: int, limit: int) -> list[Entry]:
        """Return entries with a smaller id, newest first."""
        rows = self._connection.execute(
            "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", (before, limit)
        )
        return [
            Entry(row["id"], row["at"], row["user"], Action(row["action"]), row["sha256"])
            for row in rows
        ]

    def remove_old(self, *, now: float) -> None:
        """Remove entries older than `KEEP_DAYS`."""
        self._connection.execute("DELETE FROM audit WHERE at < ?", (now - KEEP_DAYS * 86_400,))
