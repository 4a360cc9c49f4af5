"""The journal of the service, read beside it, with the verdicts of the page in reach."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.watch.journal.connection import LOCK_NAME, is_locked, reopen
from bonefx_edge.watch.journal.listing import Listing
from bonefx_edge.watch.journal.meta import get_meta
from bonefx_edge.watch.journal.worklist import Worklist

_VERDICT: Final = (
    "SELECT 1 FROM page.verdict AS v INDEXED BY verdict_read"
    " WHERE substr(v.sha256, 1, 16) = substr(image.sha256, 1, 16) AND v.is_current"
)
"""See the index in store/database.py."""
UNREAD: Final = f"NOT EXISTS ({_VERDICT})"
READ: Final = f"EXISTS ({_VERDICT})"
DISAGREED: Final = (
    "sha256 IN (SELECT v.sha256 FROM page.verdict AS v INDEXED BY verdict_disagrees"
    " WHERE v.is_current AND v.agrees = 0)"
)
"""For `WorklistFilter.condition`."""


CACHE_KIB: Final = 4096
"""Holds the index `verdict_read` of 100,000 verdicts; memory is taken only as far as it is read."""


@dataclass(frozen=True, slots=True)
class JournalView:
    """An open journal; nothing can be written through it."""

    images: Listing
    worklist: Worklist
    folder: str | None
    """The watched folder; None if no service has run yet."""
    is_running: bool
    """Whether a service runs on it."""


@contextmanager
def open_journal(folder: Path, database: Path) -> Iterator[JournalView]:
    """Yield the journal in a folder, with the database of the page attached as `page`.

    Raises
    ------
    JournalError, OSError
        There is no journal, or it cannot be read.
    """
    with closing(reopen(folder)) as connection:
        connection.execute("ATTACH ? AS page", (str(database),))
        connection.execute(f"PRAGMA page.cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA query_only = ON")
        yield JournalView(
            images=Listing(connection),
            worklist=Worklist(connection),
            folder=get_meta(connection, "folder"),
            is_running=is_locked(folder / LOCK_NAME),
        )
