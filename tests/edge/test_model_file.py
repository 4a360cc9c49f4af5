"""The model file: one file, every byte of it accounted for."""

import dataclasses
import hashlib
import io
import json
import math
import os
import zipfile
from pathlib import Path

import pytest
from bonefx_edge.errors import ModelFileError, UsageError
from bonefx_edge.interpreter import TensorInfo, open_interpreter
from bonefx_edge.manifest import Manifest
from bonefx_edge.model_file import ModelFile, check_tensors, write_model_file
from bonefx_edge.preprocess import InputSpec
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_manifest, toy_path

TOY = ModelFile.read(toy_path("int8"))
BYTES = toy_path("int8").read_bytes()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def test_what_is_written_is_what_is_read(path: Path) -> None:
    write_model_file(path, flatbuffer=TOY.flatbuffer, manifest=TOY.manifest)
    model = ModelFile.read(path)
    assert (model.flatbuffer, model.manifest) == (TOY.flatbuffer, TOY.manifest)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_model_gives_the_same_bytes(path: Path) -> None:
    write_model_file(path, flatbuffer=TOY.flatbuffer, manifest=TOY.manifest)
    assert path.read_bytes() == BYTES


def test_writing_leaves_nothing_but_the_model_file(path: Path) -> None:
    write_model_file(path, flatbuffer=TOY.flatbuffer, manifest=TOY.manifest)
    assert list(path.parent.iterdir()) == [path]


def test_other_tflite_readers_ignore_the_manifest() -> None:
    with_tail, without = open_interpreter(BYTES), open_interpreter(TOY.flatbuffer)
    assert with_tail.input == without.input


def test_other_zip_readers_find_the_manifest() -> None:
    with zipfile.ZipFile(io.BytesIO(BYTES)) as archive:
        assert archive.namelist() == ["bonefx.json"]
        assert json.loads(archive.read("bonefx.json"))["name"] == "toy"


def test_a_model_file_with_one_altered_byte_is_refused_wherever_the_byte_is(path: Path) -> None:
    for position in range(len(BYTES)):
        altered = bytearray(BYTES)
        altered[position] ^= 0x01
        path.write_bytes(altered)
        with pytest.raises(ModelFileError, match=r"model\.tflite|bonefx\.json"):
            ModelFile.read(path)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(BYTES) - 1))
def test_a_model_file_that_ends_early_is_refused(tmp_path_factory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.tflite"
    path.write_bytes(BYTES[:length])
    with pytest.raises(ModelFileError, match="copy it again"):
        ModelFile.read(path)


def test_a_plain_tflite_is_refused_with_the_command_that_makes_it_one(path: Path) -> None:
    path.write_bytes(TOY.flatbuffer)
    with pytest.raises(ModelFileError, match="make it with bonefx-convert"):
        ModelFile.read(path)


def test_a_model_file_with_bytes_behind_it_is_refused(path: Path) -> None:
    path.write_bytes(BYTES + b"\0")
    with pytest.raises(ModelFileError, match="copy it again"):
        ModelFile.read(path)


def test_an_absent_model_file_is_refused_by_name(path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model\.tflite: .*No such file"):
        ModelFile.read(path)


def test_a_pipe_is_no_model_file_and_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="expected a regular file"):
        ModelFile.read(path)


def test_a_manifest_of_another_network_cannot_be_written(path: Path) -> None:
    manifest = toy_manifest("int8", flatbuffer=b"another")
    with pytest.raises(ModelFileError, match="hash of its own flatbuffer"):
        write_model_file(path, flatbuffer=TOY.flatbuffer, manifest=manifest)
    assert not path.exists()


UINT8 = TensorInfo(shape=(1, 150, 150, 1), dtype="uint8", scale=1 / 255, zero_point=0)
INT8 = TensorInfo(shape=(1, 1), dtype="int8", scale=1 / 16, zero_point=0)
FLOAT = TensorInfo(shape=(1, 150, 150, 1), dtype="float32", scale=0.0, zero_point=0)
MAP = TensorInfo(shape=(1, 5, 5, 1), dtype="int8", scale=1 / 8, zero_point=0)
FEATURES = TensorInfo(shape=(1, 32), dtype="int8", scale=1 / 8, zero_point=0)
CLOSER = ModelFile.read(toy_path("closer-int8"))


def test_tensors_that_fit_the_manifest_are_accepted() -> None:
    check_tensors(TOY.manifest, input_=UINT8, outputs=(INT8,))
    check_tensors(CLOSER.manifest, input_=UINT8, outputs=(FEATURES, INT8, MAP))


@pytest.mark.parametrize(
    ("changes", "input_", "says"),
    [
        ({"input": InputSpec(height=149)}, UINT8, "input of shape"),
        ({"kind": "float32"}, UINT8, "dtype float32 in"),
        ({"kind": "int8"}, FLOAT, "dtype uint8 or int8"),
        ({}, dataclasses.replace(UINT8, scale=1 / 128), "input scale of"),
        ({}, dataclasses.replace(UINT8, zero_point=3), "input scale of"),
    ],
)
def test_tensors_that_do_not_fit_the_manifest_are_refused(changes, input_, says: str) -> None:
    manifest = dataclasses.replace(TOY.manifest, **changes)
    with pytest.raises(ModelFileError, match=says):
        check_tensors(manifest, input_=input_, outputs=(INT8,))


def reshaped(tensor: TensorInfo, *shape: int) -> TensorInfo:
    return dataclasses.replace(tensor, shape=shape)


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ((FEATURES, INT8), "outputs, this many: 3, the network has 2"),
        ((FEATURES, INT8, MAP, MAP), "outputs, this many: 3, the network has 4"),
        ((FEATURES, reshaped(INT8, 1, 2), MAP), "a logit of 1 element"),
        ((INT8, FEATURES, MAP), "a logit of 1 element"),
        ((FEATURES, INT8, reshaped(MAP, 1, 5, 5, 2)), "a map of shape"),
        ((FEATURES, INT8, reshaped(MAP, 1, 25)), "a map of shape"),
        ((FEATURES, INT8, reshaped(MAP, 2, 5, 5, 1)), "a map of shape"),
        ((reshaped(FEATURES, 2, 16), INT8, MAP), "features of shape"),
        ((reshaped(FEATURES, 1, 4, 8), INT8, MAP), "features of shape"),
        ((dataclasses.replace(FEATURES, dtype="float32"), INT8, MAP), "dtype uint8 or int8"),
        ((FEATURES, INT8, dataclasses.replace(MAP, dtype="float32")), "dtype uint8 or int8"),
    ],
)
def test_outputs_that_do_not_fit_the_manifest_are_refused(outputs, says: str) -> None:
    with pytest.raises(ModelFileError, match=says):
        check_tensors(CLOSER.manifest, input_=UINT8, outputs=outputs)


# ---- manifest ----


def test_a_manifest_survives_its_json() -> None:
    assert Manifest.from_json(TOY.manifest.to_json()) == TOY.manifest
    assert Manifest.from_json(CLOSER.manifest.to_json()) == CLOSER.manifest


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_a_manifest_of_another_format_version_is_refused(version: object) -> None:
    raw = json.loads(TOY.manifest.to_json()) | {"format_version": version}
    with pytest.raises(ModelFileError, match=r"expected format_version 2, got .*update bonefx"):
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


FIELDS = [p for p in _paths_of(json.loads(CLOSER.manifest.to_json())) if p and p[0] != "provenance"]


def _changed(field: tuple, change) -> str:
    raw = json.loads(CLOSER.manifest.to_json())
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


@pytest.mark.parametrize(
    "field", [f for f in FIELDS if isinstance(f[-1], str)], ids=lambda f: ".".join(map(str, f))
)
def test_a_manifest_with_an_absent_field_is_refused(field: tuple) -> None:
    def remove(inner, key) -> None:
        del inner[key]

    with pytest.raises(ModelFileError, match=r"bonefx\.json"):
        Manifest.from_json(_changed(field, remove))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (("readings",), [], "at least one"),
        (("readings", 1), json.loads(CLOSER.manifest.to_json())["readings"][0], "distinct names"),
        (("readings", 0, "name"), "third", "expected the name closer or whole"),
        (("readings", 0, "name"), "whole", "expected tiles in closer and none in whole"),
        (("readings", 1, "name"), "closer", "expected tiles in closer and none in whole"),
        (("readings", 0, "tiles"), [], "expected tiles in closer and none in whole"),
        (("readings", 0, "tiles", 0, "film_px"), 0, "1 <= film_px <= 512"),
        (("readings", 0, "tiles", 0, "film_px"), 400.5, "expected <class 'int'>"),
        (("readings", 0, "tiles", 0, "share"), 0, "0 < share <= 1"),
        (("readings", 0, "tiles", 0, "share"), 1.1, "0 < share <= 1"),
        (("readings", 0, "tiles", 0, "share"), math.nan, "0 < share <= 1"),
        (("readings", 0, "tiles", 0, "share"), 0.01, "at most 64 tiles"),
        (
            ("readings", 0, "tiles", 0),
            {"film_px": 512, "share": 1e-308, "overlap": 0.5},
            r"infinity.*; convert the model again",
        ),
        (
            ("readings", 0, "tiles", 0),
            {"film_px": 512, "share": 5e-324, "overlap": 0.5},
            r"division.*; convert the model again",
        ),
        (("readings", 0, "offset"), 10**400, r"too large.*; convert the model again"),
        (("readings", 0, "tiles", 0, "overlap"), 1, "0 <= overlap < 1"),
        (("readings", 0, "tiles", 0, "overlap"), -0.1, "0 <= overlap < 1"),
        (("readings", 0, "whole_weight"), -0.1, "finite weights >= 0"),
        (("readings", 0, "tile_weight"), math.inf, "finite weights >= 0"),
        (("readings", 0, "map_weight"), math.nan, r"finite weights >= 0|map_weight > 0"),
        (("readings", 0, "offset"), math.inf, "finite offset"),
        (("readings", 0, "temperature"), 0, "temperature"),
        (("readings", 1, "whole_weight"), 0, "expected tile_weight 0, and another > 0"),
        (("readings", 1, "tile_weight"), 1, "expected tile_weight 0, and another > 0"),
        (("readings", 0, "operating_points"), [], "at least one"),
        (("readings", 0, "operating_points", 0, "fracture_from"), 0.1, "no_fracture_below <="),
        (("readings", 0, "operating_points", 0, "name"), "sensitive", "distinct names"),
        (("output", "logit"), 2, "expected the positions 0 to 2, each once"),
        (("output", "logit"), -1, "expected the positions 0 to 2, each once"),
        (("output", "features"), 3, "expected the positions 0 to 2, each once"),
        (("gate", "distance_limit"), None, "a distance_limit if and only if"),
        (("gate", "distance_limit"), 0, "expected a finite distance_limit > 0"),
        (("output", "high_means_class"), 0, "class 1"),
        (("output", "quantity"), "probability", "expected quantity 'logit'"),
        (("input", "resize"), "nearest", "nearest"),
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
    raw = json.loads(CLOSER.manifest.to_json())
    raw["output"] |= {output: None, "logit": 0}
    raw["output"][{"map": "features", "features": "map"}[output]] = 1
    raw["readings"][0] |= reading_changes
    return json.dumps(raw)


def test_a_limit_without_features_is_refused() -> None:
    with pytest.raises(ModelFileError, match="a distance_limit if and only if"):
        Manifest.from_json(_without("features"))


def test_a_weight_for_a_map_that_the_network_does_not_give_is_refused() -> None:
    with pytest.raises(ModelFileError, match="map_weight 0 for a network without a map"):
        Manifest.from_json(_without("map"))
    assert Manifest.from_json(_without("map", map_weight=0)).output.map is None


def test_tiles_that_count_for_nothing_are_refused() -> None:
    raw = json.loads(CLOSER.manifest.to_json())
    raw["readings"][0] |= {"tile_weight": 0, "map_weight": 0}
    with pytest.raises(ModelFileError, match="tile_weight or map_weight > 0 for its tiles"):
        Manifest.from_json(json.dumps(raw))


def test_an_unknown_operating_point_is_refused_with_those_there_are() -> None:
    reading = TOY.manifest.reading(None)
    with pytest.raises(ModelFileError, match="expected one of balanced, sensitive, got 'x'"):
        reading.operating_point("x")
    assert reading.operating_point(None).name == "balanced"
    assert reading.operating_point("sensitive").name == "sensitive"


def test_an_unknown_reading_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"model toy has \(closer, whole\), got 'x'"):
        CLOSER.manifest.reading("x")
    with pytest.raises(UsageError, match=r"model toy has \(whole\), got 'closer'"):
        TOY.manifest.reading("closer")
    assert CLOSER.manifest.reading(None).name == "closer"
    assert CLOSER.manifest.reading("whole").name == "whole"
