"""The gate's features: the network's pooled ones, turned so that training films lie around 0."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_edge.errors import DataError
from numpy.typing import NDArray

from bonefx_convert.bounds import OUTPUT_STEPS

FEATURES: Final = 32
"""Numbers at most that leave the network. Enough to tell pictures from limbs; a mean of so many
squares varies by a quarter of itself from film to film, not more."""
LEAST_STEPS: Final = 4.0
"""Standard deviation of a direction at least, in 1/256 of the range of the pooled features: layer
by layer int8 is off by about 2 such steps, and scaling a narrower direction up to 1 would show
the gate little but that."""
LIMIT_REFUSALS: Final = 0.02
"""Share of the tune films that may lie beyond the limit."""


@dataclass(frozen=True, slots=True)
class Projection:
    """features = pooled @ kernel + bias, a Dense layer."""

    kernel: NDArray[np.float32]
    """(channels, k)."""
    bias: NDArray[np.float32]
    """(k,)."""

    def apply(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (n, k) features of (n, channels) pooled ones."""
        return (pooled.astype(np.float64) @ self.kernel + self.bias).astype(np.float32)


def fit_projection(pooled: NDArray[np.float32]) -> Projection:
    """Return the projection on the widest directions, each scaled to variance 1.

    Parameters
    ----------
    pooled
        (n, channels), of train: as many tiles as whole films. The gate looks at the whole film,
        but the tightly collimated film of another hospital looks like a tile.

    Raises
    ------
    DataError
        If the features are (almost) the same for all views.
    """
    center = pooled.mean(axis=0, dtype=np.float64)
    centered = pooled.astype(np.float64) - center
    variances, directions = np.linalg.eigh(centered.T @ centered / len(pooled))
    order = np.argsort(variances)[::-1][:FEATURES]
    least = LEAST_STEPS * float(np.ptp(pooled)) / OUTPUT_STEPS
    widest = order[variances[order] > least**2]
    if not widest.size:
        msg = "features: expected some that differ between films, got none; fit the network again"
        raise DataError(msg)
    kernel = directions[:, widest] / np.sqrt(variances[widest])
    return Projection(kernel=kernel.astype(np.float32), bias=(-center @ kernel).astype(np.float32))


def distance_limit(features: NDArray[np.float32]) -> float:
    """Return the mean of squares that at most `LIMIT_REFUSALS` of the films lie above.

    Midway to the next film beyond, so that the steps of int8 move no film across.

    Parameters
    ----------
    features
        (n, k), of the whole tune films, as the very file gives them.
    """
    distances = np.sort(np.mean(np.square(features, dtype=np.float64), axis=1))
    beyond = int(LIMIT_REFUSALS * len(distances))
    last = float(distances[len(distances) - 1 - beyond])
    next_one = float(distances[-beyond]) if beyond else 1.1 * last
    return (last + next_one) / 2
