"""Write findings as JSON lines, as CSV, or as a table for people."""

import csv
import io
import json
import textwrap
import unicodedata
from collections import Counter
from enum import StrEnum
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.errors import ADVICE
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import CAUTION_ADVICE, Caution, State
from bonefx_edge.inference.score_scale import FRACTURE_FROM, UNCERTAIN_FROM, shown
from bonefx_edge.text import printable

BYTE_ORDER_MARK: Final = "\ufeff"
FORMULA_STARTS: Final = ("=", "+", "-", "@")
"""Spreadsheets run a cell that begins so."""
WIDTH: Final = 80
"""Columns of a terminal."""
_INDENT: Final = 20
"""Columns before the file name in the table."""


class JsonLines:
    """One JSON object a line; ASCII, so that any path survives any terminal encoding."""

    encoding: Final = "ascii"

    def header(self) -> str:
        """Return nothing: JSON lines have no header."""
        return ""

    def footer(self) -> str:
        """Return nothing: JSON lines have no footer."""
        return ""

    def row(self, finding: Finding) -> str:
        """Return one line with its line end."""
        return json.dumps(finding.to_dict(), allow_nan=False) + "\n"


class Csv:
    """The same record for a spreadsheet: nested keys joined by a dot, lists as JSON; RFC 4180.

    It begins with a byte order mark, by which spreadsheets tell UTF-8, and no text in it begins as
    a formula does: a name such as `=1+1.png` has an apostrophe in front.
    """

    encoding: Final = "utf-8"

    def header(self) -> str:
        """Return the byte order mark and the line of column names."""
        return record_csv_header(())

    def footer(self) -> str:
        """Return nothing: every line of CSV is a file's."""
        return ""

    def row(self, finding: Finding) -> str:
        """Return one line with its line end; empty cells stand for null."""
        return record_csv(finding.to_dict(), ())


def record_csv_header(extra: tuple[str, ...]) -> str:
    """Return the byte order mark and the line of column names for `record_csv`."""
    return BYTE_ORDER_MARK + _csv_line((*_CSV_COLUMNS, *extra))


def record_csv(record: dict[str, Any], extra: tuple[str, ...]) -> str:
    """Return a record of `Finding.to_dict` as `Csv` writes it, with `extra` keys of it behind."""
    flat = _flatten(record)
    return _csv_line([_cell(flat.get(name)) for name in (*_CSV_COLUMNS, *extra)])


class Table:
    """Lines of 80 columns for people, each printed as soon as its finding is known."""

    encoding: Final = None
    """The terminal's."""

    def __init__(self) -> None:
        self._counts: Counter[State] = Counter()

    def header(self) -> str:
        """Return the notice."""
        return textwrap.fill(NOTICE, WIDTH) + "\n\n"

    def row(self, finding: Finding) -> str:
        """Return one line, with what to do under a refused file; the first explains the score."""
        text = "" if self._counts else _explain_score(finding)
        self._counts[finding.state] += 1
        score = "-" if finding.score is None else shown(finding.score)
        name = shorten(printable(finding.path), WIDTH - _INDENT)
        text += f"{words(finding.state):<12} {score:<5}  {name}\n"
        if finding.reason:
            text += f"{'':13}{finding.reason}: {ADVICE[finding.reason]}\n"
        if finding.caution:
            text += f"{'':13}{finding.caution}: {CAUTION_ADVICE[finding.caution]}\n"
        if finding.accepted:
            text += f"{'':13}accepted: {', '.join(finding.accepted)}\n"
        return text

    def footer(self) -> str:
        """Return the line that counts the states."""
        n = sum(self._counts.values())
        counts = ", ".join(f"{self._counts[state]} {words(state)}" for state in State)
        return f"\n{n} image{'' if n == 1 else 's'}: {counts}\n"


def _explain_score(finding: Finding) -> str:
    model = f"Model {finding.model.name} {finding.model.version}, {finding.mode}, "
    profile = finding.site_profile
    thresholds = (
        f"Commissioned {profile.date}, site profile {profile.sha256}."
        if profile
        else "Not commissioned: thresholds of the model, not of this site."
    )
    scale = f"Score: below {UNCERTAIN_FROM} no fracture, from {FRACTURE_FROM} fracture, between "
    scale += "uncertain."
    if finding.caution is Caution.NO_OPERATING_POINT:
        thresholds = "The model has no thresholds: no state is given."
        scale = "The score of the network, p_fracture, is in --format json and csv."
    return (
        f"{model}operating point {finding.operating_point}.\n{thresholds}\n{scale}\n\n"
        f"{'state':<12} {'score':<5}  file\n"
    )


def words(state: StrEnum) -> str:
    """Return a state as people read it."""
    return state.value.replace("_", " ")


def shorten(name: str, width: int) -> str:
    """Return the end of a name that is too long: it says more than the beginning."""
    columns = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in name]
    if sum(columns) <= width:
        return name
    start, left = 0, sum(columns)
    while left > width - 3:
        left -= columns[start]
        start += 1
    return f"...{name[start:]}"


def _flatten(record: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    return flat


def _cell(value: Any) -> str:
    """Return a value of the record: a list as JSON, null as nothing, text never as a formula."""
    if isinstance(value, list):
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)  # a person reads names
        return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = printable(value)  # a tab or carriage return in front is escaped by this
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


_CSV_COLUMNS: Final = (
    *("schema", "path", "sha256", "state", "reason", "caution", "detail", "score", "p_fracture"),
    *("class_index", "original_class", "mode", "regions", "operating_point"),
    *("no_fracture_below", "fracture_from", "site_profile.sha256", "site_profile.date"),
    *("model.name", "model.version", "model.sha256"),
    *("runtime", "gray_mapping", "body_part", "accepted"),
    *(f"timings_ms.{stage}" for stage in ("read", "hash", "decode", "input_check")),
    *(f"timings_ms.{stage}" for stage in ("preprocess", "invoke", "tiles", "total")),
    "notice",
)
"""Written out, so that a new key cannot shift the columns of an old reader unnoticed."""
