"""The study of commissioning: what is drawn, what is measured, and when scores are used again."""

import json

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.diagnostics.commissioning.guarantee import Rule, choose
from bonefx_train.data.sample import Label, Sample
from bonefx_train.studies import commissioning
from bonefx_train.studies.commissioning import (
    Source,
    draw,
    examine,
    make_source,
    patients_for_both,
    read_source,
)
from toy import film, toy_operating_points, toy_path


def source(n: int = 1000, fractured: int = 0) -> Source:
    rng = np.random.default_rng(3)
    normal, broken = [np.array([p]) for p in rng.random(n)], rng.random(fractured)
    return Source(normal, normal, broken, broken)


def test_specificity_is_measured_on_patients_that_did_not_choose() -> None:
    choice = choose(range(60), wanted=0.1, confidence=0.9, rule=Rule.EXPECTED)
    assert choice
    alike = [np.array([0.0])] * 60
    apart = Source(alike, alike, np.array([]), np.array([]))
    with pytest.raises(ValueError, match="concatenate"):
        draw(apart, choice, n=60)  # nobody is left to measure it
    low, median, high = draw(source(), choice, n=60)["specificity"]
    # Beta(55, 6): mean 0.902, standard deviation 0.038; the films are 940, another 0.01
    assert low == pytest.approx(0.83, abs=0.04)
    assert median == pytest.approx(0.90, abs=0.02)
    assert high == pytest.approx(0.96, abs=0.03)


def test_a_source_without_fractures_has_no_such_figures() -> None:
    point = toy_operating_points()[0]
    found = examine(source(), point)
    assert found["without"]["called_fracture"] is None
    assert found["rules"][0]["called_fracture"] is None
    assert examine(source(fractured=50), point)["rules"][0]["called_fracture"]


def test_refused_films_are_left_out_and_films_of_a_patient_stay_together(tmp_path) -> None:
    def sample(key: str, label: Label, group: str) -> Sample:
        return Sample(tmp_path / key, key, label, group, "test", "", hardware=False)

    samples = [
        sample("a", Label.NOT_FRACTURED, "p"),
        sample("b", Label.NOT_FRACTURED, "p"),
        sample("c", Label.NOT_FRACTURED, "q"),
        sample("d", Label.FRACTURED, "q"),
    ]
    found = make_source(samples, {"a": (0.1, 0.1), "b": (0.2, 0.0), "c": None, "d": (0.3, 0.3)})
    assert [group.tolist() for group in found.normal] == [[0.1, 0.2]]
    assert [group.tolist() for group in found.normal_calls] == [[0.1, 0.0]]
    assert found.fractured.tolist() == found.fractured_calls.tolist() == [0.3]
    none = make_source(samples, {"a": (0.1, 0.1), "b": None, "c": None, "d": None})
    assert none.fractured.size == 0


def test_films_with_a_caution_are_never_called_fracture_but_choose_the_threshold() -> None:
    plain = source(fractured=100)
    cautious = Source(
        plain.normal,
        [np.where(p > 0.8, 0.0, p) for p in plain.normal],
        plain.fractured,
        np.where(plain.fractured > 0.8, 0.0, plain.fractured),
    )
    choice = choose(range(60), wanted=0.1, confidence=0.9, rule=Rule.EXPECTED)
    before, after = (draw(each, choice, n=60) for each in (plain, cautious))
    assert after["fracture_from"] == before["fracture_from"]
    assert after["specificity"][0] >= before["specificity"][0]
    assert after["called_fracture"][1] < before["called_fracture"][1]
    found = examine(cautious, toy_operating_points()[0])
    assert found["with_caution"]["normal"] == pytest.approx(0.2, abs=0.04)


def test_hands_that_fitted_the_detector_of_children_are_left_out(tmp_path) -> None:
    folder = tmp_path / "boneage"
    folder.mkdir()
    rows = [("train", i) for i in range(2)] + [("test", i) for i in range(3)]
    lines = [f"{split}{i}.png,not_fractured,{split}{i},{split}" for split, i in rows]
    (folder / "manifest.csv").write_text("\n".join(["path,label,group,split", *lines]))
    for split, i in rows:
        cv2.imwrite(str(folder / f"{split}{i}.png"), film(100 + i))
    keys = [sample.key for sample in read_source(tmp_path, "boneage")]
    assert keys == ["test0.png", "test1.png", "test2.png"]


def test_the_guarantee_costs_little_with_enough_patients() -> None:
    n = patients_for_both()
    for patients, is_enough in ((n, True), (n - 1, False)):
        choice = choose(range(patients), wanted=0.1, confidence=0.9, rule=Rule.GUARANTEED)
        assert choice
        assert (choice.expected >= 0.07) == is_enough


def test_answers_of_another_model_are_not_used_again(tmp_path) -> None:
    classifier = Classifier.load(toy_path("int8"))
    kept = {"sha256": classifier.model.sha256, "mode": "whole", "answers": {"a/b": [0.5, 0.5]}}
    path = tmp_path / "scores.json"
    answers = kept["answers"]
    for change, expected in (({}, answers), ({"sha256": "0"}, {}), ({"mode": "tiled"}, {})):
        path.write_text(json.dumps(kept | change))
        assert commissioning._load_cache(path, classifier) == expected
