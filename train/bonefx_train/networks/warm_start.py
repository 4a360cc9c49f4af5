"""Begin a fit with the network of a model file, and end it between that network and the new one."""

from pathlib import Path
from typing import Final, NamedTuple

import keras
import numpy as np
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.model.model_file import ModelFile
from numpy.typing import NDArray

from bonefx_train.data.pixels import to_network_range
from bonefx_train.errors import DataError
from bonefx_train.networks.lite0 import BATCH_NORM_EPSILON, MAP_NAME, SCORE_NAME, lite0

BATCH_SIZE: Final = 32
"""Patches whose activations lie in memory at once: 1 GB."""
LAYERS: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
"""TFLite's operators with a kernel and a bias."""
WEIGHT_TYPES: Final = {0: np.float32, 1: np.float16}
"""By TFLite's TensorType."""
NETWORK: Final = "lite0"
KINDS: Final = ("float16", "float32")
"""Rounded int8 weights are no place to go on from."""
NONE: Final = -1
"""In place of the index of a tensor that an operator goes without."""

Floats = NDArray[np.float32]


class _Weights(NamedTuple):
    """Of one operator."""

    kernel: Floats
    """As Keras lays it out: (rows, columns, in, out), depthwise (rows, columns, in, 1), dense
    (in, out)."""
    bias: Floats
    """(out,)."""


def load_lite0(path: Path, *, spec: InputSpec, patches: NDArray[np.uint8]) -> keras.Model:
    """Return Lite0, not compiled, with the outputs of the model file, that can be fitted further.

    The file holds each convolution with its batch norm folded in: y = w * x + b. The layers are
    taken apart again so that nothing changes, neither in use nor in fitting: with mean m and
    variance v of w * x over `patches`, the norm gets mean m, variance v, scale sqrt(v + epsilon)
    and offset b + m.

    Parameters
    ----------
    patches
        uint8 (n, height, width, 1), as the fit will draw them; some hundreds.

    Raises
    ------
    ModelFileError
        The file is no model file.
    DataError
        As `read_start`, and where its layers are not those of Lite0.
    """
    model = read_start(path, spec=spec)
    keras_model = lite0(spec)
    weights = _read_weights(model.flatbuffer)
    heads = [keras_model.get_layer(name) for name in (MAP_NAME, SCORE_NAME)]
    folded = [
        layer
        for layer in keras_model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and layer not in heads
    ]
    found = _match([*folded, *heads], weights, path=path)
    for layer, of_layer in zip(heads, found[len(folded) :], strict=True):
        layer.set_weights([of_layer.kernel, of_layer.bias])
    _unfold(keras_model, folded, found[: len(folded)], patches)
    return keras_model


def interpolate_weights(
    keras_model: keras.Model, start: keras.Model, *, share: float, patches: NDArray[np.uint8]
) -> None:
    """Set each weight to the mean of both networks', and measure the batch norms on the patches.

    The mean of a network and the one that it was fitted from can keep much of what both
    know (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). Its activations
    have other means and variances than either's: with the mean of theirs it would be a bad one
    (Izmailov et al., "Averaging weights leads to wider optima", UAI 2018).

    Parameters
    ----------
    keras_model
        As fitted; changed in place.
    share
        Of the start, in [0, 1).
    patches
        uint8 (n, height, width, 1), as the fit draws them, n a multiple of `BATCH_SIZE`.
    """
    pairs = zip(keras_model.get_weights(), start.get_weights(), strict=True)
    keras_model.set_weights([(1 - share) * fitted + share * began for fitted, began in pairs])
    norms = [
        layer for layer in keras_model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    sums = [np.zeros((2, norm.moving_mean.shape[0])) for norm in norms]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # what is kept is then the batch's own
    starts = range(0, len(patches), BATCH_SIZE)
    for first in starts:
        keras_model(to_network_range(patches[first : first + BATCH_SIZE]), training=True)
        for total, norm in zip(sums, norms, strict=True):
            total += [np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)]
    for norm, momentum, total in zip(norms, momenta, sums, strict=True):
        norm.momentum = momentum
        norm.moving_mean.assign(total[0] / len(starts))
        norm.moving_variance.assign(total[1] / len(starts))


def read_start(path: Path, *, spec: InputSpec) -> ModelFile:
    """Return the model file that a fit with this spec can go on with.

    Raises
    ------
    ModelFileError
        The file is no model file.
    DataError
        It holds another network, another kind, or reads images in another way.
    """
    model = ModelFile.read(path)
    network, kind = model.manifest.provenance.network, model.manifest.kind
    if network != NETWORK or kind not in KINDS:
        msg = (
            f"{path}: expected a model of {NETWORK} of kind {' or '.join(KINDS)}, got {network} "
            f"of kind {kind}; begin with the float16 file of {NETWORK}"
        )
        raise DataError(msg)
    if model.manifest.input != spec:
        msg = (
            f"{path}: expected a model that reads images as the fit does, {spec}, got "
            f"{model.manifest.input}; choose the --spec of the model"
        )
        raise DataError(msg)
    return model


def _read_weights(flatbuffer: bytes) -> list[_Weights]:
    """Return the weights of each convolution and dense layer, in the order of the file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    graph = model.Subgraphs(0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    named = [
        (names[model.OperatorCodes(each.OpcodeIndex()).BuiltinCode()], each) for each in operators
    ]
    # float16 weights reach their layer through an operator that widens them.
    stored = {each.Outputs(0): each.Inputs(0) for name, each in named if name == "DEQUANTIZE"}

    def numbers(index: int) -> Floats:
        tensor = graph.Tensors(stored.get(index, index))
        data = model.Buffers(tensor.Buffer()).DataAsNumpy().view(WEIGHT_TYPES[tensor.Type()])
        return np.asarray(data.reshape(tensor.ShapeAsNumpy()), np.float32)

    found = []
    for name, each in named:
        if name not in LAYERS:
            continue
        # TFLite: (out, rows, columns, in), depthwise (1, rows, columns, out), dense (out, in).
        kernel = np.moveaxis(numbers(each.Inputs(1)), 0, -1)
        # The converter drops a bias that is 0 all over.
        index = each.Inputs(2) if each.InputsLength() > 2 else NONE  # noqa: PLR2004 -- the third
        outputs = kernel.shape[2 if name == "DEPTHWISE_CONV_2D" else -1]
        bias = np.zeros(outputs, np.float32) if index == NONE else numbers(index)
        found.append(_Weights(kernel, bias))
    return found


def _match(
    layers: list[keras.layers.Layer], weights: list[_Weights], *, path: Path
) -> list[_Weights]:
    """Return the weights of each layer; layers of like shape lie in the same order in the file."""
    left = list(weights)
    found = []
    for layer in layers:
        fits = [i for i, each in enumerate(left) if each.kernel.shape == layer.kernel.shape]
        if not fits:
            msg = (
                f"{path}: expected the layers of lite0, got none left for {layer.name} "
                f"{tuple(layer.kernel.shape)}; begin with a model of that network"
            )
            raise DataError(msg)
        found.append(left.pop(fits[0]))
    return found


def _unfold(
    keras_model: keras.Model,
    layers: list[keras.layers.Layer],
    weights: list[_Weights],
    patches: NDArray[np.uint8],
) -> None:
    """Set kernels and batch norms so that the outputs are those of the folded network."""
    norms = [keras_model.get_layer(f"{layer.name}_norm") for layer in layers]
    for layer, norm, of_layer in zip(layers, norms, weights, strict=True):
        layer.set_weights([of_layer.kernel])
        size = len(of_layer.bias)
        _set_norm(norm, of_layer.bias, mean=np.zeros(size), variance=np.ones(size))
    probe = keras.Model(keras_model.input, [layer.output for layer in layers])
    sums = [np.zeros((2, len(of_layer.bias))) for of_layer in weights]
    counts = np.zeros(len(layers))
    for start in range(0, len(patches), BATCH_SIZE):
        outputs = probe.predict_on_batch(to_network_range(patches[start : start + BATCH_SIZE]))
        for i, output in enumerate(outputs):
            flat = np.asarray(output, np.float64).reshape(-1, output.shape[-1])
            sums[i] += [flat.sum(axis=0), np.square(flat).sum(axis=0)]
            counts[i] += len(flat)
    for norm, of_layer, (total, squares), n in zip(norms, weights, sums, counts, strict=True):
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0.0)
        _set_norm(norm, of_layer.bias, mean=mean, variance=variance)


def _set_norm(
    norm: keras.layers.Layer,
    bias: Floats,
    *,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> None:
    """Make a batch norm that adds `bias`, for inputs of this mean and variance."""
    scale = np.sqrt(variance + BATCH_NORM_EPSILON)
    norm.set_weights([scale, bias + mean, mean, variance])
