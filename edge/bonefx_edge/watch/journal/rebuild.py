"""Recreate a lost journal from the result files."""

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.files import sync_folder
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, connect, lock
from bonefx_edge.watch.journal.states import FilmState
from bonefx_edge.watch.results import ResultFolder

UNKNOWN: Final = "unknown"
"""What superseded a film, after a rebuild: its result file does not say."""
BUILDING: Final = ".rebuild"
"""Folder in that of the journal, where a new one is made."""


def rebuild(out: Path, journal: Path) -> int:
    """Make a new journal from the result files; return how many results it holds.

    Names are not in it: the service reads every file once, and knows its content again. It is made
    beside its place and renamed when it is whole: a failure or a kill leaves no journal.

    Raises
    ------
    UsageError
        If there is a journal already: it is to be moved away by hand, never overwritten.
    JournalError
        A service runs, or a result file cannot be read or is none.
    OSError
        The folder of the journal cannot be written.
    """
    journal.mkdir(parents=True, exist_ok=True, mode=0o700)
    building, held = journal / BUILDING, lock(journal / LOCK_NAME)
    try:
        left = next(journal.glob(f"{JOURNAL_NAME}*"), None)
        if left is not None:
            msg = f"{left}: expected no journal, got one; stop the service and move it away first"
            raise UsageError(msg)
        _discard(building)  # of a rebuild that was killed
        with closing(connect(building, check=False)) as connection:
            n = _fill(connection, ResultFolder(out))
        (building / JOURNAL_NAME).rename(journal / JOURNAL_NAME)
        sync_folder(journal)
    finally:
        _discard(building)
        os.close(held)
    return n


def _discard(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _fill(connection: sqlite3.Connection, results: ResultFolder) -> int:
    """Insert all results, whole and on disk when this returns; return how many are current."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        n = sum(_insert(connection, each, superseded=False) for each in results.read_all())
        for record in results.read_all(superseded=True):
            _insert(connection, record, superseded=True)
    except (OSError, ValueError) as err:
        msg = f"rebuild: expected to read all result files, got: {err}; no journal was made"
        raise JournalError(msg) from err
    connection.execute("COMMIT")
    # Into the file that is to be renamed: what is in the log alone would be lost.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return n


def _insert(connection: sqlite3.Connection, record: dict[str, Any], *, superseded: bool) -> int:
    """Insert a film with its result; a superseded one that is current too stays current."""
    try:
        row = _row(record, superseded=superseded)
    except (ValueError, KeyError, TypeError) as err:
        msg = f"expected a whole result of {record.get('sha256')}, got: {err!r}; move it away"
        raise ValueError(msg) from err
    return connection.execute(
        "INSERT OR IGNORE INTO film (sha256, state, received, decided, answered_by, reason, record,"
        " superseded_by, filed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    ).rowcount


def _row(record: dict[str, Any], *, superseded: bool) -> tuple[Any, ...]:
    reason = record["finding"]["reason"]
    return (
        record["sha256"],
        FilmState.REFUSED if reason else FilmState.DONE,
        datetime.fromisoformat(record["received"]).timestamp(),
        datetime.fromisoformat(record["decided"]).timestamp(),
        record["answered_by"],
        reason,
        json.dumps(record),
        UNKNOWN if superseded else None,
        not superseded,
    )
