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
from bonefx_edge.watch.journal.meta import make_journal_id
from bonefx_edge.watch.journal.outbox import SEQUENCE
from bonefx_edge.watch.journal.states import ImageState
from bonefx_edge.watch.marked_folder import MarkedFolder, open_folder, read_marker
from bonefx_edge.watch.results import ResultFolder

UNKNOWN: Final = "unknown"
"""What superseded an image, after a rebuild: its result file does not say."""
BUILDING: Final = ".rebuild"
"""Folder in that of the journal, where the new one is built."""


def rebuild(out: Path, journal: Path) -> int:
    """Build a journal from the result files; return the number of current results in it.

    It has no file names: the service reads every file once and recognizes its content. It is built
    in another folder and moved when it is complete: a failure or a kill leaves no journal.

    Raises
    ------
    UsageError
        If there is a journal already: it is never overwritten.
    JournalError
        A service runs, or a result file cannot be read or is not a result.
    OSError
        The folder of the journal cannot be written.
    """
    journal.mkdir(parents=True, exist_ok=True, mode=0o700)
    building, held = journal / BUILDING, lock(journal / LOCK_NAME)
    try:
        left = next(journal.glob(f"{JOURNAL_NAME}*"), None)
        if left is not None:
            msg = f"{left}: there is a journal already. Stop the service, move it away, try again."
            raise UsageError(msg)
        _discard(building)  # of a rebuild that was killed
        with closing(connect(building, owner=True)) as connection:
            n = _fill(connection, ResultFolder(MarkedFolder(out, "results")))
            _keep_id(connection, out)
            # Into the file that is moved afterwards: the log is not.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
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
    """Insert all results, on disk when this returns; return the number of current ones."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        n = sum(_insert(connection, each, superseded=False) for each in results.read_all())
        for record in results.read_all(superseded=True):
            _insert(connection, record, superseded=True)
    except (OSError, ValueError) as err:
        msg = f"Cannot read a result file: {err}. No journal was made."
        raise JournalError(msg) from err
    # Seconds since 1970: larger than the number of any message of the journal that was lost.
    connection.execute("INSERT INTO meta VALUES (?, strftime('%s', 'now'))", (SEQUENCE,))
    connection.execute("COMMIT")
    return n


def _keep_id(connection: sqlite3.Connection, out: Path) -> None:
    """Give the journal the id of the lost one: the marked folders belong to it."""
    with open_folder(out, "results") as folder:
        marker = read_marker(folder, "results")
    if marker is not None:
        make_journal_id(connection, marker.journal)


def _insert(connection: sqlite3.Connection, record: dict[str, Any], *, superseded: bool) -> int:
    """Insert an image with its result; one that is current and superseded stays current."""
    try:
        row = _row(record, superseded=superseded)
    except (ValueError, KeyError, TypeError) as err:
        msg = f"the result of {record.get('sha256')} is incomplete ({err!r}); move it away"
        raise ValueError(msg) from err
    return connection.execute(
        "INSERT OR IGNORE INTO image (sha256, state, received, classified_at, predictor, reason,"
        " record, superseded_by, published) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    ).rowcount


def _row(record: dict[str, Any], *, superseded: bool) -> tuple[Any, ...]:
    reason = record["finding"]["reason"]
    return (
        record["sha256"],
        ImageState.REFUSED if reason else ImageState.DONE,
        datetime.fromisoformat(record["received"]).timestamp(),
        datetime.fromisoformat(record["classified_at"]).timestamp(),
        record["predictor"],
        reason,
        json.dumps(record),
        UNKNOWN if superseded else None,
        not superseded,
    )
