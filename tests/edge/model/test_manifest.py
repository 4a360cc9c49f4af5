"""The manifest of a model file: every field as it should be, or a message that names it."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
from bonefx_edge.errors import ModelFileError, UsageError
from bonefx_edge.inference.ages import AgeRange
from bonefx_edge.inference.tile_grid import TileSelection
from bonefx_edge.model.manifest import Manifest
from bonefx_edge.model.model_file import ModelFile
from toy import toy_path

TOY = ModelFile.read(toy_path("int8"))
TILED = ModelFile.read(toy_path("tiled-int8"))
FORMAT_2 = (Path(__file__).parents[2] / "golden/manifest-format-2.json").read_text()
"""Of the toy, as bonefx 0.4 wrote it."""
FORMAT_3 = (Path(__file__).parents[2] / "golden/manifest-format-3.json").read_text()
"""Of the toy, as bonefx 0.5 wrote it."""
SELECTION = {"gray_level": 60, "min_share": 0.25}
RUNTIME = {
    "name": "tflite_runtime",
    "version": "2.14.0",
    "machine": "x86_64",
    "max_logit_difference": 0.1,
}


# ---- manifest ----


def test_a_manifest_survives_its_json() -> None:
    assert Manifest.from_json(TOY.manifest.to_json()) == TOY.manifest
    assert Manifest.from_json(TILED.manifest.to_json()) == TILED.manifest


@pytest.mark.parametrize("text", [FORMAT_2, FORMAT_3], ids=["2", "3"])
def test_a_manifest_of_an_older_format_is_read_as_one_of_format_4(text: str) -> None:
    older = Manifest.from_json(text)
    own = TILED.manifest.flatbuffer_sha256
    assert dataclasses.replace(older, flatbuffer_sha256=own) == TILED.manifest


def test_the_verified_runtimes_of_format_2_are_read() -> None:
    raw = json.loads(FORMAT_2)
    raw["runtimes"] = [RUNTIME | {"films": 60}]
    (runtime,) = Manifest.from_json(json.dumps(raw)).verified_runtimes
    assert (runtime.name, runtime.images) == ("tflite_runtime", 60)


@pytest.mark.parametrize("modes", [None, 1, [1], [{"name": 1}]])
def test_a_manifest_of_format_2_with_modes_of_another_type_is_refused(modes: object) -> None:
    with pytest.raises(ModelFileError, match=r"bonefx\.json"):
        Manifest.from_json(json.dumps(json.loads(FORMAT_2) | {"readings": modes}))


def test_a_manifest_of_format_2_is_checked_as_strictly() -> None:
    raw = json.loads(FORMAT_2)
    with pytest.raises(ModelFileError, match="absent or unknown fields: more"):
        Manifest.from_json(json.dumps(raw | {"more": 1}))
    del raw["gate"]
    with pytest.raises(ModelFileError, match="absent or unknown fields: input_check"):
        Manifest.from_json(json.dumps(raw))


def test_an_older_manifest_with_a_field_of_a_later_format_is_refused() -> None:
    raw = json.loads(FORMAT_3)
    raw["modes"][0]["tile_selection"] = None
    with pytest.raises(ModelFileError, match="absent or unknown fields: tile_selection"):
        Manifest.from_json(json.dumps(raw))


def test_a_manifest_with_a_tile_selection_survives_its_json() -> None:
    raw = json.loads(TILED.manifest.to_json())
    raw["modes"][0]["tile_selection"] = SELECTION
    manifest = Manifest.from_json(json.dumps(raw))
    assert manifest.modes[0].tile_selection == TileSelection(60, 0.25)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_several_grids_may_count_without_the_whole_image() -> None:
    raw = json.loads(TILED.manifest.to_json())
    tiles = [{"longest_px": 512, "share": share, "overlap": 0.3} for share in (0.6, 0.4, 0.28)]
    raw["modes"][0] |= {"tiles": tiles, "whole_weight": 0, "map_weight": 0}
    mode = Manifest.from_json(json.dumps(raw)).modes[0]
    assert (len(mode.tiles), mode.whole_weight) == (3, 0.0)


def test_a_manifest_without_ages_answers_all_of_them_and_one_with_ages_survives_its_json() -> None:
    raw = json.loads(TILED.manifest.to_json())
    del raw["evaluated_ages"]
    assert Manifest.from_json(json.dumps(raw)).answered_ages(AgeRange(3, 5)) == ()
    share = {"value": 0.1, "low": 0.0, "high": 0.2, "n": 40}
    adults, band = ({"from_years": age, "below_years": None} for age in (15, 12))
    raw["evaluated_ages"] = {
        "answered": adults,
        "bands": [{"ages": band, "source": "toy", "called_fracture": share, "missed": None}],
        "rule": "by construction",
    }
    manifest = Manifest.from_json(json.dumps(raw))
    assert manifest.answered_ages(None) == (AgeRange(15, None),)
    assert manifest.answered_ages(AgeRange(3, 5)) == (AgeRange(15, None), AgeRange(3, 5))
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_detector_of_a_mode_that_the_model_has_not_is_refused() -> None:
    raw = json.loads(TILED.manifest.to_json())
    detector = {
        "kind": "child",
        "weights": [1.0, 0.0],
        "bias": 0,
        "limit": 1,
        "unless_from": None,
        "mode": "whole",
    }
    raw["input_check"]["familiarity"] = {"distance_limit": 2.0, "detectors": [detector]}
    found = Manifest.from_json(json.dumps(raw)).input_check.familiarity
    assert found.detectors[0].mode == "whole"
    del detector["mode"]  # as written by bonefx 0.6
    assert Manifest.from_json(json.dumps(raw)).input_check.familiarity.detectors[0].mode is None
    detector["mode"] = "closer"
    with pytest.raises(ModelFileError, match="detectors of the modes"):
        Manifest.from_json(json.dumps(raw))


@pytest.mark.parametrize("version", [0, 1, 5, "3", "4", None, [4]])
def test_a_manifest_of_another_format_version_is_refused(version: object) -> None:
    raw = json.loads(TOY.manifest.to_json()) | {"format_version": version}
    with pytest.raises(ModelFileError, match=r"expected format_version 4, got .*update bonefx"):
        Manifest.from_json(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"', "\x00"])
def test_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError, match=r"bonefx\.json"):
        Manifest.from_json(text)


def _paths_of(value: object, at: tuple = ()) -> list[tuple]:
    """Return the path of every field of the JSON value."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(path for key, inner in items for path in _paths_of(inner, (*at, key)))]


FIELDS = [p for p in _paths_of(json.loads(TILED.manifest.to_json())) if p and p[0] != "provenance"]


def _changed(field: tuple, change) -> str:
    raw = json.loads(TILED.manifest.to_json())
    inner = raw
    for key in field[:-1]:
        inner = inner[key]
    change(inner, field[-1])
    return json.dumps(raw)


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: ".".join(map(str, f)))
def test_a_manifest_with_an_ill_typed_field_is_refused(field: tuple) -> None:
    def spoil(inner, key) -> None:
        inner[key] = True  # no field is a truth value, and bool must not pass for a number

    with pytest.raises(ModelFileError, match=r"bonefx\.json"):
        Manifest.from_json(_changed(field, spoil))


REQUIRED = [f for f in FIELDS if isinstance(f[-1], str) and f != ("evaluated_ages",)]


@pytest.mark.parametrize("field", REQUIRED, ids=lambda f: ".".join(map(str, f)))
def test_a_manifest_with_an_absent_field_is_refused(field: tuple) -> None:
    def remove(inner, key) -> None:
        del inner[key]

    with pytest.raises(ModelFileError, match=r"bonefx\.json"):
        Manifest.from_json(_changed(field, remove))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (("modes",), [], "at least one"),
        (("modes", 1), json.loads(TILED.manifest.to_json())["modes"][0], "distinct names"),
        (("modes", 0, "name"), "third", "expected the name tiled or whole"),
        (("modes", 0, "name"), "whole", "expected tiles in tiled and none in whole"),
        (("modes", 1, "name"), "tiled", "expected tiles in tiled and none in whole"),
        (("modes", 0, "tiles"), [], "expected tiles in tiled and none in whole"),
        (("modes", 0, "tiles", 0, "longest_px"), 0, "1 <= longest_px <= 512"),
        (("modes", 0, "tiles", 0, "longest_px"), 400.5, "expected <class 'int'>"),
        (("modes", 0, "tiles", 0, "share"), 0, "0 < share <= 1"),
        (("modes", 0, "tiles", 0, "share"), 1.1, "0 < share <= 1"),
        (("modes", 0, "tiles", 0, "share"), math.nan, "0 < share <= 1"),
        (("modes", 0, "tiles", 0, "share"), 0.01, "at most 64 tiles"),
        (
            ("modes", 0, "tiles", 0),
            {"longest_px": 512, "share": 1e-308, "overlap": 0.5},
            r"infinity.*; convert the model again",
        ),
        (
            ("modes", 0, "tiles", 0),
            {"longest_px": 512, "share": 5e-324, "overlap": 0.5},
            r"division.*; convert the model again",
        ),
        (("modes", 0, "offset"), 10**400, r"too large.*; convert the model again"),
        (("modes", 0, "tiles", 0, "overlap"), 1, "0 <= overlap < 1"),
        (("modes", 0, "tiles", 0, "overlap"), -0.1, "0 <= overlap < 1"),
        (("modes", 0, "tile_selection"), {"gray_level": 60}, "absent or unknown fields: min_share"),
        (("modes", 0, "tile_selection"), SELECTION | {"gray_level": 255}, "gray_level <= 254"),
        (("modes", 0, "tile_selection"), SELECTION | {"gray_level": -1}, "0 <= gray_level"),
        (("modes", 0, "tile_selection"), SELECTION | {"min_share": 1.5}, "min_share <= 1"),
        (("modes", 0, "tile_selection"), SELECTION | {"min_share": math.nan}, "min_share <= 1"),
        (("modes", 1, "tile_selection"), SELECTION, "no tile_selection and no refinement"),
        (("modes", 0, "whole_weight"), -0.1, "finite weights >= 0"),
        (("modes", 0, "tile_weight"), math.inf, "finite weights >= 0"),
        (("modes", 0, "map_weight"), math.nan, r"finite weights >= 0|map_weight > 0"),
        (("modes", 0, "offset"), math.inf, "finite offset"),
        (("modes", 0, "temperature"), 0, "temperature"),
        (("modes", 1, "whole_weight"), 0, "expected tile_weight 0, and another > 0"),
        (("modes", 1, "tile_weight"), 1, "expected tile_weight 0, and another > 0"),
        (("modes", 0, "operating_points", 0, "fracture_from"), 0.1, "no_fracture_below <="),
        (("modes", 0, "operating_points", 0, "name"), "sensitive", "distinct names"),
        (("output", "logit"), 2, "expected the positions 0 to 2, each once"),
        (("output", "logit"), -1, "expected the positions 0 to 2, each once"),
        (("output", "features"), 3, "expected the positions 0 to 2, each once"),
        (("input_check", "distance_limit"), None, "a distance_limit if and only if"),
        (("input_check", "distance_limit"), 0, "expected a finite distance_limit > 0"),
        (("output", "high_means_class"), 0, "class 1"),
        (("output", "quantity"), "probability", "expected quantity 'logit'"),
        (("input", "resize"), "bicubic", "bicubic"),
        (("labels",), ["broken"], "expected 2 items"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(field: tuple, value, says: str) -> None:
    def replace(inner, key) -> None:
        inner[key] = value

    with pytest.raises(ModelFileError, match=says):
        Manifest.from_json(_changed(field, replace))


def _without(output: str, **reading_changes: object) -> str:
    """Return a manifest whose network lacks the features or the map (position 2 is taken)."""
    raw = json.loads(TILED.manifest.to_json())
    raw["output"] |= {output: None, "logit": 0}
    raw["output"][{"map": "features", "features": "map"}[output]] = 1
    raw["modes"][0] |= reading_changes
    return json.dumps(raw)


def test_a_limit_without_features_is_refused() -> None:
    with pytest.raises(ModelFileError, match="a distance_limit if and only if"):
        Manifest.from_json(_without("features"))


def test_a_weight_for_a_map_that_the_network_does_not_give_is_refused() -> None:
    with pytest.raises(ModelFileError, match="map_weight 0 for a network without a map"):
        Manifest.from_json(_without("map"))
    assert Manifest.from_json(_without("map", map_weight=0)).output.map is None


def test_tiles_that_count_for_nothing_are_refused() -> None:
    raw = json.loads(TILED.manifest.to_json())
    raw["modes"][0] |= {"tile_weight": 0, "map_weight": 0}
    with pytest.raises(ModelFileError, match="tile_weight or map_weight > 0 for its tiles"):
        Manifest.from_json(json.dumps(raw))


def test_an_unknown_operating_point_is_refused_with_those_there_are() -> None:
    mode = TOY.manifest.mode(None)
    with pytest.raises(UsageError, match="expected one of balanced, sensitive, got 'x'"):
        mode.operating_point("x")
    assert mode.operating_point(None).name == "balanced"
    assert mode.operating_point("sensitive").name == "sensitive"


def test_an_unknown_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"model toy has \(tiled, whole\), got 'x'"):
        TILED.manifest.mode("x")
    with pytest.raises(UsageError, match=r"model toy has \(whole\), got 'tiled'"):
        TOY.manifest.mode("tiled")
    assert TILED.manifest.mode(None).name == "tiled"
    assert TILED.manifest.mode("whole").name == "whole"
