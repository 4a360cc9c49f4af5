"""EfficientNet-Lite0 for one gray channel, with a map of where the fracture is.

Lite0 is EfficientNet-B0 (Tan and Le, ICML 2019, arXiv:1905.11946) without squeeze-and-excitation
and with ReLU6 instead of swish, as Google released it for int8 devices in 2020.
"""

from typing import Final, NamedTuple

import keras
from bonefx_edge.inference.preprocess import InputSpec
from keras import layers

BATCH_NORM_EPSILON: Final = 1e-3
"""Of the released weights."""
BATCH_NORM_MOMENTUM: Final = 0.99
DROPOUT: Final = 0.2
"""Share of the pooled features set to 0 while fitting."""
STEM_FILTERS: Final = 32
HEAD_FILTERS: Final = 1280
SCORE_NAME: Final = "score"
MAP_NAME: Final = "map"
FEATURES_NAME: Final = "features"
INPUT_CHECK_LAYERS: Final = (
    "block0_project_norm", "block4_add", "block10_add", "block15_project_norm",
)  # fmt: skip
"""The last layers that see 2, 8, 16 and 32 pixels of the image as one: by them the input check
tells limbs from other pictures. What the score is made of cannot: it keeps only what tells
fractures (docs/decisions/0017-gate-on-four-layers.md)."""


class Stage(NamedTuple):
    """A row of blocks of the same width."""

    repeats: int
    kernel: int
    """Side of the depthwise filter, pixels."""
    stride: int
    """Of the first block; the others have 1."""
    expand: int
    """Channels inside a block per channel that goes in."""
    filters: int


STAGES: Final = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def lite0(spec: InputSpec) -> keras.Model:
    """Return a network with random weights.

    Reads float32 (n, height, width, 1) in [0, 1] and gives `score`, (n, 1), the score of "not
    broken" in [0, 1], and `map`, (n, height / 32, width / 32, 1), sides rounded up: the logit of
    "the fracture is in this cell". Both read the same features, (n, ., ., 1280).
    """
    image = keras.Input((spec.height, spec.width, 1), name="film")
    x = _convolve(image, STEM_FILTERS, 3, stride=2, name="stem")
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = _block(x, stage, stride=stage.stride if repeat == 0 else 1, name=f"block{number}")
            number += 1
    features = _convolve(x, HEAD_FILTERS, 1, name="head")
    where = layers.Conv2D(1, 1, name=MAP_NAME)(features)
    pooled = layers.GlobalAveragePooling2D(name=FEATURES_NAME)(features)
    dropped = layers.Dropout(DROPOUT, name="dropout")(pooled)
    score = layers.Dense(1, activation="sigmoid", name=SCORE_NAME)(dropped)
    return keras.Model(image, {SCORE_NAME: score, MAP_NAME: where}, name="lite0")


def _block(x: keras.KerasTensor, stage: Stage, *, stride: int, name: str) -> keras.KerasTensor:
    """Return the output of an inverted residual block (Sandler et al., CVPR 2018)."""
    channels = x.shape[-1]
    y = x
    if stage.expand > 1:
        y = _convolve(y, channels * stage.expand, 1, name=f"{name}_expand")
    y = _convolve(y, None, stage.kernel, stride=stride, name=f"{name}_depthwise")
    y = _convolve(y, stage.filters, 1, name=f"{name}_project", activation=False)
    if stride == 1 and channels == stage.filters:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _convolve(
    x: keras.KerasTensor,
    filters: int | None,
    kernel: int,
    *,
    name: str,
    stride: int = 1,
    activation: bool = True,
) -> keras.KerasTensor:
    """Return convolution (depthwise where `filters` is None), batch norm and ReLU6 of `x`."""
    options = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
    if filters is None:
        x = layers.DepthwiseConv2D(kernel, **options)(x)
    else:
        x = layers.Conv2D(filters, kernel, **options)(x)
    x = layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm"
    )(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if activation else x
