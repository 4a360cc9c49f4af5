"""The files in the journal: which path holds which content."""

import sqlite3
from collections.abc import Iterable, Sequence

from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.states import Known, Receipt
from bonefx_edge.watch.journal.transaction import transaction
from bonefx_edge.watch.journal.transitions import receive_content, reclassify_content, supersede


class FileIndex:
    """The files that were seen in the watched folder; paths are relative to it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def recognize(self, path: bytes, signature: Signature) -> Known:
        """Return whether the content of a file with this signature is in the journal.

        A file that was missing is marked as present: a share that is mounted again is not read
        again.
        """
        row = self._connection.execute(
            "SELECT sha256, size, mtime_ns, ctime_ns, present, failure FROM file WHERE path = ?",
            (path,),
        ).fetchone()
        if row is None or row["sha256"] is None or row["failure"]:
            return Known.NO
        if (row["size"], row["mtime_ns"], row["ctime_ns"]) != signature:
            return Known.NO
        if row["present"]:
            return Known.YES
        with transaction(self._connection) as run:
            run("UPDATE file SET present = 1 WHERE path = ?", (path,))
            receive_content(run, row["sha256"], now=0.0)
        return Known.RETURNED

    def receive(
        self,
        path: bytes,
        signature: Signature,
        sha256: str,
        *,
        now: float,
        reclassify: bool = False,
    ) -> Receipt:
        """Enter the content of a complete file; one transaction.

        The content that the same file had before is superseded, unless another file has it too. If
        the file was missing in between, it is another image under an old path: nothing is
        superseded. With `reclassify` a content that has a result is classified again.
        """
        with transaction(self._connection) as run:
            before = run("SELECT sha256 FROM file WHERE path = ? AND present", (path,)).fetchone()
            run(
                "INSERT INTO file (path, sha256, size, mtime_ns, ctime_ns, present)"
                " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (path) DO UPDATE SET"
                " sha256 = excluded.sha256, size = excluded.size, mtime_ns = excluded.mtime_ns,"
                " ctime_ns = excluded.ctime_ns, present = 1, failure = NULL",
                (path, sha256, *signature),
            )
            receipt = receive_content(run, sha256, now=now)
            if receipt is Receipt.DUPLICATE and reclassify:
                receipt = reclassify_content(run, sha256)
            if before and before["sha256"] not in (None, sha256):
                supersede(run, before["sha256"], by=sha256)
        return receipt

    def mark_missing(self, paths: Iterable[bytes]) -> None:
        """Record that files do not exist any more; their results stay. One transaction."""
        with transaction(self._connection) as run:
            for path in paths:
                run(
                    "UPDATE file SET present = 0, failure = NULL WHERE path = ? AND present",
                    (path,),
                )

    def mark_present(self, path: bytes, sha256: str) -> None:
        """Record that a file exists after all, unless it has another content by now."""
        with transaction(self._connection) as run:
            run("UPDATE file SET present = 1 WHERE path = ? AND sha256 = ?", (path, sha256))

    def mark_unreadable(self, path: bytes, code: str) -> bool:
        """Record that a file exists and cannot be read; return whether that was not recorded."""
        row = self._connection.execute(
            "SELECT failure, present FROM file WHERE path = ?", (path,)
        ).fetchone()
        if row and row["present"] and row["failure"] == code:
            return False
        with transaction(self._connection) as run:
            run(
                "INSERT INTO file (path, present, failure) VALUES (?, 1, ?)"
                " ON CONFLICT (path) DO UPDATE SET present = 1, failure = excluded.failure",
                (path, code),
            )
        return True

    def present_files(self, *, after: bytes, limit: int) -> Sequence[bytes]:
        """Return up to `limit` files that existed at the last check, ordered by path."""
        rows = self._connection.execute(
            "SELECT path FROM file WHERE present AND path > ? ORDER BY path LIMIT ?", (after, limit)
        )
        return [row["path"] for row in rows]
