"""A film unlike the training films is uncertain, whatever its score."""

import dataclasses

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.decision import Caution, Decision, State
from bonefx_edge.inference.familiarity import Detector, Familiarity, Kind, apply_familiarity
from bonefx_edge.model.model_file import ModelFile, write_model_file
from hypothesis import given
from hypothesis import strategies as st
from toy import film, toy_path

CHILD = Detector(Kind.CHILD, (1.0, -1.0), bias=0.5, limit=1.0, unless_from=0.9)
CHEST = Detector(Kind.CHEST, (0.0, 1.0), bias=0.0, limit=2.0, unless_from=None)
FAMILIAR = Familiarity(distance_limit=4.0, detectors=(CHILD, CHEST))


def decision(p_fracture: float) -> Decision:
    state = State.FRACTURE if p_fracture >= 0.5 else State.NO_FRACTURE
    return Decision(state, p_fracture, original_class=0)


def features(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("rows", "p_fracture", "why"),
    [
        (((0.0, 0.0), (0.0, 0.0)), 0.7, None),
        (((3.0, 3.0), (0.0, 0.0)), 0.7, "distance 9.00, limit 4.00"),
        # Of the whole film only: a tile may be anything.
        (((0.0, 0.0), (2.9, 2.9)), 0.7, None),
        # Means of weights . features + bias: (0.5 + 1.6 + 0.5) / 2 > 1.
        (((0.5, 0.0), (1.6, 0.0)), 0.7, "that of a growing child"),
        (((0.5, 0.0), (1.6, 0.0)), 0.1, "that of a growing child"),
        (((0.5, 0.0), (1.6, 0.0)), 0.95, None),
        (((1.0, 2.6), (1.0, 1.9)), 0.99, "a chest radiograph"),
    ],
)
def test_what_is_unfamiliar_is_uncertain_and_says_why(rows, p_fracture, why) -> None:
    before = decision(p_fracture)
    after = apply_familiarity(before, FAMILIAR, features(*rows), mode="tiled")
    if why is None:
        assert after == before
        return
    assert (after.state, after.caution) == (State.UNCERTAIN, Caution.UNFAMILIAR)
    assert (after.p_fracture, after.original_class) == (p_fracture, 0)
    assert why in after.detail
    assert after.detail.endswith("Read it by eye.")


def test_a_childs_film_below_the_threshold_of_a_site_is_unfamiliar_whatever_its_score() -> None:
    before = Decision(State.UNCERTAIN, 0.95, original_class=0)
    after = apply_familiarity(before, FAMILIAR, features((0.5, 0.0), (1.6, 0.0)), mode="tiled")
    assert (after.state, after.caution) == (State.UNCERTAIN, Caution.UNFAMILIAR)


def test_a_detector_of_one_mode_is_used_in_that_mode_only() -> None:
    rows = features((0.5, 0.0), (1.6, 0.0))
    whole_only = Familiarity(4.0, (dataclasses.replace(CHILD, mode="whole"),))
    before = decision(0.7)
    assert apply_familiarity(before, whole_only, rows, mode="tiled") == before
    found = apply_familiarity(before, whole_only, rows, mode="whole")
    assert found.caution is Caution.UNFAMILIAR


@given(st.floats(0, 1), st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1))
def test_no_film_gets_another_state_than_its_own_or_uncertain(p_fracture, rows) -> None:
    before = decision(p_fracture)
    after = apply_familiarity(before, FAMILIAR, features(*rows), mode="tiled")
    assert after.state in (before.state, State.UNCERTAIN)
    assert (after == before) == (after.caution is None)
    assert apply_familiarity(before, None, features(*rows), mode="tiled") == before
    assert apply_familiarity(before, FAMILIAR, None, mode="tiled") == before


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        (CHILD, {"weights": ()}, "expected finite weights"),
        (CHILD, {"weights": (float("nan"),)}, "expected finite weights"),
        (CHILD, {"unless_from": 1.5}, "0 <= unless_from <= 1"),
        (FAMILIAR, {"distance_limit": 0.0}, "expected a finite distance_limit > 0"),
    ],
)
def test_what_makes_no_sense_is_refused(kind, changes, says) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(kind, **changes)


def test_an_unfamiliar_film_keeps_its_score_and_its_regions(tmp_path) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film(60))
    known = Classifier.load(toy_path("tiled-float32")).classify(path)
    assert (known.state, known.caution) == (State.FRACTURE, None)
    model = ModelFile.read(toy_path("tiled-float32"))
    check = dataclasses.replace(
        model.manifest.input_check, familiarity=Familiarity(distance_limit=1e-9, detectors=())
    )
    stricter = tmp_path / "stricter.tflite"
    write_model_file(
        stricter,
        flatbuffer=model.flatbuffer,
        manifest=dataclasses.replace(model.manifest, input_check=check),
    )
    found = Classifier.load(stricter).classify(path)
    assert (found.state, found.caution, found.reason) == (
        State.UNCERTAIN,
        Caution.UNFAMILIAR,
        None,
    )
    assert found.to_dict()["caution"] == "unfamiliar"
    assert (found.p_fracture, found.regions) == (known.p_fracture, known.regions)
