"""Recreate a lost journal from the result files."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, connect
from bonefx_edge.watch.journal.states import FilmState
from bonefx_edge.watch.results import ResultFolder

UNKNOWN: Final = "unknown"
"""What superseded a film, after a rebuild: its result file does not say."""


def rebuild(out: Path, journal: Path) -> int:
    """Make a new journal from the result files; return how many results it holds.

    Names are not in it: the service reads every file once, and knows its content again.

    Raises
    ------
    UsageError
        If there is a journal already: it is to be moved away by hand, never overwritten.
    JournalError
        For a result file that is none.
    """
    if (journal / JOURNAL_NAME).exists():
        msg = f"{journal}: expected no journal, got one; stop the service and move it away first"
        raise UsageError(msg)
    results = ResultFolder(out)
    connection = connect(journal, check=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        n = sum(_insert(connection, r, superseded=False) for r in results.read_all())
        for record in results.read_all(superseded=True):
            _insert(connection, record, superseded=True)
        connection.execute("COMMIT")
    except (ValueError, KeyError, TypeError) as err:
        connection.close()
        (journal / JOURNAL_NAME).unlink()
        msg = f"rebuild: expected result files, got: {err}; no journal was made"
        raise JournalError(msg) from err
    finally:
        connection.close()
    return n


def _insert(connection: sqlite3.Connection, record: dict[str, Any], *, superseded: bool) -> int:
    """Insert a film with its result; a superseded one that is current too stays current."""
    reason = record["finding"]["reason"]
    return connection.execute(
        "INSERT OR IGNORE INTO film (sha256, state, received, decided, answered_by, reason, record,"
        " superseded_by, filed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record["sha256"],
            FilmState.REFUSED if reason else FilmState.DONE,
            datetime.fromisoformat(record["received"]).timestamp(),
            datetime.fromisoformat(record["decided"]).timestamp(),
            record["answered_by"],
            reason,
            json.dumps(record),
            UNKNOWN if superseded else None,
            not superseded,
        ),
    ).rowcount
