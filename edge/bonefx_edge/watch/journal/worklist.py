"""Images in the order in which a reader works through them, a page at a time.

The most suspicious states come first if the filter asks for it; the newest first within each. A
page is found by the key of the image before it, never by counting: it costs the same everywhere in
a list of 100,000. Read-only.
"""

import heapq
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bonefx_edge.watch.journal.states import ListedState

ORDER: Final = (
    ListedState.FRACTURE,
    ListedState.UNCERTAIN,
    ListedState.REFUSED,
    ListedState.WAITING,
    ListedState.NO_FRACTURE,
)
"""Most urgent first. `waiting` includes images that are retried."""
MAX_BODY_PARTS: Final = 50
"""In the choice for people: a sender can write what it wants."""
_ALWAYS: Final = "1"
_WITH_PART: Final = (
    "FROM image INDEXED BY image_body_part WHERE superseded_by IS NULL AND body_part IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class WorklistFilter:
    """Which images, and in which order."""

    states: tuple[ListedState, ...] = ORDER
    since: float = float("-inf")
    """First arrival, seconds since 1970."""
    until: float = float("inf")
    """Exclusive."""
    reason: str | None = None
    """Only images refused for this reason."""
    caution: str | None = None
    """Only images with this caution."""
    body_part: str | None = None
    """Only images of it, as in `Finding.body_part`."""
    condition: str = _ALWAYS
    """SQL about `image.sha256`, for what another attached database knows; no text of a person."""
    by_state: bool = True
    """Whether the states follow each other in `ORDER`; otherwise only the time counts."""

    def groups(self) -> list[tuple[ListedState, ...]]:
        """Return the states that are sorted together, in their order."""
        states = [state for state in ORDER if state in self.states]
        return [(state,) for state in states] if self.by_state else [tuple(states)]


class Key(NamedTuple):
    """Where an image stands in a list."""

    group: int
    """Index in `WorklistFilter.groups`."""
    received: float
    id: int


class Row(NamedTuple):
    """An image in a list."""

    key: Key
    sha256: str


class Worklist:
    """The current images of a journal."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def after(self, wanted: WorklistFilter, key: Key | None, *, limit: int) -> list[Row]:
        """Return up to `limit` images that follow a key, or the first ones; newest first."""
        groups = wanted.groups()
        first = key.group if key else 0
        found: list[Row] = []
        for index in range(first, len(groups)):
            start = key if key and index == first else None
            rows = self._of_group(wanted, index, start, limit=limit - len(found))
            found += rows
            if len(found) == limit:
                break
        return found

    def before(self, wanted: WorklistFilter, key: Key) -> Row | None:
        """Return the image that stands before a key; None for the first one."""
        for index in range(min(key.group, len(wanted.groups()) - 1), -1, -1):
            start = key if index == key.group else None
            rows = self._of_group(wanted, index, start, limit=1, backwards=True)
            if rows:
                return rows[0]
        return None

    def key_of(self, wanted: WorklistFilter, sha256: str) -> Key | None:
        """Return the key of an image under a filter; None if it has none of its states."""
        row = self._connection.execute(
            "SELECT id, received, listed FROM image WHERE sha256 = ?", (sha256,)
        ).fetchone()
        for index, states in enumerate(wanted.groups()) if row else ():
            if row["listed"] in states:
                return Key(index, row["received"], row["id"])
        return None

    def counts(self, since: float, until: float) -> dict[ListedState, int]:
        """Return the number of images received in [since, until), by state."""
        rows = self._connection.execute(
            "SELECT listed, count(*) FROM image INDEXED BY image_listed"
            " WHERE superseded_by IS NULL AND listed IN (?, ?, ?, ?, ?)"
            " AND received >= ? AND received < ? GROUP BY 1",
            (*ORDER, since, until),
        )
        return dict.fromkeys(ORDER, 0) | {ListedState(state): int(n) for state, n in rows}

    def n_waiting(self) -> int:
        """Return how many images have no result yet, absent ones apart."""
        row = self._connection.execute(
            "SELECT count(*) FROM image WHERE superseded_by IS NULL"
            " AND state IN ('received', 'claimed', 'failed') AND failure IS NOT 'absent'"
        ).fetchone()
        return int(row[0])

    def n_with_caution(self, since: float, until: float) -> int:
        """Return the number of uncertain images with a caution, received in [since, until)."""
        row = self._connection.execute(
            "SELECT count(*) FROM image INDEXED BY image_listed WHERE superseded_by IS NULL"
            " AND listed = ? AND received >= ? AND received < ? AND caution IS NOT NULL",
            (ListedState.UNCERTAIN, since, until),
        ).fetchone()
        return int(row[0])

    def body_parts(self) -> list[str]:
        """Return the body parts of the images, at most `MAX_BODY_PARTS`, in order."""
        # From each to the next one in the index, however many images are between them.
        rows = self._connection.execute(
            "WITH RECURSIVE part (name) AS ("  # noqa: S608 constants
            f" SELECT min(body_part) {_WITH_PART}"
            f" UNION ALL SELECT (SELECT min(body_part) {_WITH_PART} AND body_part > name)"
            " FROM part WHERE name IS NOT NULL"
            ") SELECT name FROM part WHERE name IS NOT NULL LIMIT ?",
            (MAX_BODY_PARTS,),
        )
        return [str(row["name"]) for row in rows]

    def newest(self) -> str | None:
        """Return the sha256 of the newest result; None if there is none."""
        row = self._connection.execute(
            "SELECT sha256 FROM image WHERE classified_at IS NOT NULL"
            " ORDER BY classified_at DESC LIMIT 1"
        ).fetchone()
        return str(row["sha256"]) if row else None

    def _of_group(
        self,
        wanted: WorklistFilter,
        group: int,
        start: Key | None,
        *,
        limit: int,
        backwards: bool = False,
    ) -> list[Row]:
        """Return the images of one group beyond a key; each state is one walk along the index."""
        rows = [
            self._of_state(wanted, state, start, limit=limit, backwards=backwards)
            for state in wanted.groups()[group]
        ]
        merged = heapq.merge(
            *rows, key=lambda row: (row["received"], row["id"]), reverse=not backwards
        )
        keyed = [Row(Key(group, row["received"], row["id"]), row["sha256"]) for row in merged]
        return keyed[:limit]

    def _of_state(
        self,
        wanted: WorklistFilter,
        state: ListedState,
        start: Key | None,
        *,
        limit: int,
        backwards: bool,
    ) -> Sequence[sqlite3.Row]:
        compared, order = (">", "ASC") if backwards else ("<", "DESC")
        beyond = f"AND (received, id) {compared} (:received, :id)" if start else ""
        values = {
            "reason": wanted.reason,
            "caution": wanted.caution,
            "body_part": wanted.body_part,
        }
        equal = "".join(f" AND {name} = :{name}" for name, value in values.items() if value)
        return self._connection.execute(
            "SELECT id, received, sha256 FROM image INDEXED BY image_listed"  # noqa: S608
            " WHERE superseded_by IS NULL AND listed = :state"
            f" AND received >= :since AND received < :until {beyond} {equal}"
            f" AND {wanted.condition} ORDER BY received {order}, id {order} LIMIT :limit",
            {
                "state": state,
                "since": wanted.since,
                "until": wanted.until,
                **values,
                "limit": limit,
                "received": start.received if start else None,
                "id": start.id if start else None,
            },
        ).fetchall()
