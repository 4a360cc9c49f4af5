"""The end of a network: find what its output is, and take the sigmoid or softmax off."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from bonefx_train.errors import DataError

from bonefx_convert.any_keras.network_file import FrozenNetwork

_PASSED: Final = frozenset({"Identity", "StopGradient"})
"""Operations that change no number."""
_SHAPING: Final = frozenset({"Reshape", "Squeeze", "ExpandDims", "Cast"})
"""Operations that change the shape or the type only."""
_LINEAR: Final = frozenset({"Add", "AddV2", "BiasAdd", "MatMul", "Reshape", "Squeeze", "Mean"})
"""Operations that end a layer without activation."""
REGRESSION_LOSSES: Final = (
    *(
        "mae",
        "mape",
        "mse",
        "msle",
        "mean_absolute_error",
        "mean_squared_error",
        "meansquarederror",
    ),
    *("meanabsoluteerror", "huber", "logcosh", "log_cosh"),
)
"""Names of losses that fit a quantity, in lower case."""


class Head(StrEnum):
    """What the last layer gives."""

    SIGMOID = "sigmoid"
    """One score in [0, 1], of class 1."""
    SOFTMAX = "softmax"
    """Two scores that sum to 1."""
    LOGIT = "logit"
    """One logit, of class 1."""
    LOGITS = "logits"
    """Two logits, before a softmax."""


def cut(path: Path, network: FrozenNetwork, *, is_logit: bool) -> tuple[Any, Head]:
    """Return the network as a function that ends before its last sigmoid or softmax.

    Parameters
    ----------
    is_logit
        Whether a person says that a last layer without activation gives logits.

    Returns
    -------
    function
        (n, height, width, channels) float32 -> (n, 1) or (n, 2) float32, logits.
    head
        What the network ended in.

    Raises
    ------
    DataError
        If the network is no classifier of two classes, or does not say that it is one.
    """
    function = network.function
    shape = tuple(function.outputs[0].shape)
    if len(shape) != 2 or shape[1] is None:  # noqa: PLR2004
        msg = f"{path}: gives {shape}; expected (None, 1) or (None, 2), one answer for an image"
        raise DataError(msg)
    classes = int(shape[1])
    if classes not in (1, 2):
        msg = (
            f"{path}: tells {classes} classes apart, bonefx two; fit it again with one output for "
            "fracture (Dense(1, activation='sigmoid'))"
        )
        raise DataError(msg)
    last = _skip(function.outputs[0].op)
    if last.type in ("Sigmoid", "Softmax"):
        head = Head(last.type.lower())
        if (head is Head.SOFTMAX) != (classes == 2):  # noqa: PLR2004
            msg = (
                f"{path}: ends in a {head} of {classes}; expected a sigmoid of 1 or a softmax of 2"
            )
            raise DataError(msg)
        return _prune(function, last.inputs[0].name), head
    _check_linear(path, network, last.type, is_logit=is_logit)
    return _prune(function, last.outputs[0].name), Head.LOGIT if classes == 1 else Head.LOGITS


def _check_linear(path: Path, network: FrozenNetwork, operation: str, *, is_logit: bool) -> None:
    """Return if a network that ends in neither sigmoid nor softmax gives logits."""
    before = _skip(network.function.outputs[0].op, _PASSED | _SHAPING)
    if before.type in ("Sigmoid", "Softmax"):
        msg = (
            f"{path}: has a layer behind its {before.type.lower()} that changes the shape or the "
            "type only; save the network without it: keras.Model(image, score)"
        )
        raise DataError(msg)
    if network.loss.lower() in REGRESSION_LOSSES:
        msg = (
            f"{path}: was fitted with {network.loss}, so it gives a quantity, not a class; fit it "
            "again with Dense(1, activation='sigmoid') and binary_crossentropy"
        )
        raise DataError(msg)
    if operation not in _LINEAR:
        msg = (
            f"{path}: ends in {operation}; expected a sigmoid, a softmax of two classes, or logits"
        )
        raise DataError(msg)
    if not (is_logit or network.from_logits):
        msg = (
            f"{path}: its last layer has no activation, so it gives a logit or a quantity; if it "
            "was fitted with from_logits=True, say --head logit; else it is no classifier"
        )
        raise DataError(msg)


def _skip(operation: Any, passed: frozenset[str] = _PASSED) -> Any:
    """Return the last operation that is none of those that are passed over."""
    while operation.type in passed:
        operation = operation.inputs[0].op
    return operation


def _prune(function: Any, name: str) -> Any:
    """Return the function that ends with the tensor of that name."""
    import tensorflow as tf

    graph = function.graph.as_graph_def()
    # Custom gradients, such as that of swish, cannot be saved with a graph, and nothing fits it.
    for nodes in (graph.node, *(each.node_def for each in graph.library.function)):
        for node in nodes:
            node.attr.pop("_gradient_op_type", None)
    image = function.inputs[0].name
    whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    given, wanted = (whole.graph.get_tensor_by_name(each) for each in (image, name))
    return whole.prune(given, [wanted])
