"""The model file: one file, every byte of it accounted for."""

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from bonefx_edge.errors import ModelFileError
from bonefx_edge.interpreter import TensorInfo, open_interpreter
from bonefx_edge.manifest import Manifest, OutputSpec
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
SECOND_OUTPUT = OutputSpec(index=1, quantity="logit", high_means_class=1)


def test_tensors_that_fit_the_manifest_are_accepted() -> None:
    check_tensors(TOY.manifest, input_=UINT8, output=INT8)


@pytest.mark.parametrize(
    ("changes", "input_", "says"),
    [
        ({"input": InputSpec(height=149)}, UINT8, "input of shape"),
        ({"kind": "float32"}, UINT8, "dtype float32 in"),
        ({"kind": "int8"}, FLOAT, "dtype uint8 or int8"),
        ({"output": SECOND_OUTPUT}, UINT8, "output with element"),
        ({}, dataclasses.replace(UINT8, scale=1 / 128), "input scale of"),
        ({}, dataclasses.replace(UINT8, zero_point=3), "input scale of"),
    ],
)
def test_tensors_that_do_not_fit_the_manifest_are_refused(changes, input_, says: str) -> None:
    manifest = dataclasses.replace(TOY.manifest, **changes)
    with pytest.raises(ModelFileError, match=says):
        check_tensors(manifest, input_=input_, output=INT8)


# ---- manifest ----


def test_a_manifest_survives_its_json() -> None:
    assert Manifest.from_json(TOY.manifest.to_json()) == TOY.manifest


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_manifest_of_another_format_version_is_refused(version: object) -> None:
    raw = json.loads(TOY.manifest.to_json()) | {"format_version": version}
    with pytest.raises(ModelFileError, match=r"expected format_version 1, got .*update bonefx"):
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


FIELDS = [p for p in _paths_of(json.loads(TOY.manifest.to_json())) if p and p[0] != "provenance"]


def _changed(field: tuple, change) -> str:
    raw = json.loads(TOY.manifest.to_json())
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
        (("temperature",), 0, "temperature"),
        (("operating_points",), [], "at least one"),
        (("operating_points", 0, "fracture_from"), 0.1, "no_fracture_below <= fracture_from"),
        (("operating_points", 0, "name"), "sensitive", "distinct names"),
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


def test_an_unknown_operating_point_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelFileError, match="expected one of balanced, sensitive, got 'x'"):
        TOY.manifest.operating_point("x")
    assert TOY.manifest.operating_point(None).name == "balanced"
    assert TOY.manifest.operating_point("sensitive").name == "sensitive"
