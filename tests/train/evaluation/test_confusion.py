import dataclasses

import numpy as np
from bonefx_edge.inference.decision import OperatingPoint, Proportion
from bonefx_train.data.pixels import Pixels
from bonefx_train.evaluation.confusion import count_states

KNOWN = Proportion(value=0.9, low=0.8, high=1.0, n=20)
BALANCED = OperatingPoint("balanced", 0.3, 0.7, "tune", "test", KNOWN, KNOWN)
SENSITIVE = dataclasses.replace(BALANCED, name="sensitive", no_fracture_below=0.1)


def test_each_film_counts_once_at_each_operating_point_refused_ones_too(samples) -> None:
    films = samples([True, True, True, False, False])
    read = Pixels(
        np.zeros((4, 1, 1, 1), np.float32),
        np.zeros(4, np.uint8),
        (*films[:2], *films[3:]),
        ((films[2].key, "too_small"),),
    )
    p = np.array([0.9, 0.2, 0.5, 0.05])
    rows = list(count_states(films, read, p=p, points=(BALANCED, SENSITIVE)))
    assert [dataclasses.astuple(row) for row in rows] == [
        ("balanced", "fractured", 1, 0, 1, 1),
        ("balanced", "not_fractured", 0, 1, 1, 0),
        ("sensitive", "fractured", 1, 1, 0, 1),
        ("sensitive", "not_fractured", 0, 1, 1, 0),
    ]
