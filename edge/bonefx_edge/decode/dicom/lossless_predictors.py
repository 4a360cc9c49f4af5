"""Differences of lossless JPEG to samples: the predictors 1 to 7 of T.81 table H.1.

All arithmetic is modulo 65,536, as T.81 H.1.2.1 has it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEFT, _ABOVE, _ABOVE_LEFT, _PLANE, _LEFT_AND_SLOPE, _ABOVE_AND_SLOPE, _MEAN = range(1, 8)
PREDICTORS: Final = range(_LEFT, _MEAN + 1)

Samples = NDArray[np.uint16]


def undo_prediction(differences: Samples, *, predictor: int, first: int) -> Samples:
    """Return the samples of one restart interval, (rows, columns), uint16.

    Parameters
    ----------
    differences
        (rows, columns), uint16; may be overwritten.
    predictor
        1 to 7, the selection value of the scan header.
    first
        Prediction of the first sample.
    """
    samples = differences
    samples[0, :1] += np.uint16(first)
    _accumulate(samples[0])
    _accumulate(samples[:, 0])  # from row 1 on the first column is predicted from above
    if predictor == _LEFT:
        samples[1:, 1:] = _sums(samples[1:], axis=1)[:, 1:]
    elif predictor == _ABOVE:
        samples[:, 1:] = _sums(samples[:, 1:], axis=0)
    elif predictor == _PLANE:
        _undo_plane(samples)
    elif predictor in (_ABOVE_LEFT, _LEFT_AND_SLOPE):
        _undo_by_rows(samples, predictor=predictor)
    else:
        _undo_by_diagonals(samples, predictor=predictor)
    return samples


def _accumulate(line: Samples) -> None:
    line[:] = np.add.accumulate(line, dtype=np.uint16)


def _sums(samples: Samples, *, axis: int) -> Samples:
    return np.add.accumulate(samples, axis=axis, dtype=np.uint16)


def _undo_plane(samples: Samples) -> None:
    """Left + above - above left: x - above is a running sum of the row's differences."""
    for row in range(1, len(samples)):
        line, above = samples[row], samples[row - 1]
        line[:1] -= above[:1]
        _accumulate(line)
        line += above


def _undo_by_rows(samples: Samples, *, predictor: int) -> None:
    """Above left, or left + (above - above left) / 2: of the row itself only the left one."""
    for row in range(1, len(samples)):
        line, above = samples[row], samples[row - 1]
        if predictor == _ABOVE_LEFT:
            line[1:] += above[:-1]
            continue
        slope = np.diff(above.astype(np.int32)) >> 1
        line[1:] += slope.astype(np.uint16)
        _accumulate(line)


def _undo_by_diagonals(samples: Samples, *, predictor: int) -> None:
    """Above + (left - above left) / 2, or (left + above) / 2: halves of what is just decoded.

    Samples on one diagonal from the lower left to the upper right do not depend on each other.
    """
    rows, columns = samples.shape
    flat = samples.reshape(-1)
    for diagonal in range(2, rows + columns - 1):
        row = np.arange(max(1, diagonal - columns + 1), min(rows, diagonal))
        at = row * columns + diagonal - row
        left, above = flat[at - 1].astype(np.int32), flat[at - columns].astype(np.int32)
        if predictor == _MEAN:
            predicted = (left + above) >> 1
        else:
            predicted = above + ((left - flat[at - columns - 1]) >> 1)
        flat[at] += predicted.astype(np.uint16)
