"""Files as clinics send them: each row of cases/imaging/expected.csv, answered or refused as said.

The column `expected` is `answer`; `same:REFERENCE:TOLERANCE`, answered, with p_fracture within
TOLERANCE of that of REFERENCE; or `refused:REASON[:text in the message]`, `*` for any reason.
"""

import csv
import functools

import pytest
from bonefx_edge import Classifier
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.inference.decision import State
from cases import CASES

TABLE = CASES / "imaging" / "expected.csv"
LINES = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.is_file() else []
ROWS = list(csv.DictReader(LINES))
NOT_YET = {
    "lut_15_bits_declared_16.dcm": (
        "its LUT is the curve of lut_12_bits_declared_12_control.dcm, not the line of ref_window"
    ),
}


@functools.cache
def finding_of(name):
    """Return the finding of the bundled int8 network for a file of the table."""
    return classifier().classify(TABLE.parent / name)


@functools.cache
def classifier():
    return Classifier.load("lite0-int8")


def parameters():
    """Return one parameter for each row, or one that is skipped with the reason."""
    if not ROWS:
        reason = f"needs the imaging cases: no {TABLE.name} in {TABLE.parent} (BONEFX_CASES)"
        return [pytest.param("", "", id="absent", marks=pytest.mark.skip(reason=reason))]
    return [
        pytest.param(
            row["file"],
            row["expected"],
            id=row["file"],
            marks=[pytest.mark.xfail(reason=why, strict=False)]
            if (why := NOT_YET.get(row["file"]))
            else [],
        )
        for row in ROWS
    ]


@pytest.mark.parametrize(("name", "expected"), parameters())
def test_a_file_as_clinics_send_it_is_answered_or_refused_as_expected(name, expected) -> None:
    finding = finding_of(name)
    kind, *rest = expected.split(":")
    if kind == "refused":
        reason, words = rest[0], ":".join(rest[1:])
        assert finding.state is State.REFUSED
        assert reason in ("*", finding.reason)
        assert words in finding.detail
        return
    assert (finding.reason, finding.detail) == (None, None)
    assert finding.accepted == ()
    if kind == "same":
        reference, tolerance = rest
        difference = finding.p_fracture - finding_of(reference).p_fracture
        assert abs(difference) <= float(tolerance)


@pytest.mark.skipif(not ROWS, reason="needs the imaging cases (BONEFX_CASES)")
@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("shape_inverse_mono2.dcm", "presentation-lut-shape"),
        ("no_preamble_meta_kept.dcm", "no-preamble"),
    ],
)
def test_a_switch_of_the_site_answers_a_file_that_is_refused_without(name, switch) -> None:
    path = TABLE.parent / name
    assert finding_of(name).accepted == ()
    other = set(SiteSwitch) - {switch}
    assert Classifier.load("lite0-int8", accept=other).classify(path).state is State.REFUSED
    finding = Classifier.load("lite0-int8", accept=[switch]).classify(path)
    assert (finding.reason, finding.accepted) == (None, (switch,))
    assert finding.to_dict()["accepted"] == [switch]
    assert abs(finding.p_fracture - finding_of("ref_window.dcm").p_fracture) <= 0.02
