"""JSON lines, CSV and table: the same finding, no line lost to an odd name."""

import csv
import io
import json

import pytest
from bonefx_edge import NOTICE
from bonefx_edge.cli.formats import Csv, JsonLines, Table, record_csv
from bonefx_edge.errors import Reason
from bonefx_edge.finding import to_record
from bonefx_edge.inference.decision import State
from bonefx_edge.text import printable
from example_findings import ANSWERED, ODD_PATH, REFUSED
from hypothesis import given
from hypothesis import strategies as st


def test_a_json_line_holds_the_whole_finding() -> None:
    record = json.loads(JsonLines().row(ANSWERED))
    assert record == {
        "schema": "bonefx.finding/2",
        "path": "a/film.png",
        "sha256": "ab" * 32,
        "state": "fracture",
        "reason": None,
        "detail": None,
        "p_fracture": 0.9,
        "class_index": 0,
        "reading": "closer",
        "regions": [{"left": 10, "top": 20, "right": 110, "bottom": 120, "score": 0.75}],
        "operating_point": "balanced",
        "model": {"name": "toy", "version": "1.0.0", "sha256": "cd" * 32},
        "runtime": "ai_edge_litert 2.3.0",
        "gray_mapping": "stored",
        "timings_ms": {
            "read": 1.235,
            "hash": None,
            "decode": None,
            "gate": None,
            "preprocess": None,
            "invoke": None,
            "tiles": None,
            "total": 7.0,
        },
        "notice": NOTICE,
    }


def test_a_refused_file_has_a_json_line_too() -> None:
    record = json.loads(JsonLines().row(REFUSED))
    assert (record["state"], record["reason"]) == ("refused", "truncated")
    assert (record["p_fracture"], record["class_index"], record["sha256"]) == (None, None, None)
    assert record["path"] == ODD_PATH


@given(st.text(st.characters(categories=["L", "N", "Z", "C", "S", "P", "Cs"])))
def test_any_path_is_one_json_line_of_ascii(path: str) -> None:
    import dataclasses

    line = JsonLines().row(dataclasses.replace(ANSWERED, path=path))
    assert line.isascii()
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line)["path"] == path


def test_csv_has_the_same_keys_and_values_as_json() -> None:
    output = Csv()
    rows = list(csv.DictReader(io.StringIO(output.header()[1:] + output.row(ANSWERED))))
    assert output.header().startswith("\ufeff")
    record = to_record(ANSWERED)
    flat = {k: v for k, v in record.items() if not isinstance(v, dict)}
    flat |= {f"{k}.{i}": v for k in ("model", "timings_ms") for i, v in record[k].items()}
    flat["regions"] = json.dumps(record["regions"])
    assert rows == [{key: "" if v is None else str(v) for key, v in flat.items()}]


@pytest.mark.parametrize("start", "=+-@")
def test_text_that_begins_as_a_formula_is_defused_and_numbers_are_not(start: str) -> None:
    record = to_record(ANSWERED) | {"path": f"{start}1+1", "p_fracture": -0.5, "files": "\t=1"}
    (cells,) = csv.reader([record_csv(record, ("files",))])
    assert (cells[1], cells[6], cells[-1]) == (f"'{start}1+1", "-0.5", r"\t=1")


@pytest.mark.parametrize("output", [Csv(), Table()])
def test_an_odd_path_neither_breaks_the_line_nor_the_encoding(output) -> None:
    text = output.row(REFUSED)
    text.encode("utf-8")
    assert r"line\nbreak" in text
    assert len(text.splitlines()) == (1 if isinstance(output, Csv) else 2)


def test_the_table_shows_state_number_reason_and_notice() -> None:
    table = Table()
    assert NOTICE in table.header()
    assert table.row(ANSWERED).split() == ["fracture", "0.900", "0", "7.0", "a/film.png"]
    assert "truncated: expected all, got half" in table.row(REFUSED)


@given(st.text())
def test_printable_text_is_one_line(text: str) -> None:
    assert len(printable(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("state", "reason", "p_fracture"),
    [
        (State.REFUSED, None, None),
        (State.REFUSED, Reason.BLANK, 0.5),
        (State.FRACTURE, Reason.BLANK, 0.9),
        (State.NO_FRACTURE, None, None),
    ],
)
def test_a_finding_that_contradicts_itself_cannot_be_made(state, reason, p_fracture) -> None:
    import dataclasses

    with pytest.raises(ValueError, match="does not go with"):
        dataclasses.replace(ANSWERED, state=state, reason=reason, p_fracture=p_fracture)
