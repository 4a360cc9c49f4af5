"""Site profiles: their thresholds are used, and no profile of something else is."""

import dataclasses
import hashlib
import json

import cv2
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import SiteProfileId, State
from example_profile import toy_profile, write_profile
from hypothesis import given
from hypothesis import strategies as st
from toy import film, toy_path


def load(path, kind: str = "int8", **options) -> Classifier:
    return Classifier.load(toy_path(kind), site_profile=path, **options)


def test_the_thresholds_of_a_profile_replace_those_of_the_model_and_findings_say_so(
    tmp_path,
) -> None:
    path, picture = write_profile(tmp_path), tmp_path / "film.png"
    cv2.imwrite(str(picture), film(100))  # p_fracture 0.85: over 0.75 of the model, under 0.9
    own, site = Classifier.load(toy_path("int8")).classify(picture), load(path).classify(picture)
    assert (own.state, site.state) == (State.FRACTURE, State.UNCERTAIN)
    assert own.p_fracture == site.p_fracture
    assert (site.no_fracture_below, site.fracture_from) == (0.1, 0.9)
    assert (own.operating_point, site.operating_point) == ("balanced", "site")
    short = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert (own.site_profile, site.site_profile) == (None, SiteProfileId(short, "2026-11-29"))


def test_a_profile_of_another_model_is_refused_with_what_to_do(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"toy 1\.0\.0 .*commission again with this model"):
        load(write_profile(tmp_path), "float32")


def test_a_profile_of_another_mode_is_refused_with_what_to_do(tmp_path) -> None:
    sha256 = Classifier.load(toy_path("tiled-int8")).model.sha256
    model = dataclasses.replace(toy_profile().model, sha256=sha256)
    path = write_profile(tmp_path, model=model)
    with pytest.raises(UsageError, match="add --mode whole"):
        load(path, "tiled-int8")
    assert load(path, "tiled-int8", mode="whole").operating_point.name == "site"


def test_an_operating_point_beside_a_profile_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="got both"):
        load(write_profile(tmp_path), operating_point="sensitive")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "bonefx.site-profile/2"),
        ("fracture_from", 0.05),
        ("fracture_from", float("nan")),
        ("created", "2026-11-29T02:10:00"),
        ("created", "yesterday"),
        ("by", None),
        ("levels", [0.05, 0.95, 0.5]),
        ("levels", [0.05, 0.5, 0.5]),
        ("extra", 1),
    ],
)
def test_a_file_that_is_no_profile_is_refused_by_name(tmp_path, key, value) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(json.loads(toy_profile().to_json()) | {key: value}))
    with pytest.raises(UsageError, match=r"profile\.json: not a site profile"):
        load(path)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_in_words(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("bytes") / "profile.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="not a site profile"):
        load(path)


def test_an_absent_profile_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot read the site profile"):
        load(tmp_path / "gone.json")
