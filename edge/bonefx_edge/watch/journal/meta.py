"""Single values in the journal, by name."""

import json
import os
import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

from bonefx_edge.watch.journal.transaction import transaction

_JOURNAL: Final = "journal"
_FOLDER_OF: Final = "folder of "
SET_META: Final = (
    "INSERT INTO meta (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
"""Name and value."""


class KnownFolder(NamedTuple):
    """A folder that the service writes to, as the journal knows it."""

    marker: str
    """Id in its marker; empty: take the folder that is at the path now."""
    path: str


def get_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a value by name, None if there is none; read-only."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Set or replace the value of a name."""
    with transaction(connection) as run:
        run(SET_META, (name, value))


def journal_id(connection: sqlite3.Connection) -> str | None:
    """Return the id of the journal, None if a version without markers wrote it."""
    return get_meta(connection, _JOURNAL)


def make_journal_id(connection: sqlite3.Connection, found: str | None = None) -> str:
    """Return the id of the journal; one that has none gets `found`, or else a new one."""
    known = journal_id(connection)
    if known is None:
        known = found or os.urandom(8).hex()
        set_meta(connection, _JOURNAL, known)
    return known


def known_folders(connection: sqlite3.Connection) -> Mapping[str, KnownFolder]:
    """Return the marked folders by what is written there: results, done, refused."""
    rows = connection.execute("SELECT name, value FROM meta WHERE name LIKE ?", (f"{_FOLDER_OF}%",))
    return {
        row["name"].removeprefix(_FOLDER_OF): KnownFolder(*json.loads(row["value"])) for row in rows
    }


def set_known_folder(connection: sqlite3.Connection, name: str, folder: KnownFolder) -> None:
    """Record a marked folder."""
    # JSON in ASCII: a path need not be UTF-8, and SQLite takes nothing else.
    set_meta(connection, _FOLDER_OF + name, json.dumps(folder))
