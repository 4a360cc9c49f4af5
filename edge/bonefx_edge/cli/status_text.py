"""What edge-admin status prints."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bonefx_dicom.sender.progress import NOT_SENT

from bonefx_edge.cli.formats import WIDTH, shorten
from bonefx_edge.cli.results_text import local_time
from bonefx_edge.text import printable
from bonefx_edge.watch.journal.admin import Status
from bonefx_edge.watch.journal.drift import describe
from bonefx_edge.watch.journal.listing import ListedImage
from bonefx_edge.watch.journal.states import ImageState


def status_lines(found: Status, today: dict[str, int]) -> list[str]:
    """Return the status in lines for people; `today` is the number of results by state."""

    def counts(numbers: dict[str, int]) -> str:
        return ", ".join(f"{n} {name}" for name, n in numbers.items()) or "none"

    oldest, last = found.oldest_waiting_s, found.last_result
    lines = {
        "service": "running" if found.is_running else "not running",
        "folder": printable(found.folder or "-"),
        "writes to": "; ".join(f"{name}: {place}" for name, place in found.folders.items()) or "-",
        "today": counts({name.replace("_", " "): n for name, n in today.items()}),
        "images": counts(found.states),
        "refused for": counts(found.refusals),
        "waiting for": counts(found.failures),
        "oldest wait": "-" if oldest is None else f"{oldest:.0f} s",
        "last result": "-" if last is None else local_time(last),
        "last hour": f"{found.per_hour} results",
        "unreadable": counts(found.unreadable),
        "absent": str(found.absent),
        "duplicates": str(found.duplicates),
        "messages": f"{found.undelivered} not delivered yet",
        **({"pictures": f"failed ({found.picture_failure})"} if found.picture_failure else {}),
        **({"drift": _drift(found)} if found.drift.films else {}),
        # A whole hash would not fit the line.
        "classified by": re.sub("([0-9a-f]{12})[0-9a-f]{52}", r"\1", counts(found.predictors)),
    }
    return [f"{name:<14} {value}" for name, value in lines.items()]


def _drift(found: Status) -> str:
    alarms = found.drift.alarms
    numbers = "number" if len(alarms) == 1 else "numbers"
    changed = f"{len(alarms)} {numbers} changed, see below" if alarms else "none"
    return f"{changed}; {found.drift.films} films"


class Attention(NamedTuple):
    """The first things that need a person, by kind."""

    unreadable: Sequence[tuple[str, str]]
    failed: Sequence[ListedImage]
    absent: Sequence[ListedImage]
    n_not_sent: int
    """Results that will not be sent to an archive."""


def attention_lines(found: Status, attention: Attention, n_refused: int) -> list[str]:
    """Return what needs a person and what to do, with the first names of each kind.

    `n_refused` images of today were refused.
    """
    kinds: tuple[tuple[int, tuple[str, str], str, list[tuple[str, str]]], ...] = (
        (
            n_refused,
            ("image was refused today", "images were refused today"),
            "see edge-admin list --state refused",
            [],
        ),
        (
            sum(found.unreadable.values()),
            ("file or folder cannot be read", "files or folders cannot be read"),
            "correct the permissions",
            [(f"{error}  ", name) for name, error in attention.unreadable],
        ),
        (
            found.states[ImageState.FAILED],
            ("image failed and is retried", "images failed and are retried"),
            "see the log of the service",
            [(f"{image.failure}  ", image.name) for image in attention.failed],
        ),
        (
            found.absent,
            ("image is absent", "images are absent"),
            "put the file back, or leave it",
            [("", image.name) for image in attention.absent],
        ),
        (
            found.undelivered,
            ("message not delivered", "messages not delivered"),
            "see the log of the service",
            [],
        ),
        (
            attention.n_not_sent,
            ("result was not sent to an archive", "results were not sent to an archive"),
            f"see {NOT_SENT}, then delete it",
            [],
        ),
        (
            1 if found.picture_failure else 0,
            ("image has no pictures", ""),
            "check disk space and permissions of the folder of --pictures",
            [],
        ),
        (
            len(found.drift.alarms),
            ("number of the films changed", "numbers of the films changed"),
            "find out why; then commission again",
            [("", describe(name, alarm)) for name, alarm in found.drift.alarms.items()],
        ),
    )
    lines = []
    for n, (one, several), advice, names in kinds:
        if n:
            lines.append(f"  {n} {one if n == 1 else several}: {advice}")
            lines += [_indented(error, name) for error, name in names]
            more = n - len(names)
            lines += [f"    and {more} more"] if names and more > 0 else []
    return ["Needs a person:", *lines] if lines else ["Needs a person: nothing."]


def _indented(error: str, name: str) -> str:
    return f"    {error}{shorten(printable(name), WIDTH - 4 - len(error))}"
