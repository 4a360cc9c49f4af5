"""Open a Keras file or SavedModel of any make as a frozen graph."""

import io
import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.model.foreign import describe_content
from bonefx_train.errors import DataError

from bonefx_convert.any_keras.keras_2 import upgrade_h5
from bonefx_convert.any_keras.refusals import explain

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_ZIP: Final = b"PK\x03\x04"
SAVED_MODEL: Final = "saved_model.pb"
CHANNELS: Final = (1, 3)
"""Gray and RGB."""
_KERAS_ERRORS: Final = (
    *(AttributeError, ImportError, KeyError, NotImplementedError, OSError, RuntimeError),
    *(TypeError, ValueError),
)
"""All that Keras raises for a file that it cannot read; it has no error class of its own."""

Size = tuple[int, int]
"""Height and width, px."""


@dataclass(frozen=True, slots=True)
class FrozenNetwork:
    """A network as a graph with its weights: no layer, no code."""

    function: Any
    """TensorFlow's concrete function of one input, (n, height, width, channels) float32."""
    height: int
    width: int
    channels: int
    loss: str
    """What it was fitted with, as the file states it, such as "mse"; "" where it does not."""
    from_logits: bool
    """Whether the file states that this loss takes logits."""


def read_network_file(path: Path, *, size: Size | None) -> FrozenNetwork:
    """Return the network in a .keras file, an .h5 file of Keras 2 or 3, or a SavedModel folder.

    `size`: of the input, for a network that takes any.

    Raises
    ------
    DataError
        If it cannot be read, or does not read single images; one sentence with what to do.
    UsageError
        If there is nothing at `path`, or `size` is absent or contradicts the network.
    """
    if not path.exists():
        msg = f"{path}: no such Keras file, SavedModel folder or command; check the path, or -h"
        raise UsageError(msg)
    if path.is_dir():
        return _read_saved_model(path, size=size)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(_HDF5):
        return _read_keras(path, suffix=".h5", facts=_facts_of_h5(path), size=size)
    if head.startswith(_ZIP) and (facts := _facts_of_zip(path)) is not None:
        return _read_keras(path, suffix=".keras", facts=facts, size=size)
    content = describe_content(head) or "a file of another kind"
    msg = f"{path}: expected a network that Keras saved (.keras, .h5, SavedModel), got {content}"
    raise DataError(msg)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a Keras file states beside the network."""

    version: str
    loss: str
    from_logits: bool


def _facts_of_h5(path: Path) -> _Facts:
    import h5py

    try:
        with h5py.File(path) as file:
            attributes = {name: _text(file.attrs[name]) for name in file.attrs}
    except OSError as err:
        msg = f"{path}: a damaged HDF5 file ({err}); copy it again"
        raise DataError(msg) from err
    if "model_config" not in attributes:
        msg = (
            f"{path}: holds weights only, not the network; save the whole network with "
            'model.save("name.keras")'
        )
        raise DataError(msg)
    training = json.loads(attributes.get("training_config", "{}"))
    return _facts(attributes.get("keras_version", ""), training)


def _facts_of_zip(path: Path) -> _Facts | None:
    """Return what a .keras file states; None for another zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            if not {"config.json", "metadata.json"} <= set(archive.namelist()):
                return None
            metadata = json.loads(archive.read("metadata.json"))
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, ValueError) as err:
        msg = f"{path}: a damaged zip file ({err}); copy it again"
        raise DataError(msg) from err
    return _facts(metadata.get("keras_version", ""), config.get("compile_config") or {})


def _facts(version: str, training: dict[str, Any]) -> _Facts:
    loss = training.get("loss") or ""
    if isinstance(loss, list) and len(loss) == 1:
        (loss,) = loss
    if not isinstance(loss, dict):
        return _Facts(version, str(loss), from_logits=False)
    settings = loss.get("config", {})
    if isinstance(settings, str):  # a function: its name
        return _Facts(version, settings, from_logits=False)
    name = settings.get("name") or loss.get("class_name") or ""
    return _Facts(version, str(name), from_logits=bool(settings.get("from_logits")))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_keras(path: Path, *, suffix: str, facts: _Facts, size: Size | None) -> FrozenNetwork:
    import keras

    # By its content: Keras goes by the suffix, and Keras 2 wrote HDF5 as .keras, too.
    with tempfile.TemporaryDirectory(prefix="bonefx-") as folder:
        named = Path(folder) / f"network{suffix}"
        if suffix == ".h5" and not facts.version.startswith("3"):
            shutil.copy(path, named)
            upgrade_h5(named)
        else:
            named.symlink_to(path.absolute())
        try:
            keras_model = keras.models.load_model(named, compile=False)
        except _KERAS_ERRORS as err:
            msg = explain(path, err, saved_by=facts.version, installed=keras.__version__)
            raise DataError(msg) from err
    if isinstance(keras_model, keras.Sequential) and not keras_model.built:
        msg = f"{path}: has no input shape and no weights yet; fit the network, then save it"
        raise DataError(msg)
    if len(keras_model.inputs) != 1 or len(keras_model.outputs) != 1:
        _refuse_number(path, len(keras_model.inputs), len(keras_model.outputs))
    height, width, channels = _image_shape(path, tuple(keras_model.inputs[0].shape), size=size)

    def infer(image: Any) -> Any:
        return keras_model(image, training=False)

    function = _trace(infer, (height, width, channels))
    return FrozenNetwork(function, height, width, channels, facts.loss, facts.from_logits)


def _read_saved_model(path: Path, *, size: Size | None) -> FrozenNetwork:
    import tensorflow as tf

    if not (path / SAVED_MODEL).is_file():
        msg = f"{path}: expected a SavedModel folder with {SAVED_MODEL}, got a folder without it"
        raise DataError(msg)
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, tf.errors.OpError) as err:
        text = " ".join(str(err).split())[:200]
        msg = f"{path}: TensorFlow cannot read this ({text}); copy the whole folder again"
        raise DataError(msg) from err
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        msg = f"{path}: has no signature serving_default; save it with model.export(folder)"
        raise DataError(msg)
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        _refuse_number(path, len(inputs), len(outputs))
    (name, given), (out,) = next(iter(inputs.items())), outputs
    if given.dtype != tf.float32:
        msg = f"{path}: reads {given.dtype.name} numbers; save it with an input of float32 images"
        raise DataError(msg)
    height, width, channels = _image_shape(path, tuple(given.shape), size=size)

    def infer(image: Any) -> Any:
        return signature(**{name: image})[out]

    function = _trace(infer, (height, width, channels))
    return FrozenNetwork(function, height, width, channels, loss="", from_logits=False)


def _trace(infer: Any, shape: tuple[int, int, int]) -> Any:
    """Return `infer` of (n, *shape) images as a graph whose weights are constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    image = tf.TensorSpec((None, *shape), tf.float32)
    return convert_variables_to_constants_v2(tf.function(infer).get_concrete_function(image))


def _image_shape(
    path: Path, shape: tuple[int | None, ...], *, size: Size | None
) -> tuple[int, int, int]:
    """Return height, width and channels of the input.

    Raises
    ------
    DataError
        If it is no gray or RGB image, or holds a fixed number of them.
    UsageError
        If the size is open and none is given, or another one is given than the network's.
    """
    match shape:
        case (None, height, width, int(channels)) if channels in CHANNELS:
            pass
        case (None, (1 | 3), _, _):
            msg = f"{path}: reads {shape}, channels first; save it with channels last"
            raise DataError(msg)
        case _:
            msg = f"{path}: reads {shape}; expected (None, height, width, 1 or 3), single images"
            raise DataError(msg)
    if height is None or width is None:
        if size is None:
            msg = f"{path}: takes images of any size; give that of its training, --size 224x224"
            raise UsageError(msg)
        return (*size, channels)
    if size is not None and size != (height, width):
        msg = (
            f"{path}: reads {height}x{width} images, --size says {size[0]}x{size[1]}; leave --size "
            "out, or convert the network of that size"
        )
        raise UsageError(msg)
    return height, width, channels


def _refuse_number(path: Path, inputs: int, outputs: int) -> None:
    msg = (
        f"{path}: has {inputs} inputs and {outputs} outputs; save the part that reads one image "
        "and gives one score, keras.Model(image, score)"
    )
    raise DataError(msg)
