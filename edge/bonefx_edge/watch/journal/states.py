"""The states of an image, and what a file turns out to be."""

from enum import StrEnum
from typing import Final, NamedTuple

from bonefx_edge.errors import Reason

JOURNAL_FOLDER: Final = "journal"
"""In the folder of results, unless another is given."""
MAYBE_INCOMPLETE: Final = frozenset((Reason.TRUNCATED, Reason.EMPTY, Reason.CORRUPT))
"""Refusals that half an upload can have: they count only if the file does not change for long."""
ABSENT: Final = "absent"
"""Failure of an image that no file has any more; retried when one has, not before."""
PERHAPS_PUBLISHED: Final = 2
"""Value of `published` after a kill in the middle of an image: its result file may exist or not."""
PICTURES: Final = "pictures"
"""Name of the folder of the pictures among the metadata; its value is empty if there is none."""
PICTURE_FAILURE: Final = "picture failure"
"""Name of the cause why the last image has no pictures; empty if it has."""


class ImageState(StrEnum):
    """The state of an image; `failed` is retried without limit."""

    RECEIVED = "received"
    CLAIMED = "claimed"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class ListedState(StrEnum):
    """The state of an image for a person: that of its finding, otherwise why it has none."""

    FRACTURE = "fracture"
    UNCERTAIN = "uncertain"
    NO_FRACTURE = "no_fracture"
    REFUSED = "refused"
    WAITING = "waiting"
    """To be classified, or being classified."""
    FAILED = "failed"
    """Retried later."""
    ABSENT = "absent"
    """Its file was removed before it had a result."""


class Receipt(StrEnum):
    """What the content of a file is."""

    NEW = "new"
    """A new image, to be classified."""
    DUPLICATE = "duplicate"
    """An image that has a result, or will have one."""
    REQUEUED = "requeued"
    """An image that was superseded or absent, or is to be reclassified: to be classified."""


class Known(StrEnum):
    """Whether the content of a file is in the journal."""

    NO = "no"
    YES = "yes"
    RETURNED = "returned"
    """It is, and the file was missing until now."""


class Claim(NamedTuple):
    """An image that is being classified."""

    sha256: str
    path: bytes
    """Of a file that has it, below the watched folder."""
    received: float
    """First arrival, seconds since 1970."""
