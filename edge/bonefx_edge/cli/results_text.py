"""What edge-admin list and show print."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from bonefx_edge import NOTICE
from bonefx_edge.cli.formats import WIDTH, shorten, words
from bonefx_edge.errors import ADVICE, Reason
from bonefx_edge.inference.decision import State
from bonefx_edge.inference.score_scale import FRACTURE_FROM, UNCERTAIN_FROM, shown
from bonefx_edge.text import printable
from bonefx_edge.watch.journal.listing import ListedImage, Undelivered
from bonefx_edge.watch.journal.states import ImageState, ListedState

_DIGITS: Final = 12
"""Of a sha256, where a person reads it."""
_LABEL: Final = 14
"""Columns of the labels of `show`."""
_SCALE: Final = f"below {UNCERTAIN_FROM} no fracture, from {FRACTURE_FROM} fracture"


class DayTable:
    """Lines of 80 columns, one or two for each image."""

    def __init__(self, since: float) -> None:
        """Store the beginning of the day, seconds since 1970."""
        self._since = since
        self._counts: Counter[ListedState] = Counter()

    def header(self) -> str:
        """Return the notice, the day and the names of the columns."""
        day = f"Images received on {_local(self._since):%Y-%m-%d}, local time, newest last."
        return (
            f"{textwrap.fill(NOTICE, WIDTH)}\n\n{day}\nScore: {_SCALE}, between uncertain.\n\n"
            f"{'time':<8}  {'state':<12} {'score':<5}  file\n"
        )

    def row(self, image: ListedImage) -> str:
        """Return one line, with reason and what to do under a refused image."""
        self._counts[image.state] += 1
        text = f"{_local(image.received):%H:%M:%S}  {_columns(image, before=10)}"
        reason = image.finding["reason"] if image.finding else None
        return text + (f"{'':10}{reason}: {ADVICE[Reason(reason)]}\n" if reason else "")

    def footer(self, n_unreadable: int) -> str:
        """Return the line that counts the states, and files that are not in the list."""
        n = sum(self._counts.values())
        states = [each for each in ListedState if each.value in set(State) or self._counts[each]]
        counts = ", ".join(f"{self._counts[each]} {words(each)}" for each in states)
        text = f"\n{_count(n, 'image')}: {counts}\n"
        if n_unreadable:
            text += (
                f"Files or folders that cannot be read: {n_unreadable}, see edge-admin status.\n"
            )
        return text


_OF_FINDING: Final = ("reason", "caution", "detail", "score", "site_profile")


def image_json(image: ListedImage) -> str:
    """Return one line of JSON; ASCII, times in UTC."""
    finding = image.finding or {}
    record = {
        "sha256": image.sha256,
        "files": [name.path for name in image.names],
        "received": _iso(image.received),
        "classified_at": _iso(image.classified_at),
        "state": image.state.value,
        "failure": image.failure,
        **{
            key: finding.get(key)
            for key in ("reason", "caution", "detail", "score", "site_profile")
        },
        "notice": NOTICE,
    }
    return json.dumps(record, allow_nan=False) + "\n"


def match_line(image: ListedImage) -> str:
    """Return the line of one of several images that a name stands for."""
    return f"{local_time(image.received)}  {_columns(image, before=21)}"


def unreadable_line(name: str, error: str) -> str:
    """Return what to do about a file that cannot be read."""
    return f"{printable(name)}\n  cannot be read ({error}): correct its permissions\n"


class History(NamedTuple):
    """What belongs to an image beside its result."""

    replaced: Sequence[ListedImage]
    """Earlier contents of its files."""
    messages: Undelivered
    pictures: Sequence[Path] = ()
    """Its pictures that exist."""


def image_lines(image: ListedImage, history: History) -> list[str]:
    """Return all that is known of an image, in lines for people."""
    lines = [_name_line("file", image.name or "not known until the service reads it again")]
    lines += [
        _name_line("also named", name.path + ("" if name.is_present else " (removed)"))
        for name in image.names[1:]
    ]
    lines.append(_line("state", words(image.state)))
    lines += _finding_lines(image.finding) if image.finding else []
    lines.append(_line("received", local_time(image.received)))
    if image.classified_at is not None:
        lines.append(_line("classified", local_time(image.classified_at)))
    lines.append(_line("sha256", image.sha256))
    lines += [_name_line("picture", str(path)) for path in history.pictures]
    lines += [*_now_lines(image), *_history_lines(image, history)]
    return [*lines, "", *textwrap.wrap(NOTICE, WIDTH)]


def _finding_lines(finding: dict[str, Any]) -> list[str]:
    lines = []
    if finding["reason"]:
        lines.append(_line("refused for", f"{finding['reason']}: {printable(finding['detail'])}"))
        lines.append(_line("what to do", ADVICE[Reason(finding["reason"])]))
    elif finding["score"] is not None:
        lines.append(_line("score", f"{shown(finding['score'])}: {_SCALE}"))
    else:  # of version 0.4
        lines.append(_line("p_fracture", f"{finding['p_fracture']:.3f}"))
    if finding.get("caution"):
        lines.append(_line("uncertain for", printable(finding["detail"])))
    lines += [
        _line(
            "region",
            f"x {each['left']} to {each['right']}, y {each['top']} to {each['bottom']} px, "
            f"tile score {each['score']:.2f}",
        )
        for each in finding["regions"]
    ]
    if finding.get("accepted"):  # early results of version 0.5 have no such key
        lines.append(_line("accepted", ", ".join(finding["accepted"])))
    profile, model = finding["site_profile"], finding["model"]
    thresholds = (
        f"of this site: commissioned {profile['date']}, site profile {profile['sha256']}"
        if profile
        else "not commissioned: of the model, not of this site"
    )
    network = f"{model['name']} {model['version']}, {finding['mode']}"
    return [
        *lines,
        _line("thresholds", thresholds),
        _line("model", f"{network}, operating point {finding['operating_point']}"),
    ]


def _now_lines(image: ListedImage) -> list[str]:
    """Return what happens to the image next, if anything does."""
    if image.journal_state in (ImageState.RECEIVED, ImageState.CLAIMED):
        return [_line("now", f"waits to be classified{' again' if image.finding else ''}")]
    if image.journal_state != ImageState.FAILED:
        return []
    if image.retry_at is None or image.state is ListedState.ABSENT:
        return [_line("now", "the file was removed; it is classified when it is back")]
    return [_line("now", f"failed ({image.failure}), retried {local_time(image.retry_at)}")]


def _history_lines(image: ListedImage, history: History) -> list[str]:
    lines = []
    if image.superseded_by:
        by = image.superseded_by[:_DIGITS]
        lines.append(_line("replaced by", f"sha256 {by}: the file was overwritten"))
    for old in history.replaced:
        score = _score(old) if old.finding else ""
        what = (
            f"{local_time(old.classified_at or old.received)}, {words(old.state)} {score}".strip()
        )
        lines.append(_line("replaces", f"{what}, sha256 {old.sha256[:_DIGITS]}"))
    n, attempts = history.messages
    if n:
        failed = _count(attempts, "failed attempt")
        lines.append(_line("messages", f"{n} not delivered, {failed}"))
    return lines


def _columns(image: ListedImage, *, before: int) -> str:
    """Return state, score and name, with the line end, for the rest of a line."""
    others = len(image.names) - 1
    more = f" (+{others})" if others > 0 else ""
    name = shorten(printable(image.name) or "-", WIDTH - before - 20 - len(more))
    return f"{words(image.state):<12} {_score(image):<5}  {name}{more}\n"


def _score(image: ListedImage) -> str:
    score = image.finding["score"] if image.finding else None
    return "-" if score is None else shown(score)


def _line(label: str, text: str) -> str:
    """Return a label and its text, in several lines where it is long."""
    indent = " " * _LABEL
    line = f"{label:<{_LABEL}}{text}"
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _name_line(label: str, name: str) -> str:
    """Return a label and a name in one line: a name that is cut cannot be copied."""
    return f"{label:<{_LABEL}}{printable(name)}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def local_time(seconds: float) -> str:
    """Return date and time of a time in seconds since 1970, in local time."""
    return f"{_local(seconds):%Y-%m-%d %H:%M:%S}"


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
