"""From a message of the outbox to the DICOM objects of its result."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, Final

from bonefx_edge.errors import BonefxError, UsageError

_DIGITS: Final = 16
"""Of the sha256, in the name of a film that was moved."""


class FilmError(BonefxError):
    """The content that a result is about is not there: nothing can be added to its study."""

    code = "film_gone"

    def __init__(self, message: str, *, may_change: bool) -> None:
        """Store the parts; `may_change`: the message may become possible, or void, by itself."""
        super().__init__(message)
        self.may_change = may_change


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """What the outbox says about a result, see docs/operating.md."""

    sha256: str
    sequence: int
    is_current: bool
    """Whether no newer result or content replaced it."""

    @classmethod
    def parse(cls, body: bytes) -> "ResultMessage":
        """Return the message.

        Raises
        ------
        UsageError
            It is none.
        """
        try:
            found: Mapping[str, Any] = json.loads(body)
            return cls(str(found["sha256"]), int(found["sequence"]), bool(found["current"]))
        except (ValueError, KeyError, TypeError) as err:
            msg = (
                "expected a message of the service on standard input; "
                "use the command with edge-classify --on-result"
            )
            raise UsageError(msg) from err


def read_result(message: ResultMessage, results: Path) -> tuple[dict[str, Any], datetime]:
    """Return the finding of a current result, and when it was made.

    Raises
    ------
    OSError
        The result file cannot be read.
    """
    record = json.loads((results / f"{message.sha256}.json").read_text("ascii"))
    return record["finding"], datetime.fromisoformat(record["classified_at"])


def read_film_bytes(message: ResultMessage, path: str, folders: Sequence[Path]) -> bytes:
    """Return the content of the film, from the first folder that has it.

    Parameters
    ----------
    path
        Of the film, relative to the watched folder.

    Raises
    ------
    FilmError
        No folder has a file of that path with that content.
    OSError
        A file cannot be read.
    """
    name = PurePath(path)
    # As it is named in the watched folder, and by --move-done.
    moved = name.with_name(f"{name.stem}.{message.sha256[:_DIGITS]}{name.suffix}")
    is_replaced = False
    for place in [folder / each for folder in folders for each in (name, moved)]:
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            continue
        if hashlib.sha256(data).hexdigest() == message.sha256:
            return data
        is_replaced = True
    msg = "the film was moved, changed or deleted; name the folder in --films"
    # A disk that is away comes back. Of a film that was replaced the service sees it soon: then
    # the message says that its result is no longer current.
    raise FilmError(msg, may_change=is_replaced or any(map(_is_bare, folders)))


def _is_bare(folder: Path) -> bool:
    """Return whether a folder is missing or empty: so is the mount point of a disk that is away."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
