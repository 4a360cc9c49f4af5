"""The words of the journal: where a film is in its life, what a file turned out to be."""

from enum import StrEnum
from typing import Final, NamedTuple

JOURNAL_FOLDER: Final = "journal"
"""In the folder of results, unless another is named."""
ABSENT: Final = "absent"
"""Failure of a film that no file holds any more; tried again when one does, not before."""


class FilmState(StrEnum):
    """Where a film is in its life; `failed` is tried again for ever."""

    RECEIVED = "received"
    CLAIMED = "claimed"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Receipt(StrEnum):
    """What a file turned out to be."""

    NEW = "new"
    """A content that was never seen: a film to classify."""
    DUPLICATE = "duplicate"
    """A content that has a result, or will have one."""
    AGAIN = "again"
    """A content that was superseded or had vanished, and is back: to classify."""


class Known(StrEnum):
    """Whether a file needs to be read."""

    NO = "no"
    YES = "yes"
    BACK = "back"
    """It was gone, and is as it was before."""


class Claim(NamedTuple):
    """A film in hand."""

    sha256: str
    path: bytes
    """Of a file that holds it, below the watched folder."""
    received: float
    """When it first came, seconds since 1970."""
