"""Features of the input check: pooled ones, turned so that training images lie around 0."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_train.errors import DataError
from numpy.typing import NDArray

from bonefx_convert.parity.tolerances import OUTPUT_STEPS

FEATURES: Final = 96
"""Numbers at most that leave the network. Enough to tell pictures from limbs; a mean of so many
squares varies by a seventh of itself from image to image, not more."""
MOST_NOISE: Final = 0.25
"""Of a feature at most, where each pooled number is off by 1/256 of the range of its layer: a
direction scaled up to 1 from less shows the input check nothing but rounding. It is for networks
with few features. Of Lite0's directions none is left out; int8, off by more than the one step of
its pooled numbers, left the 64 of 0.3.0 off by 0.26 in the median."""
FLAT: Final = 1e-9
"""Standard deviation of a layer, and share of the variance of all, below which there is none."""
LIMIT_REFUSALS: Final = 0.02
"""Share of the tune images that may lie beyond the limit."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """features = pooled @ kernel + bias."""

    kernel: NDArray[np.float32]
    """(channels, k), channels of all pooled layers, one layer after the other."""
    bias: NDArray[np.float32]
    """(k,)."""

    def apply(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) features of (n, channels) pooled ones."""
        return (pooled.astype(np.float64) @ self.kernel + self.bias).astype(np.float32)


def fit_whitening(pooled: NDArray[np.float32], *, widths: Sequence[int]) -> Whitening:
    """Return the whitening on the widest directions, each scaled to variance 1.

    Before directions are looked for, each layer is scaled to the same total variance: else that
    of the most channels would give most of the directions.

    Parameters
    ----------
    pooled
        (n, channels), of augmented patches of train (`PatchSampler.draw_unlabeled`): directions
        that differ between hospitals get a large variance, and are scaled down.
    widths
        Channels of each layer; their sum is `channels`.

    Raises
    ------
    DataError
        If the features are (almost) the same for all inputs.
    """
    layers = np.repeat(np.arange(len(widths)), widths)
    center = pooled.mean(axis=0, dtype=np.float64)
    centered = pooled.astype(np.float64) - center
    spread = np.array([centered[:, layers == i].std() for i in range(len(widths))])
    scale = 1 / np.maximum(spread * np.sqrt(widths), FLAT)[layers]
    variances, directions = np.linalg.eigh((centered * scale).T @ (centered * scale) / len(pooled))
    order = np.argsort(variances)[::-1][:FEATURES]
    order = order[variances[order] > FLAT * variances.sum()]
    kernel = scale[:, np.newaxis] * directions[:, order] / np.sqrt(variances[order])
    steps = np.array([np.ptp(pooled[:, layers == i]) for i in range(len(widths))]) / OUTPUT_STEPS
    of_number = np.square(kernel * steps[layers, np.newaxis])
    # Roundings of one layer are as good as independent; those of different layers need not be.
    noise = sum(np.sqrt(of_number[layers == i].sum(axis=0)) for i in range(len(widths)))
    kernel = kernel[:, noise < MOST_NOISE]
    if not kernel.size:
        msg = "features: expected some that differ between images, got none; fit the network again"
        raise DataError(msg)
    return Whitening(kernel=kernel.astype(np.float32), bias=(-center @ kernel).astype(np.float32))


def distance_limit(features: NDArray[np.float32]) -> float:
    """Return the mean of squares that at most `LIMIT_REFUSALS` of the images lie above.

    Midway to the next image beyond, so that the steps of int8 move no image across.

    Parameters
    ----------
    features
        (n, k), of the whole tune images, as the very file gives them.
    """
    distances = np.sort(np.mean(np.square(features, dtype=np.float64), axis=1))
    beyond = int(LIMIT_REFUSALS * len(distances))
    last = float(distances[len(distances) - 1 - beyond])
    next_one = float(distances[-beyond]) if beyond else 1.1 * last
    return (last + next_one) / 2
