"""What the probabilities of labelled images are worth, each figure with n and a 95 % interval."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import OperatingPoint

from bonefx_train.data.sample import BODY_PART_SEPARATOR, Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import (
    RESAMPLES,
    Bools,
    Floats,
    auc,
    bootstrap_by_group,
    brier,
    distinct_scores,
    share,
    wilson,
)
from bonefx_train.evaluation.report import Evaluation, Figure, Row

ALL_IMAGES: Final = "all"
WITHOUT_HARDWARE: Final = "without hardware"
INTERVAL: Final = (
    f"95 % percentile interval over {RESAMPLES} bootstrap resamples of whole groups; where every "
    "resample agrees (a share of exactly 0 or 1), the Wilson interval with groups as n"
)


def evaluate(
    p_fracture: Floats,
    samples: Sequence[Sample],
    *,
    operating_point: OperatingPoint,
    split: str,
    baseline_auc: float | None = None,
    refused: tuple[tuple[str, str], ...] = (),
    uncertain: Bools | None = None,
) -> Evaluation:
    """Return the figures over all images, without hardware, and per body part.

    Parameters
    ----------
    p_fracture
        (n,), [0, 1], after temperature, in the order of `samples`.
    operating_point
        Chosen beforehand, on other images.
    uncertain
        (n,), images that are uncertain whatever their score, for a caution; None: none.

    Raises
    ------
    DataError
        If there are no images, or not as many probabilities as images.
    """
    if not samples or len(p_fracture) != len(samples):
        msg = (
            f"evaluation: expected one p_fracture for each of at least one image, got "
            f"{len(p_fracture)} for {len(samples)} images of split {split}"
        )
        raise DataError(msg)
    cautious = np.zeros(len(samples), bool) if uncertain is None else uncertain
    rows = [
        _row(
            subset,
            p_fracture[of],
            [samples[i] for i in of],
            point=operating_point,
            cautious=cautious[of],
        )
        for subset, of in _subsets(samples)
    ]
    return Evaluation(
        notice=NOTICE,
        split=split,
        operating_point=operating_point,
        interval=INTERVAL,
        distinct_scores=distinct_scores(p_fracture),
        baseline_auc=baseline_auc,
        refused=refused,
        rows=tuple(rows),
    )


def _subsets(samples: Sequence[Sample]) -> Iterator[tuple[str, list[int]]]:
    """Yield name and image indices of each subset that a figure is reported for."""
    yield ALL_IMAGES, list(range(len(samples)))
    if any(sample.hardware for sample in samples):
        yield WITHOUT_HARDWARE, [i for i, sample in enumerate(samples) if not sample.hardware]
    parts = [set(sample.body_part.split(BODY_PART_SEPARATOR)) - {""} for sample in samples]
    for part in sorted(set().union(*parts)):
        yield part, [i for i, shown in enumerate(parts) if part in shown]


def _row(
    subset: str, p: Floats, samples: list[Sample], *, point: OperatingPoint, cautious: Bools
) -> Row:
    fractured = np.array([sample.label is Label.FRACTURED for sample in samples], bool)
    groups = [sample.group for sample in samples]
    return Row(
        subset=subset,
        n=len(samples),
        fractured=int(fractured.sum()),
        groups=len(set(groups)),
        figures=tuple(_figures(p, fractured, groups, point=point, cautious=cautious)),
    )


def _figures(
    p: Floats, fractured: Bools, groups: list[str], *, point: OperatingPoint, cautious: Bools
) -> Iterator[Figure]:
    """Yield every figure; positive = fracture."""
    called = (p >= point.fracture_from) & ~cautious
    cleared = (p < point.no_fracture_below) & ~cautious
    every, intact = np.ones(len(p), bool), ~fractured

    def figure(name: str, meaning: str, of: Callable[[Floats], Floats], among: Bools) -> Figure:
        return measure_figure(name, meaning, of, among=among, groups=groups)

    def proportion(name: str, meaning: str, hit: Bools, among: Bools) -> Figure:
        return figure(name, meaning, lambda w: share(hit, among, w), among)

    yield figure("auc", "a fractured image scores higher", lambda w: auc(p, fractured, w), every)
    yield proportion("sensitivity", "fractured, not called no_fracture", ~cleared, fractured)
    yield proportion("specificity", "not fractured, not called fracture", ~called, intact)
    yield proportion("called_fracture", "fractured, called fracture", called, fractured)
    yield proportion("called_no_fracture", "not fractured, called no_fracture", cleared, intact)
    yield proportion("uncertain", "of all images", ~(called | cleared), every)
    yield proportion("ppv", "called fracture, is fractured", fractured, called)
    yield proportion("npv", "called no_fracture, is not fractured", intact, cleared)
    yield proportion("prevalence", "is fractured; ppv and npv hold at this only", fractured, every)
    yield figure(
        "brier", "mean squared error of p_fracture", lambda w: brier(p, fractured, w), every
    )


def measure_figure(
    name: str,
    meaning: str,
    of: Callable[[Floats], Floats],
    *,
    groups: Sequence[str],
    among: Bools | None = None,
    is_share: bool = True,
) -> Figure:
    """Return a figure with its 95 % interval over resampled groups; None where undefined.

    Parameters
    ----------
    of
        From weights, (..., images), to the figure, (...).
    groups
        (images,); a group is resampled as a whole.
    among
        (images,), those in the denominator; None: all.
    is_share
        Whether 0 and 1 are its ends. Resampling gives no interval there: Wilson's, by groups.
    """
    counted = np.ones(len(groups), bool) if among is None else among
    n = int(counted.sum())
    value = float(of(np.ones(len(groups)))) if n else math.nan
    if not math.isfinite(value):
        return Figure(name, meaning, None, None, None, n)
    if len(set(groups)) == 1:
        return Figure(name, meaning, value, None, None, n)  # one patient says nothing of the next
    low, high = bootstrap_by_group(of, groups, seed=0)
    if is_share and low == high and value in (0.0, 1.0):
        # Resampling cannot see beyond what was seen; 5 of 5 right is not certainty.
        in_groups = len({group for group, counts in zip(groups, counted, strict=True) if counts})
        agreed = wilson(int(value) * in_groups, in_groups)
        low, high = agreed.low, agreed.high
    return Figure(name, meaning, value, low, high, n)
