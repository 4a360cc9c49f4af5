"""Transactions of the journal, one at a time within the process."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

WRITE_LOCK: Final = threading.RLock()
"""Held by the thread that writes. SQLite itself waits by sleeping: a thread would starve beside
another one that writes without a pause."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[Any]:
    """Yield the function that executes a statement; all of them are on disk afterwards, or none."""
    with WRITE_LOCK:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection.execute
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
