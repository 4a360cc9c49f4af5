"""The people who may sign in."""

import functools
import hmac
import sqlite3
from enum import StrEnum
from typing import Final, NamedTuple

from bonefx_edge.errors import UsageError

from bonefx_page.store.database import transaction
from bonefx_page.store.passwords import (
    MAX_LENGTH,
    MIN_LENGTH,
    hash_password,
    is_password,
    make_password,
)

MAX_NAME: Final = 64


class Role(StrEnum):
    """What a person may do; each may do what the ones before may."""

    TECHNICIAN = "technician"
    """See films, results and refusals, print slips."""
    READER = "reader"
    """Give verdicts, see the report, export."""
    ADMIN = "admin"
    """See the audit log, commission."""

    def may(self, needed: "Role") -> bool:
        """Return whether this role includes another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(NamedTuple):
    """A person, without the password."""

    name: str
    role: Role


class Users:
    """The users in the database of the page."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, name: str, role: Role, password: str, *, now: float) -> None:
        """Add a user.

        Raises
        ------
        UsageError
            The name is taken or not usable, or the password too short.
        """
        if not (0 < len(name) <= MAX_NAME and name.isprintable() and name == name.strip()):
            msg = f"expected a name of 1 to {MAX_NAME} printable characters, got {name!r}"
            raise UsageError(msg)
        hashed = _hash(password)
        try:
            self._connection.execute(
                "INSERT INTO user VALUES (?, ?, ?, ?)", (name, hashed, role, now)
            )
        except sqlite3.IntegrityError as err:
            msg = f"there is a user {name!r} already; edge-page password makes a new password"
            raise UsageError(msg) from err

    def set_password(self, name: str, password: str) -> None:
        """Replace a password, and end all sessions of that user.

        Raises
        ------
        UsageError
            There is no such user, or the password is too short.
        """
        hashed = _hash(password)
        with transaction(self._connection):
            n = self._connection.execute(
                "UPDATE user SET password = ? WHERE name = ?", (hashed, name)
            ).rowcount
            self._connection.execute("DELETE FROM session WHERE user = ?", (name,))
        _check_known(n, name)

    def remove(self, name: str) -> None:
        """Remove a user, and end the sessions; verdicts and the audit log keep the name.

        Raises
        ------
        UsageError
            There is no such user.
        """
        _check_known(
            self._connection.execute("DELETE FROM user WHERE name = ?", (name,)).rowcount, name
        )

    def all(self) -> list[User]:
        """Return all users by name."""
        rows = self._connection.execute("SELECT name, role FROM user ORDER BY name")
        return [User(row["name"], Role(row["role"])) for row in rows]

    def check(self, name: str, password: str) -> User | None:
        """Return the user of name and password; None if there is none or the password is wrong."""
        row = self._connection.execute("SELECT * FROM user WHERE name = ?", (name,)).fetchone()
        fits = is_password(password[:MAX_LENGTH], row["password"] if row else _nobody())
        return User(row["name"], Role(row["role"])) if row and fits else None

    def mark(self, name: str) -> str:
        """Return what a browser keeps in which a person has signed in; empty: there is no such one.

        Another one after a new password. Nobody can make it without the database.
        """
        row = self._connection.execute("SELECT * FROM user WHERE name = ?", (name,)).fetchone()
        key = row["password"].encode() if row else b""
        return hmac.new(key, name.encode(), "sha256").hexdigest() if row else ""


@functools.cache
def _nobody() -> str:
    """Return what an unknown name is compared with, so that it takes as long as a known one."""
    return hash_password(make_password())


def _hash(password: str) -> str:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        msg = f"expected a password of {MIN_LENGTH} to {MAX_LENGTH} characters"
        raise UsageError(msg)
    return hash_password(password)


def _check_known(n: int, name: str) -> None:
    if not n:
        msg = f"there is no user {name!r}; edge-page users lists them"
        raise UsageError(msg)
