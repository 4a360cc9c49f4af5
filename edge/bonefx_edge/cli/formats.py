"""Write findings as JSON lines, as CSV, or as a table for people. The only home of their keys."""

import csv
import io
import json
from typing import Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.finding import Finding, to_record
from bonefx_edge.text import printable

BYTE_ORDER_MARK: Final = "\ufeff"
FORMULA_STARTS: Final = ("=", "+", "-", "@")
"""Spreadsheets run a cell that begins so."""


class JsonLines:
    """One JSON object a line; ASCII, so that any path survives any terminal encoding."""

    encoding: Final = "ascii"

    def header(self) -> str:
        """Return nothing: JSON lines have no header."""
        return ""

    def row(self, finding: Finding) -> str:
        """Return one line with its line end."""
        return json.dumps(to_record(finding), allow_nan=False) + "\n"


class Csv:
    """The same record for a spreadsheet: nested keys joined by a dot, lists as JSON; RFC 4180.

    It begins with a byte order mark, by which spreadsheets tell UTF-8, and no text in it begins as
    a formula does: a name such as `=1+1.png` has an apostrophe in front.
    """

    encoding: Final = "utf-8"

    def header(self) -> str:
        """Return the byte order mark and the line of column names."""
        return record_csv_header(())

    def row(self, finding: Finding) -> str:
        """Return one line with its line end; empty cells stand for null."""
        return record_csv(to_record(finding), ())


def record_csv_header(extra: tuple[str, ...]) -> str:
    """Return the byte order mark and the line of column names for `record_csv`."""
    return BYTE_ORDER_MARK + _csv_line((*_CSV_COLUMNS, *extra))


def record_csv(record: dict[str, Any], extra: tuple[str, ...]) -> str:
    """Return a record of `to_record` as `Csv` writes it, with `extra` keys of it behind."""
    flat = _flatten(record)
    return _csv_line([_cell(flat[name]) for name in (*_CSV_COLUMNS, *extra)])


class Table:
    """Columns for people, narrow ones first so that a row can be printed as soon as it is known."""

    encoding: Final = None
    """The terminal's."""

    def header(self) -> str:
        """Return the notice and the line of column names."""
        return f"{NOTICE}\n{'state':<12} {'p_fracture':>10} {'class':>5} {'ms':>8}  file\n"

    def row(self, finding: Finding) -> str:
        """Return one line, with the reason and its words under a refused file."""
        p = "-" if finding.p_fracture is None else f"{finding.p_fracture:.3f}"
        index = "-" if finding.class_index is None else str(finding.class_index)
        total = finding.timings.total_ms or 0.0
        name = printable(finding.path)
        line = f"{finding.state.value:<12} {p:>10} {index:>5} {total:>8.1f}  {name}\n"
        if finding.reason:
            line += f"{'':12} {finding.reason.value}: {printable(finding.detail or '')}\n"
        return line


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
        return json.dumps(value, allow_nan=False)
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = printable(value)  # a tab or carriage return in front is escaped by this
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


_CSV_COLUMNS: Final = (
    *("schema", "path", "sha256", "state", "reason", "detail", "p_fracture", "class_index"),
    *("reading", "regions", "operating_point", "model.name", "model.version", "model.sha256"),
    *("runtime", "gray_mapping"),
    *(f"timings_ms.{stage}" for stage in ("read", "hash", "decode", "gate")),
    *(f"timings_ms.{stage}" for stage in ("preprocess", "invoke", "tiles", "total")),
    "notice",
)
"""Written out, so that a new key cannot shift the columns of an old reader unnoticed."""
