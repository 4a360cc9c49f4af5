"""How far a converted network is from its Keras original on labelled images: the parity gate."""

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np
from bonefx_edge.inference.decision import BROKEN, Decision, Proportion, State
from bonefx_train.data.pixels import Pixels
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import (
    Bools,
    Floats,
    auc,
    bootstrap_by_group,
    distinct_scores,
    share,
    wilson,
)

from bonefx_convert.parity.report import Change, Difference, Flip, KindReport
from bonefx_convert.parity.scored import Scored, band_width, log_odds
from bonefx_convert.parity.tolerances import OUTPUT_STEPS, Tolerances

ROUNDING: Final = 1e-9
"""1.0 - 0.9 is more than 0.1 in float64."""


def compare(
    original: Scored,
    converted: Scored,
    images: Pixels,
    *,
    tolerances: Tolerances,
    representable: Floats | None = None,
    runtime_spread: float = 0.0,
) -> KindReport:
    """Return how far `converted` is from `original`, and what is out of tolerance.

    Parameters
    ----------
    representable
        (n,), the original's logits as far as the outputs of `converted` can hold them; None clips
        them to `converted.lowest` and `highest`.
    runtime_spread
        In logit, see `KindReport.runtime_spread`.

    Raises
    ------
    DataError
        If the images are of one class.
    """
    if images.fractured.all() or not images.fractured.any():
        msg = f"parity: expected images of both classes, got {len(images.x)} of one; choose a split"
        raise DataError(msg)
    if representable is None:
        representable = np.clip(original.logit, converted.lowest, converted.highest)
    measured = dataclasses.replace(
        _measure(original, converted, images),
        logit=_difference(representable, converted.logit),
        near_thresholds=_near_thresholds(original, converted, steps=tolerances.rounding_steps),
        runtime_spread=runtime_spread,
    )
    return dataclasses.replace(measured, failures=_failures(measured, tolerances, images))


def _measure(original: Scored, converted: Scored, images: Pixels) -> KindReport:
    flips = _flips(original, converted, images)
    states = [(a.state, b.state) for a, b in _pairs(original, converted)]
    ends = {State.FRACTURE, State.NO_FRACTURE}
    n, changed = len(images.x), sum(a is not b for a, b in states)
    hit = int(
        ((converted.logit <= converted.lowest) | (converted.logit >= converted.highest)).sum()
    )
    point = converted.operating_point
    return KindReport(
        kind=converted.kind,
        mode=converted.mode,
        logit=_difference(original.logit, converted.logit),
        step=_step(original, converted),
        p_fracture=_difference(original.p_fracture, converted.p_fracture),
        saturated=wilson(hit, n),
        distinct_scores=distinct_scores(converted.logit),
        tie_mass=_tie_masses(converted),
        **_changes(original, converted, images),
        state_flips=changed,
        changed_states=wilson(changed, n),
        near_thresholds=0.0,
        class_flips=sum(
            a.original_class != b.original_class for a, b in _pairs(original, converted)
        ),
        reversals=sum({a, b} == ends for a, b in states),
        flips=flips,
        band=band_width(point, temperature=converted.temperature),
        runtime_spread=0.0,
        failures=(),
    )


def _step(original: Scored, converted: Scored) -> float:
    """Return the output step in logit; of a float kind 1/256 of the original's range."""
    return converted.step or float(np.ptp(original.logit)) / OUTPUT_STEPS


def _near_thresholds(original: Scored, converted: Scored, *, steps: float) -> float:
    """Return the share of images within `steps` of a threshold, in the original's logits."""
    if converted.kind not in ("int8", "dynamic"):
        return 0.0
    point = original.operating_point
    ends = log_odds(np.array([point.no_fracture_below, point.fracture_from]))
    distance = np.abs(original.logit[:, np.newaxis] + original.temperature * ends)  # (n, 2)
    return float((distance <= steps * _step(original, converted)).any(axis=1).mean())


def tie_mass(values: Floats, threshold: float) -> Proportion:
    """Return the largest share of images that have one score next to `threshold`, below or above.

    Examples
    --------
    >>> tie_mass(np.array([0.1, 0.1, 0.1, 0.9]), 0.5).value
    0.75
    """
    levels, counts = np.unique(values, return_counts=True)
    at = int(np.searchsorted(levels, threshold))  # the first score that is not below
    return wilson(int(counts[max(at - 1, 0) : at + 1].max()), len(values))


def _tie_masses(scored: Scored) -> dict[str, Proportion]:
    p, point = scored.p_fracture, scored.operating_point
    return {
        "no_fracture_below": tie_mass(p, point.no_fracture_below),
        "fracture_from": tie_mass(p, point.fracture_from),
        "class_index": tie_mass(scored.logit, 0.0),
    }


def _changes(original: Scored, converted: Scored, images: Pixels) -> dict[str, Change]:
    """Return the changes of AUC, sensitivity, specificity and the share of `uncertain`."""
    fractured = images.fractured
    groups = [sample.group for sample in images.samples]

    def change(figure: Callable[[Scored, Floats], Floats]) -> Change:
        once = np.ones((1, len(fractured)))
        low, high = bootstrap_by_group(
            lambda w: figure(converted, w) - figure(original, w), groups, seed=0
        )
        before, after = (float(figure(scored, once)[0]) for scored in (original, converted))
        return Change(before=before, after=after, low=low, high=high)

    def change_of_share(hit: Callable[[Scored], Bools], among: Bools) -> Change:
        return change(lambda scored, weights: share(hit(scored), among, weights))

    return {
        "auc": change(lambda scored, weights: auc(-scored.logit, fractured, weights)),
        "sensitivity": change_of_share(lambda scored: ~scored.cleared, fractured),
        "specificity": change_of_share(lambda scored: ~scored.called, ~fractured),
        "uncertain": change_of_share(
            lambda scored: ~(scored.cleared | scored.called), np.ones(len(fractured), bool)
        ),
    }


def _flips(original: Scored, converted: Scored, images: Pixels) -> tuple[Flip, ...]:
    rows = zip(images.samples, images.fractured, _pairs(original, converted), strict=True)
    return tuple(
        Flip(
            key=sample.key,
            fractured=bool(fractured),
            before=_words(a),
            after=_words(b),
            p_before=a.p_fracture,
            p_after=b.p_fracture,
        )
        for sample, fractured, (a, b) in rows
        if _words(a) != _words(b)
    )


def _pairs(original: Scored, converted: Scored) -> list[tuple[Decision, Decision]]:
    return list(zip(original.decisions, converted.decisions, strict=True))


def _words(decision: Decision) -> str:
    return f"{decision.state}, {'broken' if decision.original_class == BROKEN else 'not broken'}"


def _difference(before: Floats, after: Floats) -> Difference:
    sizes = np.abs(before - after)
    return Difference(
        mean=float(sizes.mean()), p99=float(np.percentile(sizes, 99)), max=float(sizes.max())
    )


def _failures(report: KindReport, tolerances: Tolerances, images: Pixels) -> tuple[str, ...]:
    """Return a sentence for each limit that is broken. A single image never breaks a share."""
    within = _largest_difference(report, tolerances)
    n, broken = len(images.x), int(images.fractured.sum())
    at_most = {
        "logit difference": (report.logit.max, within),
        "AUC loss": (report.auc.loss, tolerances.auc_loss),
        "sensitivity loss": (report.sensitivity.loss, max(tolerances.sensitivity_loss, 1 / broken)),
        "specificity loss": (
            report.specificity.loss,
            max(tolerances.specificity_loss, 1 / (n - broken)),
        ),
        "images from fracture to no_fracture or back": (report.reversals, tolerances.reversals),
        "changed states": (
            report.state_flips,
            max(1.0, n * max(tolerances.state_flips, report.near_thresholds)),
        ),
        # The band has been widened to hold it (scored.choose_points), so the band is no limit.
        "spread between interpreters": (report.runtime_spread, within),
        # The lower end of the interval: few images tie by chance, few images prove no mass.
        "share of saturated images, at least": (report.saturated.low, tolerances.saturated),
    }
    for name, mass in report.tie_mass.items():
        title = f"share of images on one score beside {name}, at least"
        at_most[title] = (mass.low, tolerances.tie_mass)
    failures = [
        f"{name}: expected at most {limit:.4g}, got {value:.4g}"
        for name, (value, limit) in at_most.items()
        if not value <= limit + ROUNDING
    ]
    least = min(tolerances.distinct_scores, n // 2)
    if report.distinct_scores <= least:
        failures.append(
            f"different scores: expected more than {least}, got {report.distinct_scores}"
        )
    return tuple(failures)


def _largest_difference(report: KindReport, tolerances: Tolerances) -> float:
    """Return the largest |logit difference| that a kind may show."""
    match report.kind:
        case "float32":
            return max(tolerances.float32_logit, tolerances.float32_steps * report.step)
        case "float16":
            return tolerances.float16_steps * report.step
        case "int8":
            return tolerances.int8_steps * report.step
        case _:
            return tolerances.dynamic_steps * report.step
