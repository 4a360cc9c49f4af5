import json

import numpy as np
import pytest
from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import OperatingPoint, Proportion
from bonefx_train.errors import DataError
from bonefx_train.evaluation.evaluate import evaluate

MEASURED = Proportion(value=0.9, low=0.8, high=1.0, n=10)
POINT = OperatingPoint(
    name="balanced",
    no_fracture_below=0.3,
    fracture_from=0.6,
    chosen_for="testing",
    chosen_on="toy tune",
    sensitivity=MEASURED,
    specificity=MEASURED,
)
P = np.array([0.9, 0.7, 0.5, 0.2, 0.8, 0.4, 0.1, 0.1, 0.2, 0.25])
FRACTURED = [True] * 4 + [False] * 6
PARTS = ["hand", "hand", "leg", "hand+leg", "hand", "leg", "leg", "hip", "hip", "hand"]


@pytest.fixture(name="evaluation")
def _evaluation(samples):
    images = samples(
        FRACTURED, groups=list("aabbccddee"), body_parts=PARTS, hardware=[True] + [False] * 9
    )
    return evaluate(
        P,
        images,
        operating_point=POINT,
        split="toy test",
        baseline_auc=0.76,
        refused=(("x.png", "truncated"),),
    )


def test_every_figure_over_all_images_is_what_counting_gives(evaluation):
    row = evaluation.rows[0]
    values = {figure.name: figure.value for figure in row.figures}
    assert (row.subset, row.n, row.fractured, row.groups) == ("all", 10, 4, 5)
    assert values == {
        "auc": pytest.approx(18.5 / 24),
        "sensitivity": 3 / 4,
        "specificity": pytest.approx(5 / 6),
        "called_fracture": 2 / 4,
        "called_no_fracture": pytest.approx(4 / 6),
        "uncertain": 2 / 10,
        "ppv": pytest.approx(2 / 3),
        "npv": 4 / 5,
        "prevalence": 0.4,
        "brier": pytest.approx(np.mean((P - FRACTURED) ** 2)),
    }
    assert {f.name: f.n for f in row.figures} == {
        "auc": 10,
        "sensitivity": 4,
        "specificity": 6,
        "called_fracture": 4,
        "called_no_fracture": 6,
        "uncertain": 10,
        "ppv": 3,
        "npv": 5,
        "prevalence": 10,
        "brier": 10,
    }


def test_there_is_a_row_without_hardware_and_one_per_body_part(evaluation):
    rows = {row.subset: (row.n, row.fractured) for row in evaluation.rows}
    assert rows == {
        "all": (10, 4),
        "without hardware": (9, 3),
        "hand": (5, 3),
        "hip": (2, 0),
        "leg": (4, 2),
    }


def test_every_figure_in_the_json_has_n_and_an_interval_that_holds_it(evaluation):
    told = json.loads(evaluation.to_json())
    assert told["notice"] == NOTICE
    assert told["refused"] == [["x.png", "truncated"]]
    for row in told["rows"]:
        for figure in row["figures"]:
            assert isinstance(figure["n"], int)
            if figure["value"] is None:
                assert figure["low"] is None
                assert figure["high"] is None
            else:
                assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_a_figure_that_no_image_supports_is_null_not_a_number(evaluation):
    hip = next(row for row in evaluation.rows if row.subset == "hip")
    assert [hip.figure(name).value for name in ("auc", "sensitivity", "ppv")] == [None] * 3
    assert hip.figure("specificity").value == 1


def test_all_right_is_not_certainty(samples):
    """Twenty of twenty, each its own group: Wilson 0.839 to 1, not 1 to 1."""
    images = samples([True] * 20 + [False] * 20)
    p = np.where(np.arange(40) < 20, 0.9, 0.1)
    row = evaluate(p, images, operating_point=POINT, split="x").rows[0]
    assert row.figure("sensitivity").value == 1
    assert row.figure("sensitivity").low == pytest.approx(0.8389, abs=1e-4)
    assert row.figure("specificity").high == 1


def test_the_report_says_what_it_must(evaluation):
    text = evaluation.to_markdown()
    for needed in (
        NOTICE,
        "toy test",
        "10 images, 4 fractured, 5 groups",
        "no_fracture below 0.3000, fracture from 0.6000",
        "toy tune",
        "stated to reach an AUC of 0.76",
        "x.png (truncated)",
        "| sensitivity | 0.750 |",
        "is fractured; ppv and npv hold at this only",
        "undefined",
    ):
        assert needed in text


def test_figures_on_the_images_of_choice_are_called_flattering(samples, evaluation):
    text = evaluate(P[[0, 6]], samples([True, False]), operating_point=POINT, split="toy tune")
    assert "all figures here are too good" in text.to_markdown()
    assert "too good" not in evaluation.to_markdown()


def test_the_baseline_is_only_told_where_it_is_stated(samples):
    images = samples([True, False])
    text = evaluate(P[[0, 6]], images, operating_point=POINT, split="x").to_markdown()
    assert "no pixel" not in text


def test_missing_or_extra_probabilities_are_refused(samples):
    for p in (np.array([0.5]), np.array([])):
        with pytest.raises(DataError, match="one p_fracture for each"):
            evaluate(p, samples([True, False]), operating_point=POINT, split="x")
    with pytest.raises(DataError, match="at least one image"):
        evaluate(np.array([]), [], operating_point=POINT, split="x")
