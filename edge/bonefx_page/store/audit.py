"""The audit log: who signed in, saw which film, decided what."""

import sqlite3
from enum import StrEnum
from typing import Final, NamedTuple

KEEP_DAYS: Final = 730
"""Older entries are removed when the page starts."""


class Action(StrEnum):
    """What a person did."""

    SIGNED_IN = "signed_in"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 an action, no password
    SIGNED_OUT = "signed_out"
    NEW_PASSWORD = "new_password"  # noqa: S105 an action, no password
    SAW_LIST = "saw_list"
    SAW_FILM = "saw_film"
    SAW_SLIP = "saw_slip"
    GAVE_VERDICT = "gave_verdict"
    SAW_REPORT = "saw_report"
    EXPORTED = "exported"
    SAW_AUDIT = "saw_audit"


class Entry(NamedTuple):
    """One line of the log."""

    id: int
    at: float
    """Seconds since 1970."""
    user: str
    action: Action
    sha256: str | None
    """Of the film."""


class Audit:
    """The log in the database of the page."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def note(self, user: str, action: Action, sha256: str | None = None, *, now: float) -> None:
        """Add an entry; it is on disk when this returns."""
        self._connection.execute(
            "INSERT INTO audit (at, user, action, sha256) VALUES (?, ?, ?, ?)",
            (now, user, action, sha256),
        )

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
