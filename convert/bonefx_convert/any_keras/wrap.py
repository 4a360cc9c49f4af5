"""A foreign network as bonefx reads one: gray levels in [0, 1] in, the logit of class 1 out."""

from enum import StrEnum
from typing import Any, Final

import keras
import numpy as np
from bonefx_train.networks.registry import LOGIT_NAME

from bonefx_convert.any_keras.head import Head
from bonefx_convert.any_keras.network_file import FrozenNetwork

POSITIVES: Final = (0, 1)
"""Class indices that may mean fracture."""


class Scaling(StrEnum):
    """The numbers that a network was fitted on, of gray levels from 0 to 255."""

    UNIT = "0..1"
    """Divided by 255."""
    SYMMETRIC = "-1..1"
    """Divided by 127.5, minus 1: `preprocess_input` of Inception, MobileNet, Xception."""
    BYTES = "0..255"
    """As they are: networks with a Rescaling layer, and EfficientNet and MobileNetV3 of Keras."""
    IMAGENET = "imagenet"
    """Divided by 255, minus mean, by deviation of ImageNet: PyTorch, `preprocess_input` of
    DenseNet."""
    CAFFE = "caffe"
    """Blue, green, red, minus mean of ImageNet: `preprocess_input` of ResNet and VGG."""


_FACTORS: Final[dict[Scaling, tuple[list[float], list[float]]]] = {
    Scaling.UNIT: ([1.0] * 3, [0.0] * 3),
    Scaling.SYMMETRIC: ([2.0] * 3, [-1.0] * 3),
    Scaling.BYTES: ([255.0] * 3, [0.0] * 3),
    Scaling.IMAGENET: (
        [1 / 0.229, 1 / 0.224, 1 / 0.225],
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    ),
    Scaling.CAFFE: ([255.0] * 3, [-103.939, -116.779, -123.68]),
}
"""Factor and offset of each channel, for x in [0, 1]; keras.applications.imagenet_utils."""
RGB_ONLY: Final = (Scaling.IMAGENET, Scaling.CAFFE)


def scalings_for(channels: int) -> tuple[Scaling, ...]:
    """Return the scalings that a network with so many channels can have."""
    return tuple(each for each in Scaling if channels > 1 or each not in RGB_ONLY)


class _Graph(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A frozen graph as a layer."""

    def __init__(self, function: Any, **words: Any) -> None:
        super().__init__(**words)
        self._function = function

    def call(self, image: Any) -> Any:
        """Return the graph's only output."""
        return self._function(image)[0]


def wrap(
    network: FrozenNetwork, function: Any, head: Head, *, scaling: Scaling, positive: int, name: str
) -> keras.Model:
    """Return the network that bonefx converts: what `logits_model` gives of a network of its own.

    Scaling, copies of the gray channel and polarity become layers of the network, so the device
    needs to know nothing of them.

    Parameters
    ----------
    function
        Of `head.cut`.
    positive
        Index of the class that means fracture, as the network was fitted.
    """
    image = keras.Input((network.height, network.width, 1), name="image")
    x = _scale(image, channels=network.channels, scaling=scaling)
    outputs = _Graph(function, name="network")(x)
    kernel = _polarity(head, positive=positive)
    if kernel is not None:
        layer = keras.layers.Dense(1, use_bias=False, name="polarity")
        outputs = layer(outputs)
        layer.set_weights([kernel])
    return keras.Model(image, {LOGIT_NAME: outputs}, name=name)


def _scale(image: Any, *, channels: int, scaling: Scaling) -> Any:
    """Return (n, height, width, channels) of gray levels in [0, 1], (n, height, width, 1)."""
    if channels == 1 and scaling is Scaling.UNIT:
        return image
    factor, offset = (np.array(each[:channels], np.float32) for each in _FACTORS[scaling])
    # One layer for both: int8 has a scale for each channel of its weights.
    layer = keras.layers.Conv2D(channels, 1, name="scaling")
    scaled = layer(image)
    layer.set_weights([factor.reshape(1, 1, 1, channels), offset])
    return scaled


def _polarity(head: Head, *, positive: int) -> np.ndarray[Any, Any] | None:
    """Return what makes the logit of *not fractured* of the network's; None: it is."""
    if head in (Head.SOFTMAX, Head.LOGITS):
        kernel = np.ones((2, 1), np.float32)
        kernel[positive] = -1.0
        return kernel
    return None if positive == 0 else -np.ones((1, 1), np.float32)
