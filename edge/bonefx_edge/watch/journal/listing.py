"""What a person asks about single images: those of a day, those of a name, the history of one.

Read-only. Everything is read in pages that are complete before they are used: a slow terminal keeps
no transaction open beside the service.
"""

import json
import os
import sqlite3
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bonefx_edge.text import printable
from bonefx_edge.watch.journal.states import ABSENT, ListedState
from bonefx_edge.watch.result_upgrade import upgrade

PAGE: Final = 500
"""Images, or names of files, of one query."""


class FileName(NamedTuple):
    """A name below the watched folder."""

    path: str
    """As `os.fsdecode` returns it."""
    is_present: bool
    """Whether the file existed when it was last looked for."""


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image with its newest result; times in seconds since 1970."""

    sha256: str
    names: tuple[FileName, ...]
    """Of the files that have it, or had it last; present ones first, of these the one
    that was classified. Empty after a rebuild."""
    received: float
    classified_at: float | None
    """None without a result."""
    journal_state: str
    """See `ImageState`; `received` also where an image with a result is classified again."""
    failure: str | None
    """Code of why the last attempt failed."""
    retry_at: float | None
    superseded_by: str | None
    """sha256 of the content that the file has now; None if the image is current."""
    finding: dict[str, Any] | None
    """Of `Finding.to_dict`, upgraded; the newest one. None without a result."""

    @property
    def state(self) -> ListedState:
        """A result counts until the next one."""
        if self.finding is not None:
            return ListedState(self.finding["state"])
        if self.journal_state != ListedState.FAILED:
            return ListedState.WAITING
        return ListedState.ABSENT if self.failure == ABSENT else ListedState.FAILED

    @property
    def name(self) -> str:
        """The first name; that of the finding where the journal has none, otherwise empty."""
        if self.names:
            return self.names[0].path
        return str(self.finding["path"]) if self.finding else ""


class Matches(NamedTuple):
    """What a name or the digits of a sha256 stand for."""

    contents: Sequence[str]
    """sha256 of each image, each once."""
    unreadable: Sequence[tuple[str, str]]
    """Name and error of each file that cannot be read."""


class Undelivered(NamedTuple):
    """The messages about one image that wait."""

    n: int
    attempts: int
    """Failed ones, of all of them."""


class Listing:
    """The images in a journal, for people; `JournalAdmin` has one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def received(self, since: float, until: float) -> Iterator[ListedImage]:
        """Yield the current images that were received in [since, until), oldest first."""
        rows = self._connection.execute(
            f"SELECT id {_RECEIVED} ORDER BY received, id",
            (since, until),
        )
        numbers = array("q", (row["id"] for row in rows))  # 8 bytes each, not a record each
        for start in range(0, len(numbers), PAGE):
            page = numbers[start : start + PAGE].tolist()
            marks = ", ".join("?" * len(page))
            found = self._connection.execute(
                f"SELECT * FROM image WHERE superseded_by IS NULL AND id IN ({marks})"  # noqa: S608
                " ORDER BY received, id",
                page,
            ).fetchall()
            yield from map(self._listed, found)

    def count_received(self, since: float, until: float) -> dict[str, int]:
        """Return the number of results by state, of the images of `received`."""
        rows = self._connection.execute(
            "SELECT json_extract(record, '$.finding.state'), count(*) FROM image"  # noqa: S608
            f" WHERE id IN (SELECT id {_RECEIVED}) AND record IS NOT NULL GROUP BY 1",
            (since, until),
        )
        return {str(state): int(n) for state, n in rows}

    def image(self, sha256: str) -> ListedImage:
        """Return the image with a content that `find` returned."""
        found = self._connection.execute("SELECT * FROM image WHERE sha256 = ?", (sha256,))
        return self._listed(found.fetchone())

    def is_known(self, sha256: str) -> bool:
        """Return whether the journal has an image with this content."""
        row = self._connection.execute("SELECT 1 FROM image WHERE sha256 = ?", (sha256,)).fetchone()
        return row is not None

    def replaced_by(self, sha256: str) -> Sequence[ListedImage]:
        """Return the earlier contents of the files of an image, in order of arrival."""
        rows = self._connection.execute(
            "SELECT * FROM image WHERE superseded_by = ? ORDER BY id", (sha256,)
        ).fetchall()
        return [self._listed(row) for row in rows]

    def undelivered(self, sha256: str) -> Undelivered:
        """Return the messages about an image that wait."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(attempts), 0) FROM outbox"
            " WHERE json_extract(body, '$.sha256') = ?",
            (sha256,),
        ).fetchone()
        return Undelivered(*row)

    def find(self, text: str) -> Matches:
        """Return the images that a person means.

        Parameters
        ----------
        text
            The first digits of a sha256, at least 4, or a name: a path below the watched folder or
            with it, otherwise the name of a file, otherwise part of a path. Also as it is printed.
            Digits can be both: the number in a name must not hide behind that of another image.
        """
        folder = self._connection.execute("SELECT value FROM meta WHERE name = 'folder'").fetchone()
        wanted = _comparable(text).removeprefix(f"{_comparable(folder[0])}/" if folder else "")
        wanted = wanted.removeprefix("...")  # of a name that `list` shortened
        matches: dict[int, list[sqlite3.Row]] = {0: [], 1: [], 2: []}
        for row in self._files() if wanted else ():
            path = _comparable(os.fsdecode(row["path"]))
            if wanted in path:
                ends = 1 if path.endswith(f"/{wanted}") and "/" not in wanted else 2
                matches[0 if path == wanted else ends].append(row)
        best = next(filter(None, matches.values()), [])
        by_name = [row["sha256"] for row in best if row["sha256"]]
        contents = dict.fromkeys([*self._with_digits(text.lower()), *by_name])
        unreadable = [
            (os.fsdecode(row["path"]), row["failure"])
            for row in best
            if row["present"] and row["failure"]
        ]
        return Matches(list(contents), unreadable)

    def unreadable(self, limit: int) -> Sequence[tuple[str, str]]:
        """Return name and error of the first files that cannot be read."""
        rows = self._connection.execute(
            "SELECT path, failure FROM file WHERE present AND failure IS NOT NULL"
            " ORDER BY path LIMIT ?",
            (limit,),
        )
        return [(os.fsdecode(row["path"]), row["failure"]) for row in rows]

    def with_status(self, status: str, limit: int) -> Sequence[ListedImage]:
        """Return the first current images that are `failed` or `absent`, in order of arrival."""
        rows = self._connection.execute(
            "SELECT * FROM current_image WHERE status = ? ORDER BY id LIMIT ?", (status, limit)
        ).fetchall()
        return [self._listed(row) for row in rows]

    def _with_digits(self, digits: str) -> list[str]:
        if len(digits) < _MIN_DIGITS or set(digits) - set("0123456789abcdef"):
            return []
        rows = self._connection.execute(
            "SELECT sha256 FROM image WHERE sha256 BETWEEN ? AND ? ORDER BY received, id",
            (digits, f"{digits}g"),  # the first character that is no digit
        )
        return [row["sha256"] for row in rows]

    def _files(self) -> Iterator[sqlite3.Row]:
        page = self._page_of_files(b"")
        while page:
            yield from page
            page = self._page_of_files(page[-1]["path"])

    def _page_of_files(self, after: bytes) -> list[sqlite3.Row]:
        return self._connection.execute(
            "SELECT path, sha256, present, failure FROM file WHERE path > ? ORDER BY path LIMIT ?",
            (after, PAGE),
        ).fetchall()

    def _listed(self, row: sqlite3.Row) -> ListedImage:
        finding = upgrade(json.loads(row["record"]))["finding"] if row["record"] else None
        rows = self._connection.execute(
            "SELECT path, present FROM file WHERE sha256 = ? ORDER BY path", (row["sha256"],)
        )
        names = [FileName(os.fsdecode(each["path"]), bool(each["present"])) for each in rows]
        classified_as = finding["path"] if finding else None
        names.sort(key=lambda name: (not name.is_present, name.path != classified_as))
        return ListedImage(
            sha256=row["sha256"],
            names=tuple(names),
            received=row["received"],
            classified_at=row["classified_at"],
            journal_state=row["state"],
            failure=row["failure"],
            retry_at=row["retry_at"],
            superseded_by=row["superseded_by"],
            finding=finding,
        )


_MIN_DIGITS: Final = 4
_RECEIVED: Final = "FROM image WHERE superseded_by IS NULL AND received >= ? AND received < ?"
"""From the index `image_current` alone, without the records."""


def _comparable(name: str) -> str:
    """Return a name as it is printed; a share of another system may compose letters differently."""
    return unicodedata.normalize("NFC", printable(name))
