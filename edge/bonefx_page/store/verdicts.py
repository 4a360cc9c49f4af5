"""What readers say about films: in the database, and in a file for each film.

A lost database can be made again of the files: `edge-page rebuild`.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.files import error_name

from bonefx_page.store.database import NotSavedError, transaction
from bonefx_page.store.verdict_files import VerdictFiles

logger = logging.getLogger(__name__)

SCHEMA: Final = "bonefx.verdict/1"
MAX_REMARK: Final = 500
"""Characters."""


class Answer(StrEnum):
    """What a reader sees on a film."""

    FRACTURE = "fracture"
    NO_FRACTURE = "no_fracture"
    UNSURE = "unsure"
    NOT_READABLE = "not_readable"


class Box(NamedTuple):
    """Where the fracture is: shares of the film's width and height, [0, 1]."""

    left: float
    top: float
    width: float
    """> 0; left + width <= 1."""
    height: float
    """> 0; top + height <= 1."""


class Predictor(NamedTuple):
    """What makes results: the file of a model, used in one way. Fields as in `Verdict`."""

    model: str
    model_sha256: str
    mode: str
    operating_point: str
    site_profile: str | None


class Group(NamedTuple):
    """Films with a verdict that have all this in common."""

    day: str
    """Of their first arrival, local time, YYYY-MM-DD."""
    answer: Answer
    state: str
    predictor: Predictor
    body_part: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reader said about one film, and about which result."""

    sha256: str
    """Of the film."""
    given: float
    """Seconds since 1970."""
    reader: str
    answer: Answer
    box: Box | None
    remark: str
    received: float
    """First arrival of the film, seconds since 1970."""
    state: str
    """Of the finding that the reader saw, as the next ones."""
    score: float | None
    reason: str | None
    model: str
    """Name and version."""
    model_sha256: str
    mode: str
    operating_point: str
    site_profile: str | None
    """sha256, 12 digits; None: not commissioned."""
    body_part: str | None = None
    """Of the finding; verdicts of bonefx 0.5 have none."""

    @property
    def predictor(self) -> Predictor:
        """What made the result."""
        return Predictor(
            *(self.model, self.model_sha256, self.mode, self.operating_point, self.site_profile)
        )

    @property
    def agrees(self) -> bool | None:
        """Whether reader and result say the same; None where one of them says neither yes nor no.

        >>> _CLEAR == {Answer.FRACTURE.value, Answer.NO_FRACTURE.value}
        True
        """
        if self.answer.value not in _CLEAR or self.state not in _CLEAR:
            return None
        return self.answer.value == self.state


_CLEAR: Final = frozenset({"fracture", "no_fracture"})


class Verdicts:
    """The verdicts in the database and the folder of the page."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection, self._files = connection, VerdictFiles(folder)

    def give(self, verdict: Verdict) -> None:
        """Add a verdict; it becomes the current one of its film. On disk when this returns.

        Raises
        ------
        NotSavedError
            The disk is full or cannot be written: nothing has changed.
        """
        record = asdict(verdict) | {"schema": SCHEMA, "box": _box_dict(verdict.box)}
        text, sha256 = json.dumps(record, allow_nan=False), verdict.sha256
        try:
            with self._files.locked():
                self._finish([each for each in self._files.waiting() if each[0] == sha256])
                self._commit(verdict, text)
                with _left_to_the_next_start():
                    self._files.publish(sha256)
        except (OSError, sqlite3.OperationalError) as err:
            raise NotSavedError(err) from err

    def finish(self) -> None:
        """Complete what a kill interrupted: the database says which verdicts were given.

        A database without verdicts beside files with some is a new one in the place of a lost one:
        then the files stay as they are, for `rebuild`.
        """
        with self._files.locked():
            if not (self._is_empty() and any(self._files.lines())):
                self._finish(self._files.waiting())

    def current(self, sha256: str) -> Verdict | None:
        """Return the verdict that counts for a film."""
        history = self.history(sha256)
        return history[-1] if history else None

    def history(self, sha256: str) -> list[Verdict]:
        """Return all verdicts about a film, oldest first."""
        rows = self._connection.execute(
            "SELECT record FROM verdict WHERE sha256 = ? ORDER BY id", (sha256,)
        )
        return [verdict_of(json.loads(row["record"])) for row in rows]

    def answers(self, contents: list[str]) -> dict[str, tuple[Answer, bool | None]]:
        """Return the current answers about some films, and whether they agree with the result."""
        marks = ", ".join("?" * len(contents))
        rows = self._connection.execute(
            "SELECT sha256, answer, agrees FROM verdict"  # noqa: S608 question marks
            f" WHERE is_current AND sha256 IN ({marks})",
            contents,
        )
        return {
            row["sha256"]: (
                Answer(row["answer"]),
                None if row["agrees"] is None else bool(row["agrees"]),
            )
            for row in rows
        }

    def all_current(self) -> Iterator[Verdict]:
        """Yield the verdicts that count, by arrival of their films."""
        rows = self._connection.execute(
            "SELECT record FROM verdict WHERE is_current ORDER BY received, id"
        )
        return (verdict_of(json.loads(row["record"])) for row in rows)

    def groups(self) -> list[Group]:
        """Return the number of verdicts that count, by all that the report tells apart."""
        rows = self._connection.execute(
            "SELECT date(received, 'unixepoch', 'localtime') AS day, answer, state, name,"
            " body_part, count(*) AS n FROM verdict INDEXED BY verdict_report"
            " JOIN predictor ON predictor.id = verdict.predictor WHERE is_current"
            " GROUP BY 1, answer, state, predictor, body_part"
        )
        return [
            Group(
                *(row["day"], Answer(row["answer"]), row["state"]),
                *(Predictor(*json.loads(row["name"])), row["body_part"], row["n"]),
            )
            for row in rows
        ]

    def rebuild(self) -> int:
        """Fill an empty database from the files; return the number of verdicts.

        Raises
        ------
        UsageError
            The database has verdicts already, or a file has something else than verdicts.
        """
        if not self._is_empty():
            msg = "the database has verdicts already; move page.sqlite away, then try again"
            raise UsageError(msg)
        n = 0
        with self._files.locked(), transaction(self._connection):
            for sha256, last in self._files.waiting():  # whether it was given is not known any more
                (self._files.publish if last else self._files.discard)(sha256)
            for path, line in self._files.lines():
                self._insert(_verdict_in(line, path), line)
                n += 1
        return n

    def _is_empty(self) -> bool:
        return self._connection.execute("SELECT 1 FROM verdict LIMIT 1").fetchone() is None

    def _commit(self, verdict: Verdict, text: str) -> None:
        try:
            with transaction(self._connection):
                self._insert(verdict, text)
                self._files.prepare(verdict.sha256, text)
        except (OSError, sqlite3.Error):
            with _left_to_the_next_start():
                self._files.discard(verdict.sha256)
            raise

    def _finish(self, waiting: list[tuple[str, str]]) -> None:
        for sha256, line in waiting:
            row = self._connection.execute(
                "SELECT record FROM verdict WHERE sha256 = ? ORDER BY id DESC LIMIT 1", (sha256,)
            ).fetchone()
            was_given = row is not None and row["record"] == line
            (self._files.publish if was_given else self._files.discard)(sha256)

    def _insert(self, verdict: Verdict, text: str) -> None:
        self._connection.execute(
            "UPDATE verdict SET is_current = 0 WHERE sha256 = ? AND is_current", (verdict.sha256,)
        )
        self._connection.execute(
            "INSERT INTO verdict (sha256, given, reader, answer, agrees, state, received, record,"
            " body_part, predictor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(verdict.sha256, verdict.given, verdict.reader, verdict.answer),
                *(verdict.agrees, verdict.state, verdict.received, text),
                *(verdict.body_part, self._id_of(verdict.predictor)),
            ),
        )

    def _id_of(self, predictor: Predictor) -> int:
        """Return the number of a predictor; it is added if it is new."""
        run, marks = self._connection.execute, "json_array(?, ?, ?, ?, ?)"
        run(f"INSERT OR IGNORE INTO predictor (name) VALUES ({marks})", predictor)  # noqa: S608
        found = run(f"SELECT id FROM predictor WHERE name = {marks}", predictor)  # noqa: S608
        return int(found.fetchone()["id"])


def verdict_of(record: dict[str, Any]) -> Verdict:
    """Return the verdict of a JSON object."""
    box = record["box"]
    return Verdict(
        **{key: value for key, value in record.items() if key not in ("schema", "box", "answer")},
        answer=Answer(record["answer"]),
        box=Box(**box) if box else None,
    )


def _box_dict(box: Box | None) -> dict[str, float] | None:
    return box._asdict() if box else None


def _verdict_in(line: str, path: Path) -> Verdict:
    try:
        return verdict_of(json.loads(line))
    except (ValueError, KeyError, TypeError) as err:
        msg = f"{path}: expected one verdict a line, got {err!r}; move the file away, try again"
        raise UsageError(msg) from err


@contextmanager
def _left_to_the_next_start() -> Iterator[None]:
    """Log an error of the disk; `Verdicts.finish` does what could not be done."""
    try:
        yield
    except OSError as err:
        logger.error("a file of a verdict waits for the next start: %s", error_name(err))  # noqa: TRY400
