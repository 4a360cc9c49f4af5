"""Find wrong polarity and wrong scaling by what a network says of images with known labels."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import Bools, Floats, auc, bootstrap_by_group

from bonefx_convert.any_keras.wrap import Scaling

logger = logging.getLogger(__name__)

IMAGES: Final = 200
"""Images at most that are scored for this, half of them fractured."""
LEAST_SPREAD: Final = 0.01
"""Of the probabilities from the 1st to the 99th percentile: less is one score for all images."""
LARGEST_LOGIT: Final = 30.0
"""A probability of 1e-13. No fit ends there, as its gradient vanishes near 16."""
MOST_SATURATED: Final = 0.5
"""Share of images beyond that."""
CLEARLY_BETTER: Final = 0.05
"""AUC by which another scaling must tell the classes better, at the lower end of its interval."""
CLEARLY_LIKELIER: Final = 0.5
"""Log loss, in nats for an image, by which another scaling must fit better; a coin has 0.69."""
SIMILAR_AUC: Final = 0.02
_ADVICE: Final = "give the scaling that the network was fitted with (--scale)"


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n images."""

    fractured: Bools
    """(n,)."""
    groups: Sequence[str]
    """(n,), by patient."""


def check_scores(
    logits_by: Callable[[Scaling], Floats],
    *,
    scaling: Scaling,
    others: Sequence[Scaling],
    labels: Labels | None,
) -> None:
    """Return if a network's scores do not contradict what a person says about it.

    Parameters
    ----------
    logits_by
        Gives the logits of *not fractured* of n images, (n,), under a scaling.
    others
        Scalings that the network could have instead.
    labels
        None where there are none: then only tied and saturated scores are found.

    Raises
    ------
    DataError
        If the scores are tied or saturated, if another scaling tells the classes clearly better,
        or if the answers are upside down.
    """
    logits = logits_by(scaling)
    _check_not_finite(logits)
    _check_tied(logits, scaling)
    _check_saturated(logits, scaling)
    if labels is None:
        return
    found = {other: logits_by(other) for other in others}
    for other, theirs in found.items():
        _check_better(logits, theirs, labels, scaling=scaling, other=other)
    _check_polarity(logits, labels)
    for other, theirs in found.items():
        _warn_if_likelier(logits, theirs, labels, scaling=scaling, other=other)


def _check_not_finite(logits: Floats) -> None:
    if not np.isfinite(logits).all():
        msg = "the network gives numbers that are not finite; save it again after its fit"
        raise DataError(msg)


def _check_tied(logits: Floats, scaling: Scaling) -> None:
    p = 1 / (1 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))
    low, high = np.percentile(p, [1, 99])
    is_saturated = (np.abs(logits) > LARGEST_LOGIT).mean() > MOST_SATURATED
    if high - low < LEAST_SPREAD and not is_saturated:
        msg = (
            f"tied scores: with --scale {scaling} the probability is {low:.3f} to {high:.3f} for "
            f"all of {len(p)} images; {_ADVICE}, or fit the network"
        )
        raise DataError(msg)


def _check_saturated(logits: Floats, scaling: Scaling) -> None:
    share = float((np.abs(logits) > LARGEST_LOGIT).mean())
    if share > MOST_SATURATED:
        msg = (
            f"saturated scores: with --scale {scaling} the probability is 0 or 1 for {share:.0%} "
            f"of {len(logits)} images; {_ADVICE}"
        )
        raise DataError(msg)


def _check_better(
    logits: Floats, others: Floats, labels: Labels, *, scaling: Scaling, other: Scaling
) -> None:
    """Refuse a scaling if another one tells the classes apart clearly better, polarity aside."""
    if not np.isfinite(others).all():
        return

    def better(weights: Floats) -> Floats:
        theirs, ours = (auc(-each, labels.fractured, weights) for each in (others, logits))
        return np.asarray(np.abs(theirs - 0.5) - np.abs(ours - 0.5))

    low, _ = bootstrap_by_group(better, labels.groups, seed=0)
    if low > CLEARLY_BETTER:
        ours, theirs = (float(auc(-each, labels.fractured)) for each in (logits, others))
        msg = (
            f"wrong scaling: AUC {ours:.2f} with --scale {scaling}, {theirs:.2f} with {other}; "
            "give the one that the network was fitted with"
        )
        raise DataError(msg)


def _warn_if_likelier(
    logits: Floats, others: Floats, labels: Labels, *, scaling: Scaling, other: Scaling
) -> None:
    """Log a warning if another scaling ranks images alike, with probabilities that fit better.

    No refusal: a network that was fitted too long is too sure with the right scaling.
    """
    if not np.isfinite(others).all():
        return
    towards = np.where(labels.fractured, -1.0, 1.0)
    ours, theirs = (float(np.logaddexp(0.0, -towards * each).mean()) for each in (logits, others))
    ranks_alike = auc(-others, labels.fractured) >= auc(-logits, labels.fractured) - SIMILAR_AUC
    if ranks_alike and ours - theirs > CLEARLY_LIKELIER:
        logger.warning(
            "WARNING: the probabilities fit the labels better with --scale %s (log loss %.2f) than "
            "with %s (%.2f): check the scaling",
            *(other, theirs, scaling, ours),
        )


def _check_polarity(logits: Floats, labels: Labels) -> None:
    value = float(auc(-logits, labels.fractured))
    low, high = bootstrap_by_group(
        lambda weights: auc(-logits, labels.fractured, weights), labels.groups, seed=0
    )
    if high < 0.5:  # noqa: PLR2004
        msg = (
            f"upside down: AUC {value:.2f} (95 % {low:.2f} to {high:.2f}) on labelled images; "
            "give the other index (--positive), or check the labels"
        )
        raise DataError(msg)
