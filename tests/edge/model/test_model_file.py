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
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.model.interpreter import TensorInfo, open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors, write_model_file
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
    with pytest.raises(ModelFileError, match=r"without the manifest.*bonefx-convert"):
        ModelFile.read(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), r"HDF5 file \(\.h5\).*with bonefx-convert"),
        (b"PK\x03\x04" + bytes(99), r"\(\.keras\).*lite0-int8.*with bonefx-convert"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Run git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page. Download"),
        (b"nothing", "make it with bonefx-convert run"),
    ],
)
def test_what_people_have_instead_of_a_model_file_is_named(path: Path, content, kind) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=kind):
        ModelFile.read(path)


def test_a_saved_model_is_named(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").touch()
    with pytest.raises(ModelFileError, match=r"SavedModel.*with bonefx-convert"):
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
    with pytest.raises(ModelFileError, match="expected a regular file, got a pipe"):
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
TILED = ModelFile.read(toy_path("tiled-int8"))


def test_tensors_that_fit_the_manifest_are_accepted() -> None:
    check_tensors(TOY.manifest, input_=UINT8, outputs=(INT8,))
    check_tensors(TILED.manifest, input_=UINT8, outputs=(FEATURES, INT8, MAP))


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
        check_tensors(TILED.manifest, input_=UINT8, outputs=outputs)
