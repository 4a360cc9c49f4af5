"""Compare two networks on the same films: difference of AUC, paired, by group bootstrap."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from bonefx_edge import NOTICE

from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError
from bonefx_train.evaluation.evaluate import measure_figure
from bonefx_train.evaluation.metrics import RESAMPLES, Floats, auc, resample_by_group
from bonefx_train.evaluation.predictions import Prediction, read_predictions
from bonefx_train.evaluation.report import Figure
from bonefx_train.markdown import open_templates

TEST: Final = (
    f"paired bootstrap of whole groups, {RESAMPLES} resamples; percentile interval; two-sided p = "
    "twice the smaller share of resamples on one side of 0, counting the observed one"
)
SEED: Final = 0
MAX_LISTED: Final = 5
FEWEST_GROUPS: Final = 2
"""One patient says nothing of the next."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks on the films that both answered."""

    notice: str
    a: str
    """File of the first."""
    b: str
    n: int
    """Films that both answered."""
    fractured: int
    groups: int
    not_in_both: tuple[int, int]
    """Films of a that b did not answer or does not have, and the other way round."""
    states_differ: int | None
    """Films; None where a file has no states."""
    test: str
    """Name of the test, and of the interval."""
    auc_a: Figure
    auc_b: Figure
    difference: Figure
    """AUC of b minus AUC of a."""
    p_value: float
    """That a difference at least as far from 0 comes by chance, (0, 1]."""

    def to_json(self) -> str:
        """Return the comparison as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Return the comparison as Markdown: notice, circumstances, figures."""
        template = open_templates(Path(__file__).parent).get_template("comparison.md.j2")
        return template.render(dataclasses.asdict(self))


def compare(a: Path, b: Path) -> Comparison:
    """Return the comparison of two predictions.csv, on the films that both answered.

    Each resample draws whole groups once and measures both networks on them, so what makes a film
    hard for both does not count as a difference (a paired test).

    Raises
    ------
    DataError
        A file cannot be read; or the films in both have other labels or groups, are of one class,
        or of fewer than two groups.
    """
    in_a, in_b = _answered(a), _answered(b)
    both = [path for path in in_a if path in in_b]
    pairs = [(in_a[path], in_b[path]) for path in both]
    fractured = np.array([film.label is Label.FRACTURED for film, _ in pairs], bool)
    groups = [film.group for film, _ in pairs]
    _check(pairs, a=a, b=b)
    score_a, score_b = (np.array([pair[i].score for pair in pairs], np.float64) for i in (0, 1))

    def difference(weights: Floats) -> Floats:
        return np.asarray(auc(score_b, fractured, weights) - auc(score_a, fractured, weights))

    meaning = "a fractured film scores higher"
    return Comparison(
        notice=NOTICE,
        a=str(a),
        b=str(b),
        n=len(pairs),
        fractured=int(fractured.sum()),
        groups=len(set(groups)),
        not_in_both=(len(in_a) - len(both), len(in_b) - len(both)),
        states_differ=_states_differ(pairs),
        test=TEST,
        auc_a=measure_figure("auc_a", meaning, lambda w: auc(score_a, fractured, w), groups=groups),
        auc_b=measure_figure("auc_b", meaning, lambda w: auc(score_b, fractured, w), groups=groups),
        difference=measure_figure(
            "difference", "AUC of b minus AUC of a", difference, groups=groups, is_share=False
        ),
        p_value=_p_value(resample_by_group(difference, groups, seed=SEED)),
    )


def _p_value(resampled: Floats) -> float:
    """Return the two-sided p of a difference of 0; never 0: the observed one counts as one more."""
    smaller = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(resampled) + 1))


def _answered(path: Path) -> dict[str, Prediction]:
    return {key: film for key, film in read_predictions(path).items() if film.score is not None}


def _states_differ(pairs: list[tuple[Prediction, Prediction]]) -> int | None:
    if not all(one.state and other.state for one, other in pairs):
        return None
    return sum(one.state != other.state for one, other in pairs)


def _check(pairs: list[tuple[Prediction, Prediction]], *, a: Path, b: Path) -> None:
    where = f"{a}, {b}"
    for what in ("label", "group"):
        other = [one.path for one, two in pairs if getattr(one, what) != getattr(two, what)]
        if other:
            msg = (
                f"{where}: expected the same {what} of each film in both, {len(other)} differ, "
                f"such as {', '.join(other[:MAX_LISTED])}; evaluate both on the same data"
            )
            raise DataError(msg)
    labels = {one.label for one, _ in pairs}
    groups = {one.group for one, _ in pairs}
    if len(labels) < len(Label) or len(groups) < FEWEST_GROUPS:
        msg = (
            f"{where}: expected films of both classes and of two or more groups that both "
            f"answered, got {len(pairs)} films; evaluate both on the same split"
        )
        raise DataError(msg)
