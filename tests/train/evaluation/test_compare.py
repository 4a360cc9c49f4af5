"""Two networks on the same films: what must hold, and differences that are known."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.inference.decision import OperatingPoint, Proportion
from bonefx_train.cli import app
from bonefx_train.data.pixels import Pixels
from bonefx_train.errors import DataError
from bonefx_train.evaluation.compare import compare
from bonefx_train.evaluation.predictions import COLUMNS, predictions_csv, read_predictions
from typer.testing import CliRunner

PER_GROUP = 2
KNOWN = Proportion(value=0.9, low=0.8, high=1.0, n=20)
POINT = OperatingPoint(
    name="balanced",
    no_fracture_below=0.3,
    fracture_from=0.7,
    sensitivity=KNOWN,
    specificity=KNOWN,
    chosen_on="tune",
    chosen_for="test",
)


def normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def write(path: Path, scores, fractured, *, groups=None, states=None) -> Path:
    """Write a predictions.csv; two films a group unless `groups` are given."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "group", "label", "score", *(["state"] if states else [])])
        for i, (score, broken) in enumerate(zip(scores, fractured, strict=True)):
            group = groups[i] if groups else f"g{i // PER_GROUP}"
            label = "fractured" if broken else "not_fractured"
            given = "" if score is None else repr(float(score))
            writer.writerow([f"{i}.png", group, label, given, *([states[i]] if states else [])])
    return path


def drawn(n: int, *, shift: float, seed: int, noise: float = 1.0):
    """Return scores with an AUC of cdf(shift / sqrt(2)) in expectation, and the truth."""
    rng = np.random.default_rng(seed)
    fractured = np.arange(n) % 4 < PER_GROUP
    return rng.normal(0, noise, n) + shift * fractured, fractured


def test_a_file_compared_with_itself_differs_by_nothing(tmp_path: Path) -> None:
    a = write(tmp_path / "a.csv", *drawn(200, shift=1, seed=1))
    found = compare(a, a)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.p_value == 1
    assert (found.n, found.fractured, found.groups) == (200, 100, 100)


def test_scores_in_the_same_order_differ_by_nothing(tmp_path: Path) -> None:
    scores, fractured = drawn(200, shift=1, seed=2)
    a = write(tmp_path / "a.csv", scores, fractured)
    b = write(tmp_path / "b.csv", np.exp(3 * scores) + 5, fractured)
    assert compare(a, b).difference.value == 0
    assert compare(a, b).p_value == 1


def test_a_known_difference_is_inside_the_interval_and_0_is_not(tmp_path: Path) -> None:
    scores, fractured = drawn(2000, shift=1, seed=3)
    better, _ = drawn(2000, shift=2, seed=4)
    found = compare(
        write(tmp_path / "a.csv", scores, fractured), write(tmp_path / "b.csv", better, fractured)
    )
    expected = normal_cdf(2 / math.sqrt(2)) - normal_cdf(1 / math.sqrt(2))
    assert 0 < found.difference.low < expected < found.difference.high
    assert found.p_value < 0.01
    assert found.auc_b.value - found.auc_a.value == pytest.approx(found.difference.value)


@pytest.mark.parametrize("seed", range(5))
def test_the_other_way_round_only_the_sign_changes(tmp_path: Path, seed: int) -> None:
    scores, fractured = drawn(120, shift=1, seed=seed)
    other, _ = drawn(120, shift=1.3, seed=seed + 100)
    a = write(tmp_path / "a.csv", scores, fractured)
    b = write(tmp_path / "b.csv", other, fractured)
    one, two = compare(a, b), compare(b, a)
    assert one.difference.value == -two.difference.value
    assert (one.difference.low, one.difference.high) == pytest.approx(
        (-two.difference.high, -two.difference.low)
    )
    assert one.p_value == two.p_value


def test_what_is_hard_for_both_is_no_difference(tmp_path: Path) -> None:
    """Paired: two networks that err alike have a narrow interval, each alone a wide one."""
    scores, fractured = drawn(300, shift=1, seed=5)
    alike = scores + np.random.default_rng(6).normal(0, 0.05, 300)
    found = compare(
        write(tmp_path / "a.csv", scores, fractured), write(tmp_path / "b.csv", alike, fractured)
    )
    paired = found.difference.high - found.difference.low
    assert paired < (found.auc_a.high - found.auc_a.low) / 5


def test_equal_networks_are_seldom_called_different(tmp_path: Path) -> None:
    """At p < 0.05, 1 in 20 by chance; more than 8 of 60 would come once in 500 tries."""
    called = 0
    for seed in range(60):
        scores, fractured = drawn(160, shift=1, seed=seed)
        other, _ = drawn(160, shift=1, seed=1000 + seed)
        found = compare(
            write(tmp_path / "a.csv", scores, fractured),
            write(tmp_path / "b.csv", other, fractured),
        )
        called += found.p_value < 0.05
    assert called <= 8


def test_copies_of_a_film_in_one_group_do_not_make_a_difference_surer(tmp_path: Path) -> None:
    scores, fractured = drawn(100, shift=1, seed=7)
    other, _ = drawn(100, shift=1.5, seed=8)
    alone = [f"g{i}" for i in range(100)]
    once = compare(
        write(tmp_path / "a.csv", scores, fractured, groups=alone),
        write(tmp_path / "b.csv", other, fractured, groups=alone),
    )
    five = {"groups": [group for group in alone for _ in range(5)]}
    copied = compare(
        write(tmp_path / "a.csv", np.repeat(scores, 5), np.repeat(fractured, 5), **five),
        write(tmp_path / "b.csv", np.repeat(other, 5), np.repeat(fractured, 5), **five),
    )
    assert copied.n == 5 * once.n
    assert copied.p_value == once.p_value
    assert copied.difference.low == pytest.approx(once.difference.low)


def test_films_that_one_did_not_answer_are_counted_and_in_no_figure(tmp_path: Path) -> None:
    scores, fractured = drawn(40, shift=1, seed=9)
    states = ["uncertain"] * 40
    a = write(tmp_path / "a.csv", [None, *scores[1:]], fractured, states=states)
    b = write(tmp_path / "b.csv", scores[:38], fractured[:38], states=["fracture", *states[:37]])
    found = compare(a, b)
    assert (found.n, found.not_in_both, found.states_differ) == (37, (2, 1), 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fractured": [True] * 40}, "same label"),
        ({"groups": ["one"] * 40}, "same group"),
    ],
)
def test_other_labels_or_groups_are_refused(tmp_path: Path, change, words: str) -> None:
    scores, fractured = drawn(40, shift=1, seed=10)
    a = write(tmp_path / "a.csv", scores, fractured)
    b = write(tmp_path / "b.csv", scores, **({"fractured": fractured} | change))
    with pytest.raises(DataError, match=words):
        compare(a, b)


def test_one_class_or_one_group_is_refused(tmp_path: Path) -> None:
    one_class = write(tmp_path / "a.csv", [0.1, 0.2, 0.3], [True] * 3)
    one_group = write(tmp_path / "b.csv", [0.1, 0.2], [True, False])
    for path in (one_class, one_group):
        with pytest.raises(DataError, match="both classes and of two or more groups"):
            compare(path, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n", "absent: group, score"),
        ("path,group,label,score\na,g,fractured,x\n", "line 2"),
        ("path,group,label,score\na,g,fractured,nan\n", "finite"),
        ("path,group,label,score\na,g,abnormal,1\n", "ambiguous"),
        ("path,group,label,score\na,g,fractured,1\na,g,fractured,1\n", "each path once"),
    ],
)
def test_a_table_of_another_make_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_predictions(tmp_path / "a.csv")
    with pytest.raises(DataError, match="expected a predictions"):
        read_predictions(tmp_path / "absent.csv")


def test_predictions_have_each_film_of_the_split_with_all_digits(samples, tmp_path) -> None:
    films = samples([True, False, True])
    p, logit = np.array([0.1 + 0.2, 0.75]), np.array([0.8472978603872034, -1.1])
    measured = Pixels(
        np.zeros((2, 1, 1, 1), np.float32),
        np.zeros(2, np.uint8),
        (films[0], films[2]),
        ((films[1].key, "too_small"),),
    )
    text = predictions_csv(films, measured, p=p, logit=logit, operating_point=POINT)
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == [film.key for film in films]
    assert [row["state"] for row in rows] == ["uncertain", "refused", "fracture"]
    assert [row["refused"] for row in rows] == ["", "too_small", ""]
    assert (rows[1]["score"], rows[1]["logit"]) == ("", "")
    assert float(rows[0]["score"]) == p[0]
    assert float(rows[0]["logit"]) == logit[0]
    (tmp_path / "p.csv").write_text(text)
    read = read_predictions(tmp_path / "p.csv")
    assert [read[film.key].score for film in films] == [p[0], None, p[1]]


def test_the_command_writes_both_forms(tmp_path: Path) -> None:
    scores, fractured = drawn(80, shift=1, seed=11)
    a = write(tmp_path / "a.csv", scores, fractured)
    b = write(tmp_path / "b.csv", scores[::-1], fractured)
    out = tmp_path / "compared.json"
    result = CliRunner().invoke(app, ["compare", str(a), str(b), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "| AUC of B minus AUC of A | -" in result.stdout
    assert "paired bootstrap of whole groups" in result.stdout
    assert "not a diagnosis" in result.stdout
    assert json.loads(out.read_text())["n"] == 80
    assert CliRunner().invoke(app, ["compare", str(a), str(out)]).exit_code == 3
