"""JSON lines, CSV and table: the same finding, no line lost to an odd name."""

import csv
import dataclasses
import io
import json
import math

import pytest
from bonefx_edge import NOTICE
from bonefx_edge.cli.formats import Csv, JsonLines, Table, record_csv
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.errors import Reason
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
        "caution": None,
        "detail": None,
        "score": pytest.approx(0.67 + 0.33 * math.log(3) / (8 - math.log(3))),
        "p_fracture": 0.9,
        "class_index": 0,
        "original_class": None,
        "mode": "tiled",
        "regions": [{"left": 10, "top": 20, "right": 110, "bottom": 120, "score": 0.75}],
        "operating_point": "balanced",
        "no_fracture_below": 0.25,
        "fracture_from": 0.75,
        "site_profile": {"sha256": "ef" * 6, "date": "2026-11-29"},
        "model": {"name": "toy", "version": "1.0.0", "sha256": "cd" * 32},
        "runtime": "ai_edge_litert 2.3.0",
        "gray_mapping": "stored",
        "body_part": "hand",
        "accepted": [],
        "timings_ms": {
            "read": 1.235,
            "hash": None,
            "decode": None,
            "input_check": None,
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
    line = JsonLines().row(dataclasses.replace(ANSWERED, path=path))
    assert line.isascii()
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line)["path"] == path


def test_csv_has_the_same_keys_and_values_as_json() -> None:
    output = Csv()
    rows = list(csv.DictReader(io.StringIO(output.header()[1:] + output.row(ANSWERED))))
    assert output.header().startswith("\ufeff")
    record = ANSWERED.to_dict()
    flat = {k: v for k, v in record.items() if not isinstance(v, dict)}
    flat |= {
        f"{k}.{i}": v for k in ("site_profile", "model", "timings_ms") for i, v in record[k].items()
    }
    flat |= {name: json.dumps(record[name]) for name in ("regions", "accepted")}
    assert rows == [{key: "" if v is None else str(v) for key, v in flat.items()}]


@pytest.mark.parametrize("start", "=+-@")
def test_text_that_begins_as_a_formula_is_defused_and_numbers_are_not(start: str) -> None:
    record = ANSWERED.to_dict() | {"path": f"{start}1+1", "p_fracture": -0.5, "files": "\t=1"}
    (cells,) = csv.reader([record_csv(record, ("files",))])
    assert (cells[1], cells[8], cells[-1]) == (f"'{start}1+1", "-0.5", r"\t=1")


def test_a_list_of_names_can_be_read_in_a_spreadsheet_and_is_json() -> None:
    names = ["a/Größe.png", "no\udcff\xa0\u2028name.png"]
    (line,) = record_csv(ANSWERED.to_dict() | {"files": names}, ("files",)).splitlines()
    line.encode("utf-8")
    (cells,) = csv.reader([line])
    assert json.loads(cells[-1]) == names
    assert "Größe" in cells[-1]


@pytest.mark.parametrize("output", [Csv(), Table()])
def test_an_odd_path_neither_breaks_the_line_nor_the_encoding(output) -> None:
    output.row(ANSWERED)
    text = output.row(REFUSED)
    text.encode("utf-8")
    assert r"line\nbreak" in text
    assert len(text.splitlines()) == (1 if isinstance(output, Csv) else 2)


def test_the_table_shows_score_thresholds_and_what_to_do_and_counts_the_states() -> None:
    table = Table()
    rows = [table.row(finding) for finding in (ANSWERED, ANSWERED, REFUSED)]
    assert table.header().replace("\n", " ").strip() == NOTICE
    assert "Score: below 0.33 no fracture, from 0.67 fracture, between uncertain." in rows[0]
    assert rows[0].splitlines()[-1].split() == rows[1].split()
    assert rows[1].split() == ["fracture", "0.72", "a/film.png"]
    assert rows[2].split("\n")[1].strip() == "truncated: part of the file is missing; send it again"
    assert table.footer() == "\n3 images: 2 fracture, 0 uncertain, 0 no fracture, 1 refused\n"


def test_the_table_says_where_its_thresholds_are_from() -> None:
    assert "Commissioned 2026-11-29, site profile efefefefefef." in Table().row(ANSWERED)
    own = dataclasses.replace(ANSWERED, site_profile=None)
    assert "Not commissioned: thresholds of the model, not of this site." in Table().row(own)


@pytest.mark.parametrize("reason", Reason)
def test_the_table_fits_80_columns(reason: Reason) -> None:
    table = Table()
    path = "/a/long/way/down/" * 5 + "film.png"
    wide = Table().row(dataclasses.replace(ANSWERED, path="\u624b" * 60 + "film.png"))
    assert wide.endswith("  ..." + "\u624b" * 24 + "film.png\n")  # each of two columns
    text = table.header() + table.row(dataclasses.replace(ANSWERED, path=path))
    text += table.row(dataclasses.replace(REFUSED, path=path, reason=reason)) + table.footer()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("/down/film.png\n") == 2


@pytest.mark.parametrize("original", [0, 1, None])
@pytest.mark.parametrize(
    ("state", "index"), [(State.FRACTURE, 0), (State.UNCERTAIN, None), (State.NO_FRACTURE, 1)]
)
def test_the_class_follows_the_state_whatever_the_original_says(original, state, index) -> None:
    record = dataclasses.replace(ANSWERED, state=state, original_class=original).to_dict()
    assert (record["class_index"], record["original_class"]) == (index, original)


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
    with pytest.raises(ValueError, match="does not go with"):
        dataclasses.replace(ANSWERED, state=state, reason=reason, p_fracture=p_fracture)


def test_switches_that_a_film_needed_are_in_all_formats() -> None:
    finding = dataclasses.replace(ANSWERED, accepted=tuple(SiteSwitch))
    names = ["presentation-lut-shape", "no-preamble"]
    assert json.loads(JsonLines().row(finding))["accepted"] == names
    (cells,) = csv.DictReader(io.StringIO(Csv().header()[1:] + Csv().row(finding)))
    assert json.loads(cells["accepted"]) == names
    assert Table().row(finding).endswith("   accepted: presentation-lut-shape, no-preamble\n")
    assert "accepted" not in Table().row(ANSWERED)
