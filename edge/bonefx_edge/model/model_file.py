"""Read and write a model file: one .tflite with its manifest appended as a zip member."""

import hashlib
import io
import math
import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.errors import ModelFileError
from bonefx_edge.inference.preprocess import Scale
from bonefx_edge.model.foreign import HEAD_BYTES, describe_content, describe_folder
from bonefx_edge.model.interpreter import TensorInfo, takes_gray_levels
from bonefx_edge.model.manifest import Manifest, OutputSpec

MEMBER: Final = "bonefx.json"
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    EOFError,
    RuntimeError,  # a damaged flag makes zipfile ask for a password
)
"""Raised by zipfile for damaged archives; a test damages every byte of one."""
MAX_BYTES: Final = 512 * 1024 * 1024
"""A larger file cannot be a model for a device with 1 GiB of memory."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file, checked against its manifest."""

    manifest: Manifest
    flatbuffer: bytes
    """The .tflite proper."""
    sha256: str
    """Of the whole file, hexadecimal: the identity that results carry."""

    @classmethod
    def read(cls, path: Path) -> "ModelFile":
        """Return the model in the file at `path`, every byte of it accounted for.

        Raises
        ------
        ModelFileError
            The file is absent, no model file, altered by as little as one bit, or of another
            format version.
        """
        data = _read_bytes(path)
        flatbuffer, text = _split(data, path=path)
        manifest = Manifest.from_json(text)
        hashed = hashlib.sha256(flatbuffer)
        found = hashed.hexdigest()
        if found != manifest.flatbuffer_sha256:
            msg = (
                f"{path}: expected a network with sha256 {manifest.flatbuffer_sha256}, "
                f"got {found}; the file was altered or damaged: copy it again"
            )
            raise ModelFileError(msg)
        # The zip directory has bytes that readers ignore; packing again accounts for those too.
        if _pack(flatbuffer, text) != data:
            msg = (
                f"{path}: expected the bytes that bonefx-convert wrote, the manifest's container "
                "differs; the file was altered or damaged: copy it again"
            )
            raise ModelFileError(msg)
        hashed.update(data[len(flatbuffer) :])  # the file is the network and what follows it
        return cls(manifest, flatbuffer, hashed.hexdigest())


def write_model_file(path: Path, *, flatbuffer: bytes, manifest: Manifest) -> None:
    """Write `flatbuffer` with `manifest` appended to `path`, all or nothing.

    Raises
    ------
    ModelFileError
        If the manifest's hash is not that of the flatbuffer.
    """
    if hashlib.sha256(flatbuffer).hexdigest() != manifest.flatbuffer_sha256:
        msg = f"{path}: expected a manifest with the hash of its own flatbuffer, got another's"
        raise ModelFileError(msg)
    # Same folder: a rename within a file system is atomic.
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(_pack(flatbuffer, manifest.to_json()))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def check_tensors(
    manifest: Manifest, *, input_: TensorInfo, outputs: tuple[TensorInfo, ...]
) -> None:
    """Return if the network's tensors match the manifest.

    Raises
    ------
    ModelFileError
        Names the first mismatch.
    """
    spec = manifest.input
    expected = (1, spec.height, spec.width, 1)
    if input_.shape != expected:
        _mismatch("an input of shape", expected, input_.shape)
    allowed = ("uint8", "int8") if manifest.kind == "int8" else ("float32",)
    for tensor in (input_, *outputs):
        if tensor.dtype not in allowed:
            _mismatch(f"a tensor of dtype {' or '.join(allowed)} in", manifest.kind, tensor.dtype)
    # Preprocessed images are uint8; a full-int8 network must take them without scaling.
    exact = input_.dtype == "uint8" and takes_gray_levels(input_)
    if manifest.kind == "int8" and spec.scale is Scale.UINT8 and not exact:
        _mismatch("an input scale of", "1/255, zero point 0", (input_.scale, input_.zero_point))
    _check_outputs(manifest.output, shapes=[output.shape for output in outputs])


def _check_outputs(spec: OutputSpec, *, shapes: list[tuple[int, ...]]) -> None:
    if len(spec.positions) != len(shapes):
        _mismatch("outputs, this many:", len(spec.positions), len(shapes))
    logit = shapes[spec.logit]
    if math.prod(logit) != 1:
        _mismatch("a logit of", "1 element", logit)
    if spec.map is not None:
        match shapes[spec.map]:
            case (1, _, _, 1):
                pass
            case other:
                _mismatch("a map of shape", "(1, rows, columns, 1)", other)
    if spec.features is not None:
        match shapes[spec.features]:
            case (1, _):
                pass
            case other:
                _mismatch("features of shape", "(1, k)", other)


def _mismatch(what: str, expected: object, got: object) -> None:
    msg = (
        f"model file: the manifest expects {what} {expected}, the network has {got}; "
        "manifest and network do not belong together: convert the model again"
    )
    raise ModelFileError(msg)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            msg = f"{path}: expected a model file, got {describe_folder(path)}"
            raise ModelFileError(msg)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block, /dev/zero never ends
            msg = f"{path}: expected a regular file, got a pipe or device; check the path"
            raise ModelFileError(msg)
        if status.st_size > MAX_BYTES:
            msg = f"{path}: expected at most {MAX_BYTES} bytes, got {status.st_size}"
            raise ModelFileError(msg)
        return path.read_bytes()
    except OSError as err:
        msg = f"{path}: expected a readable model file, got: {err.strerror}; check the path"
        raise ModelFileError(msg) from err


def _split(data: bytes, *, path: Path) -> tuple[bytes, str]:
    """Return the flatbuffer and the text of the manifest."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo(MEMBER)
            # `header_offset` counts the bytes in front of the archive, so it is their number.
            return data[: info.header_offset], archive.read(info).decode()
    except _ZIP_ERRORS as err:
        content = describe_content(data[:HEAD_BYTES])
        if content is not None:
            msg = f"{path}: expected a model file of bonefx, got {content}"
            raise ModelFileError(msg) from err
        msg = (
            f"{path}: expected a .tflite with {MEMBER} appended, got {len(data)} bytes without a "
            f"readable one ({err}); copy it again, or make it with bonefx-convert run"
        )
        raise ModelFileError(msg) from err


def _pack(flatbuffer: bytes, text: str) -> bytes:
    """Return the bytes of a model file; the same input gives the same bytes on any machine."""
    buffer = io.BytesIO()
    buffer.write(flatbuffer)
    member = zipfile.ZipInfo(MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system = 3
    member.create_version = member.extract_version = 20
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(member, text)
    return buffer.getvalue()
