"""At an age that the model was not evaluated at, the answer is uncertain; no text has the age."""

import dataclasses
import json

import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.ages import AgeBand, AgeRange, EvaluatedAges, apply_ages
from bonefx_edge.inference.decision import Caution, Decision, Proportion, State
from bonefx_edge.inference.familiarity import Familiarity
from bonefx_edge.model.model_file import ModelFile, write_model_file
from example_profile import toy_profile
from hypothesis import given
from hypothesis import strategies as st
from image_files import dicom_file
from toy import film, toy_path

ADULTS = AgeRange(15.0, None)
FOUND = Decision(State.FRACTURE, 0.9, original_class=0)


def write_model(folder, **check) -> str:
    """Write the tiled toy with ages from 15 years on; `check` changes its input check."""
    model = ModelFile.read(toy_path("tiled-float32"))
    share = Proportion(0.05, 0.0, 0.1, 60)
    ages = EvaluatedAges(ADULTS, (AgeBand(ADULTS, "toy", share, None),), "by construction")
    manifest = dataclasses.replace(
        model.manifest,
        evaluated_ages=ages,
        input_check=dataclasses.replace(model.manifest.input_check, **check),
    )
    path = folder / "aged.tflite"
    write_model_file(path, flatbuffer=model.flatbuffer, manifest=manifest)
    return path


def write_film(folder, **elements):
    path = folder / "film.dcm"
    path.write_bytes(dicom_file(film(60), **elements))
    return path


@pytest.mark.parametrize(
    ("age", "caution"),
    [("007Y", True), ("014Y", True), ("179M", True), ("015Y", False), ("090Y", False), ("", False)],
)
def test_outside_the_evaluated_ages_a_film_is_uncertain(tmp_path, age, caution) -> None:
    found = Classifier.load(write_model(tmp_path)).classify(write_film(tmp_path, PatientAge=age))
    assert found.reason is None
    assert found.p_fracture > found.fracture_from
    expected = (State.UNCERTAIN, Caution.AGE_OUT_OF_RANGE) if caution else (State.FRACTURE, None)
    assert (found.state, found.caution) == expected


def test_no_text_of_a_finding_has_the_age(tmp_path) -> None:
    classifier = Classifier.load(write_model(tmp_path))
    found = classifier.classify(write_film(tmp_path, PatientAge="007Y")).to_dict()
    assert "15 years and over" in found["detail"]
    del found["path"], found["sha256"], found["timings_ms"], found["p_fracture"], found["score"]
    assert "7" not in json.dumps({key: found[key] for key in ("detail", "caution", "reason")})


def test_where_both_apply_the_age_is_the_caution_and_the_detail_has_both(tmp_path) -> None:
    model = write_model(tmp_path, familiarity=Familiarity(distance_limit=1e-9, detectors=()))
    found = Classifier.load(model).classify(write_film(tmp_path, PatientAge="007Y"))
    assert found.caution is Caution.AGE_OUT_OF_RANGE
    assert "not evaluated at the age" in found.detail
    assert "Unlike the films" in found.detail


def test_a_site_that_was_commissioned_at_other_ages_is_answered_there(tmp_path) -> None:
    model = write_model(tmp_path)
    made = dataclasses.replace(
        toy_profile().model, sha256=ModelFile.read(model).sha256, mode="tiled"
    )
    path = tmp_path / "site-profile.json"
    for ages, state in ((None, State.UNCERTAIN), (AgeRange(3.0, 12.0), State.FRACTURE)):
        path.write_text(toy_profile(model=made, fracture_from=0.75, ages=ages).to_json())
        classifier = Classifier.load(model, site_profile=path)
        found = classifier.classify(write_film(tmp_path, PatientAge="007Y"))
        assert found.state is state
    assert classifier.classify(write_film(tmp_path, PatientAge="012Y")).state is State.UNCERTAIN


def test_a_profile_of_an_older_version_has_no_ages(tmp_path) -> None:
    record = json.loads(toy_profile().to_json())
    del record["ages"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(record))
    assert Classifier.load(toy_path("int8"), site_profile=path).site_ages is None


@given(st.floats(0, 130), st.lists(st.floats(0, 129), max_size=3))
def test_only_ages_outside_all_ranges_change_a_decision(age, starts) -> None:
    ranges = tuple(AgeRange(start, start + 1) for start in starts)
    after = apply_ages(FOUND, age, ranges)
    inside = not ranges or any(start <= age < start + 1 for start in starts)
    assert (after == FOUND) == inside
    assert apply_ages(FOUND, None, ranges) == FOUND


@pytest.mark.parametrize(("low", "below"), [(-1.0, None), (5.0, 5.0), (float("nan"), None)])
def test_a_range_that_makes_no_sense_is_refused(low, below) -> None:
    with pytest.raises(ValueError, match="expected 0 <= from_years < below_years"):
        AgeRange(low, below)
