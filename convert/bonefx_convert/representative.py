"""The representative data set: images that give full-int8 its activation ranges."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_edge.inference.decision import BROKEN, NOT_BROKEN
from bonefx_train.data.pixels import to_network_range
from bonefx_train.errors import DataError
from bonefx_train.evaluation.tiled_predictions import NetworkInputs
from numpy.typing import NDArray

IMAGES: Final = 200
"""Drawn at random, half of them fractured. Ten of both classes suffice in practice."""
WHOLE_SHARE: Final = 1 / 3
"""Of the inputs for a network that also sees tiles, which it is shown about ten times as often;
100 wholes and 200 tiles, since the activations of both must fit into one range."""
TILED_INPUTS: Final = 300
"""Drawn at random for such a network, half of them of fractured images."""
MIN_DISTINCT: Final = 20
"""Fewer different images do not show what activations occur."""
MIN_SHARE: Final = 0.1
"""Least share of each class: one class alone clamps the logits of the other."""
DARKEST_WHITE: Final = 0.5
"""The brightest pixel of all images lies above this, unless they were divided by 255 twice."""


@dataclass(frozen=True, slots=True)
class RepresentativeSet:
    """Images in the order in which they are shown to the converter."""

    x: NDArray[np.float32]
    """(n, height, width, 1), float32, spanning [0, 1] exactly."""
    class_index: NDArray[np.uint8]
    """(n,), 0 broken, 1 not broken; of a tile, that of its image."""
    sha256: str
    """Over the sha256 of each whole image's file and of each tile's pixels, in order, one a line;
    hexadecimal."""


def draw_representative(
    train: NetworkInputs, *, logit: NDArray[np.float64], seed: int, images: int | None = None
) -> RepresentativeSet:
    """Return inputs of train, both classes alike and shuffled, plus the two extreme ones.

    The inputs of the lowest and the highest logit of all are put in: the largest logits of the set
    become the ends of the int8 output, and images beyond them are tied at the end.

    Parameters
    ----------
    train
        Inputs of the train split, tiles included where the network is shown tiles; tune and
        test must not shape the network.
    logit
        (v,), of the Keras network, for each input of `train`.
    images
        Random ones; None takes `IMAGES`, or `TILED_INPUTS` where there are tiles. Fewer where
        the smaller class of train has less than half of them.

    Raises
    ------
    DataError
        If the set is not fit for use, see `check_representative`.
    """
    rng = np.random.default_rng(seed)
    n, class_index = len(train.images.x), train.images.class_index[train.image_index]
    has_tiles = len(train.x) > n
    wanted = images or (TILED_INPUTS if has_tiles else IMAGES)
    whole = round(wanted * WHOLE_SHARE) if has_tiles else wanted
    inputs = np.arange(len(train.x))
    chosen = _draw(rng, inputs[:n], class_index, wanted=whole)
    chosen += _draw(rng, inputs[n:], class_index, wanted=wanted - whole)
    extremes = np.array([logit.argmin(), logit.argmax()])
    order = rng.permutation(np.union1d(np.concatenate(chosen), extremes))
    x = to_network_range(train.x[order])
    check_representative(x, class_index=class_index[order])
    lines = [
        train.images.samples[train.image_index[i]].sha256
        if i < n
        else _sha256(train.x[i].tobytes())
        for i in order
    ]
    return RepresentativeSet(
        x=pin_input_range(x),
        class_index=class_index[order],
        sha256=_sha256("\n".join(lines).encode()),
    )


def _draw(
    rng: np.random.Generator,
    inputs: NDArray[np.intp],
    class_index: NDArray[np.uint8],
    *,
    wanted: int,
) -> list[NDArray[np.intp]]:
    """Return at most `wanted` of `inputs`, an array of equal length per class that is there."""
    classes = [inputs[class_index[inputs] == index] for index in (BROKEN, NOT_BROKEN)]
    each = min([wanted // 2, *(len(members) for members in classes if len(members))])
    return [rng.permutation(members)[:each] for members in classes]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_representative(x: NDArray[np.float32], *, class_index: NDArray[np.uint8] | None) -> None:
    """Return if images, (n, height, width, 1) float32, can give int8 its ranges.

    `class_index`: (n,), or None where no image has a label.

    Raises
    ------
    DataError
        One class (almost) absent, images repeated, or gray levels in another range.
    """
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    if low < 0.0 or high > 1.0 or high < DARKEST_WHITE:
        msg = (
            "representative data set: expected gray levels in [0, 1] with the brightest above "
            f"{DARKEST_WHITE}, got [{low:.4g}, {high:.4g}]; divide uint8 images by 255, once"
        )
        raise DataError(msg)
    distinct = len({image.tobytes() for image in x})
    if distinct < MIN_DISTINCT or distinct < len(x) / 2:
        msg = (
            f"representative data set: expected at least {MIN_DISTINCT} different images, most of "
            f"them once, got {distinct} different among {len(x)}; add images or remove the copies"
        )
        raise DataError(msg)
    if class_index is None:
        return
    fractured = float((class_index == BROKEN).mean())
    if not MIN_SHARE <= fractured <= 1 - MIN_SHARE:
        msg = (
            f"representative data set: expected at least {MIN_SHARE:.0%} of each class, got "
            f"{fractured:.0%} fractured; draw from both classes, shuffled"
        )
        raise DataError(msg)


def pin_input_range(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the images with a black and a white pixel among them.

    The converter takes the input step from the extremes it sees: (1 - 0) / 255 lets gray levels
    in untouched, (0.98 - 0) / 255 shifts every one of them. Images that do not reach both get two
    pixels in the corner of the first one; two of 22,500 move no activation range.
    """
    if x.min() == 0.0 and x.max() == 1.0:
        return x
    pinned = x.copy()
    pinned[0, 0, 0, 0] = 0.0
    pinned[0, 0, 1, 0] = 1.0
    return pinned
