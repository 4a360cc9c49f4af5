"""What stands behind the question mark of an address: filters and keys; never a name."""

import math
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

from bonefx_edge.errors import Reason, UsageError
from bonefx_edge.inference.decision import Caution
from bonefx_edge.watch.journal.states import ListedState
from bonefx_edge.watch.journal.worklist import ORDER, Key, WorklistFilter

from bonefx_page.films.journal import DISAGREED, READ, UNREAD
from bonefx_page.guard import Asked

SUSPICIOUS: Final = "suspicious"
_STATES: Final = {
    "": ORDER,
    SUSPICIOUS: (ListedState.FRACTURE, ListedState.UNCERTAIN),
    **{state.value: (state,) for state in ORDER},
}
_CONDITIONS: Final = {"": "1", "unread": UNREAD, "read": READ, "disagreed": DISAGREED}
ALL_DAYS: Final = "all"
MAX_PART: Final = 16
"""Characters of a body part."""


@dataclass(frozen=True, slots=True)
class Query:
    """The filter of a list, as in its address."""

    state: str
    """A state, `suspicious`, or empty."""
    day: str
    """YYYY-MM-DD or `all`."""
    reading: str
    """unread, read, disagreed, or empty."""
    reason: str
    """Code of a refusal, or empty."""
    caution: str = ""
    """Code of a caution, or empty."""
    part: str = ""
    """Body part, or empty."""

    @property
    def filter(self) -> WorklistFilter:
        """The images; of one day the suspicious ones first, otherwise the newest."""
        since, until = (
            (float("-inf"), float("inf"))
            if self.day == ALL_DAYS
            else bounds(date.fromisoformat(self.day))
        )
        return WorklistFilter(
            states=self._states,
            since=since,
            until=until,
            reason=self.reason or None,
            caution=self.caution or None,
            body_part=self.part or None,
            condition=_CONDITIONS[self.reading],
            by_state=self.day != ALL_DAYS,
        )

    @property
    def _states(self) -> tuple[ListedState, ...]:
        if self.reason:
            return (ListedState.REFUSED,)
        return (ListedState.UNCERTAIN,) if self.caution else _STATES[self.state]

    def text(self, **more: str) -> str:
        """Return the part of an address behind the question mark."""
        fields = asdict(self) | more
        return urlencode({key: value for key, value in fields.items() if value})


def query_of(asked: Asked) -> Query:
    """Return the filter of a request; today if it names no day.

    Raises
    ------
    UsageError
        An address that no page of ours has.
    """
    given = asked.request.query_params
    query = Query(
        given.get("state", ""),
        given.get("day", "") or today(asked.now).isoformat(),
        given.get("reading", ""),
        given.get("reason", ""),
        given.get("caution", ""),
        given.get("part", ""),
    )
    known = (
        query.state in _STATES
        and query.reading in _CONDITIONS
        and query.reason in {"", *Reason}
        and query.caution in {"", *Caution}
        and len(query.part) <= MAX_PART
        and (query.day == ALL_DAYS or _is_day(query.day))
    )
    if not known:
        msg = "this address has a filter that does not exist; start from the list"
        raise UsageError(msg)
    return query


def key_of(asked: Asked) -> Key | None:
    """Return the key `after` of a request; None without one.

    Raises
    ------
    UsageError
        It is none.
    """
    given = asked.request.query_params.get("after", "")
    if not given:
        return None
    try:
        group, received, number_ = given.split("_")
        key = Key(int(group), float(received), int(number_))
    except ValueError:
        key = None
    if key is None or key.group < 0 or math.isnan(key.received) or not 0 <= key.id < _MAX_ID:
        msg = "this address does not lead to a part of the list; start from the list"
        raise UsageError(msg)
    return key


_MAX_ID: Final = 2**63
"""Of SQLite."""


def key_text(key: Key) -> str:
    """Return the value of `after`."""
    return f"{key.group}_{key.received!r}_{key.id}"


def number(asked: Asked, name: str) -> int | None:
    """Return a number of a request; None without one, or if it is none."""
    given = asked.request.query_params.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < _MAX_DIGITS else None


_MAX_DIGITS: Final = 18


def today(now: float) -> date:
    """Return the day of a time in seconds since 1970, local time."""
    return datetime.fromtimestamp(now, UTC).astimezone().date()


def bounds(day: date) -> tuple[float, float]:
    """Return beginning and end of a day in local time, seconds since 1970."""
    # A time without zone is local time; a day may have 23 or 25 hours.
    start = datetime.combine(day, time())
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def _is_day(text: str) -> bool:
    try:
        return _FIRST_YEAR <= date.fromisoformat(text).year <= _LAST_YEAR
    except ValueError:
        return False


_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 9990
"""`datetime` counts no seconds since 1970 far beyond."""
