"""Who is signed in. The database has the hash of the cookie only."""

import hashlib
import secrets
import sqlite3
from typing import Final, NamedTuple

from bonefx_page.store.database import transaction
from bonefx_page.store.users import Role, User

IDLE_S: Final = 3600.0
"""A session ends when nothing was asked for so long."""
LIFETIME_S: Final = 12 * 3600.0
"""A session ends, whatever happens."""
_SEEN_STEP_S: Final = 60.0
"""How exactly `seen` is kept: not every picture is a write to the disk."""
_TOKEN_BYTES: Final = 32


class Session(NamedTuple):
    """A person who is signed in."""

    user: User
    form_token: str
    """Must come with each form of this session."""


class Sessions:
    """The sessions in the database of the page."""

    def __init__(self, connection: sqlite3.Connection, unwritten: dict[str, float]) -> None:
        """Store the connection, and when sessions were seen that the full disk does not take."""
        self._connection, self._unwritten = connection, unwritten

    def begin(self, user: User, *, now: float) -> str:
        """Begin a session; return the value of its cookie."""
        cookie = secrets.token_urlsafe(_TOKEN_BYTES)
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM session WHERE seen < ? OR created < ?",
                (now - IDLE_S, now - LIFETIME_S),
            )
            self._connection.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)",
                (_hash(cookie), user.name, secrets.token_urlsafe(_TOKEN_BYTES), now, now),
            )
        return cookie

    def find(self, cookie: str, *, now: float) -> Session | None:
        """Return the session of a cookie; None if there is none any more."""
        token = _hash(cookie)
        row = self._connection.execute(
            "SELECT session.*, role FROM session JOIN user ON user.name = session.user"
            " WHERE token = ? AND session.created > ?",
            (token, now - LIFETIME_S),
        ).fetchone()
        if row is None or max(row["seen"], self._unwritten.get(token, 0.0)) <= now - IDLE_S:
            self._unwritten.pop(token, None)
            return None
        if now - row["seen"] > _SEEN_STEP_S:
            self._note_seen(token, now)
        return Session(User(row["user"], Role(row["role"])), row["form_token"])

    def _note_seen(self, token: str, now: float) -> None:
        try:
            self._connection.execute("UPDATE session SET seen = ? WHERE token = ?", (now, token))
            self._unwritten.pop(token, None)
        except sqlite3.OperationalError:  # a full disk: films can still be read
            self._unwritten[token] = now

    def end(self, cookie: str) -> None:
        """End a session."""
        self._connection.execute("DELETE FROM session WHERE token = ?", (_hash(cookie),))


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
