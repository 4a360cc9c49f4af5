"""From the training radiographs to what the device's gate lets through."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from bonefx_edge.decode import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.gate import GateSpec, Interval, Statistics, check, statistics
from bonefx_train.progress import track
from bonefx_train.sample import Sample

PERCENTILES: Final = (0.1, 99.9)
"""Of each statistic over the training films; the extremes themselves hang on single films."""
MARGIN: Final = 0.25
"""Of that range, added at both ends.

Measured on FracAtlas: refuses 0 of 590 tune films, all noise, 19 of 27 gray photographs and 99.6 %
of negatives (inverted films), but no chest film: that takes the DICOM body part. Films that look
unlike all of train, such as tight crops of the knee, are refused too.
"""
FALSE_REFUSALS: Final = 0.01
"""Share of tune films; where the gate refuses more, train does not look like tune."""
EXCLUDED_BODY_PARTS: Final = (
    "ABDOMEN", "ABDOMENPELVIS", "BRAIN", "BREAST", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS",
    "COCCYX", "CSPINE", "CTSPINE", "FACE", "HEAD", "HEADNECK", "HEART", "JAW", "LSPINE", "LSSPINE",
    "LUNG", "MANDIBLE", "MAXILLA", "MEDIASTINUM", "NECK", "NECKCHEST", "NECKCHESTABDOMEN",
    "NECKCHESTABDPELV", "NECKCHESTABDPELVIS", "NOSE", "ORBIT", "RIB", "SKULL", "SPINE", "SSPINE",
    "STERNUM", "THORAX", "TLSPINE", "TMJ", "TSPINE", "WHOLEBODY", "ZYGOMA",
)  # fmt: skip
"""Body Part Examined (0018,0015) that is no limb, shoulder, hip or pelvis.

Defined terms of PS3.16 Annex L (CID 4031), and THORAX and MANDIBLE, which devices write instead.
"""


def measure_gate(train: Sequence[Sample]) -> GateSpec:
    """Return the intervals of the gate's statistics over the training films.

    Films that cannot be decoded are left out; at least one must be decodable.
    """
    rows = [
        (found.mean, found.std, found.roughness)
        for sample in track(train, label="measuring films")
        if (found := _statistics(sample)) is not None
    ]
    low, high = np.percentile(np.array(rows), PERCENTILES, axis=0)  # (3,), (3,)
    margin = MARGIN * (high - low)
    mean, std, roughness = (
        Interval(low=float(a), high=float(b))
        for a, b in zip(low - margin, high + margin, strict=True)
    )
    return GateSpec(
        mean=mean, std=std, roughness=roughness, excluded_body_parts=EXCLUDED_BODY_PARTS
    )


def count_refused(samples: Sequence[Sample], *, spec: GateSpec) -> int:
    """Return how many decodable films the gate refuses; of tune, these are false refusals."""
    refused = 0
    for sample in track(samples, label="trying the gate"):
        try:
            radiograph = decode(read_file(sample.path))
        except DecodeError:
            continue
        try:
            check(radiograph, spec=spec)
        except DecodeError:
            refused += 1
    return refused


def _statistics(sample: Sample) -> Statistics | None:
    try:
        return statistics(decode(read_file(sample.path)).pixels)
    except DecodeError:
        return None
