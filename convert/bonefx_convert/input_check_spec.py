"""From the training radiographs to what the device's input check lets through."""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.inference.input_check import (
    InputCheckSpec,
    Interval,
    Statistics,
    check_in_distribution,
    check_input,
    statistics,
)
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_train.data.sample import Sample
from bonefx_train.errors import DataError
from bonefx_train.progress import track
from numpy.typing import NDArray

from bonefx_convert.whitening import LIMIT_REFUSALS

logger = logging.getLogger(__name__)

PERCENTILES: Final = (0.1, 99.9)
"""Of each statistic over the training images; the extremes themselves hang on single images."""
MARGIN: Final = 0.25
"""Of that range, added at both ends, where nothing but the pixels can refuse a picture.

Measured on FracAtlas: refuses 0 of 590 tune images, all noise, 19 of 27 gray photographs and 99.2 %
of negatives (inverted images), but no chest image: that takes the DICOM body part. Images
unlike all of train, such as tight crops of the knee, are refused too.
"""
MARGIN_WITH_FEATURES: Final = 1.5
"""The same where the network's features refuse what is no limb: tight crops of the knee pass."""
FEW_REFUSALS: Final = 0.01
"""Share of tune images that the input check may refuse without a word."""
MAX_REFUSALS: Final = 0.2
"""Share of tune images; a model that refuses more of the images it was made for is of no use."""
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


def measure_input_check(
    train: Sequence[Sample], *, spec: InputSpec, mapped: bool = False
) -> InputCheckSpec:
    """Return the intervals of its statistics over the training images; no distance limit.

    They are wide for a network with a map, whose features refuse more. Images that cannot be
    decoded are left out; at least one must be decodable. `spec`: the network's input.
    """
    rows = [
        (found.mean, found.std, found.roughness)
        for sample in track(train, label="measuring images")
        if (found := _statistics(sample, spec=spec)) is not None
    ]
    low, high = np.percentile(np.array(rows), PERCENTILES, axis=0)  # (3,), (3,)
    beyond = (MARGIN_WITH_FEATURES if mapped else MARGIN) * (high - low)
    mean, std, roughness = (
        Interval(low=float(a), high=float(b))
        for a, b in zip(low - beyond, high + beyond, strict=True)
    )
    return InputCheckSpec(
        mean=mean,
        std=std,
        roughness=roughness,
        excluded_body_parts=EXCLUDED_BODY_PARTS,
        distance_limit=None,
        familiarity=None,
    )


def try_input_check(
    input_check: InputCheckSpec, tune: Sequence[Sample], *, spec: InputSpec
) -> NDArray[np.bool_]:
    """Return which tune images, (n,), the input check refuses for their pixels; log how many.

    Raises
    ------
    DataError
        If it refuses more than a fifth of the tune images.
    """
    reasons = [_refusal(sample, input_check, spec=spec) for sample in tune]
    refused = [why for why in reasons if why is not None]
    share = len(refused) / len(tune)
    level = logging.INFO if share <= FEW_REFUSALS else logging.WARNING
    logger.log(level, "the input check refuses %d of %d tune images", len(refused), len(tune))
    if share > MAX_REFUSALS:
        msg = (
            f"input check: expected at most {MAX_REFUSALS:.0%} of the tune images refused, got "
            f"{len(refused)} of {len(tune)}, such as: {refused[0]}"
        )
        raise DataError(msg)
    return np.array([why is not None for why in reasons])


def log_refusals(
    kind: str,
    spec: InputCheckSpec,
    features: NDArray[np.float32] | None,
    refused: NDArray[np.bool_],
) -> None:
    """Log how many tune images the whole input check of one kind refuses; a warning above 2 %.

    The distance limit alone spends `LIMIT_REFUSALS`; what the pixels refuse comes on top.

    Parameters
    ----------
    spec
        With the kind's own distance limit.
    features
        (v, k), v >= n, of the kind's inputs, whole images first; None for a network without.
    refused
        (n,), of the tune images, for their pixels: of `try_input_check`.
    """
    far = np.zeros_like(refused)
    if features is not None:
        far = np.array([_is_far(one, spec=spec) for one in features[: len(refused), np.newaxis]])
    n, both = len(refused), int((refused | far).sum())
    level = logging.INFO if both <= LIMIT_REFUSALS * n else logging.WARNING
    logger.log(
        level,
        "%s: the whole input check refuses %d of %d tune images (pixels %d, distance %d)",
        *(kind, both, n, int(refused.sum()), int(far.sum())),
    )


def _is_far(features: NDArray[np.float32], *, spec: InputCheckSpec) -> bool:
    """Return whether the device would refuse an image for its features, (1, k)."""
    try:
        check_in_distribution(features, spec=spec)
    except DecodeError:
        return True
    return False


def _refusal(sample: Sample, input_check: InputCheckSpec, *, spec: InputSpec) -> str | None:
    """Return why the device would not answer this image, or None."""
    try:
        check_input(_decode(sample, spec=spec), spec=input_check)
    except DecodeError as err:
        return f"{sample.key}: {err}"
    return None


def _statistics(sample: Sample, *, spec: InputSpec) -> Statistics | None:
    try:
        return statistics(_decode(sample, spec=spec).pixels)
    except DecodeError:
        return None


def _decode(sample: Sample, *, spec: InputSpec) -> Radiograph:
    """Return the image as the device decodes it, large ones downscaled."""
    return decode(read_file(sample.path), allow_downscale=spec.allow_downscale)
