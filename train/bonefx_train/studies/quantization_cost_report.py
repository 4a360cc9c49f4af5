"""Report of the quantization cost: what one model answered, tables, and a scatter plot."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Finding
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bonefx_train.data.sample import Label, Sample
from bonefx_train.evaluation.report import Evaluation
from bonefx_train.evaluation.report import Figure as Measured

T = TypeVar("T")

FIGURES = (
    "auc",
    "sensitivity",
    "specificity",
    "called_fracture",
    "called_no_fracture",
    "uncertain",
)


@dataclass(frozen=True, slots=True)
class Scored:
    """One model on all films of the split."""

    name: str
    kind: str
    classifier: Classifier
    findings: tuple[Finding, ...]

    @property
    def network(self) -> str:
        """What the files of one network have in common."""
        return self.classifier.manifest.name

    def answered(self) -> NDArray[np.bool_]:
        """Return which films were not refused, (n,)."""
        return np.array([finding.p_fracture is not None for finding in self.findings])

    def p_fracture(self) -> NDArray[np.float64]:
        """Return p_fracture of the answered films, (answered,)."""
        p = [f.p_fracture for f in self.findings if f.p_fracture is not None]
        return np.array(p, np.float64)

    def refused(self, samples: Sequence[Sample]) -> tuple[tuple[str, str], ...]:
        """Return (key, reason code) of the films that were refused, by this model."""
        found = zip(samples, self.findings, strict=True)
        return tuple((sample.key, f.reason.value) for sample, f in found if f.reason is not None)

    def only(self, mask: NDArray[np.bool_]) -> "Scored":
        """Return the same without the films that are not kept."""
        return dataclasses.replace(self, findings=tuple(kept(self.findings, mask)))


def kept(values: Sequence[T], mask: NDArray[np.bool_]) -> list[T]:
    """Return the values where the mask says so."""
    return [value for value, yes in zip(values, mask, strict=True) if yes]


def both_answered(
    scored: Scored, reference: Scored, samples: Sequence[Sample]
) -> tuple[Scored, Scored, list[Sample]]:
    """Return both models and the films, without the films that either of them refused."""
    both = scored.answered() & reference.answered()
    if not both.any():
        sys.exit(f"error: no film was answered by both {scored.name} and {reference.name}")
    return scored.only(both), reference.only(both), kept(samples, both)


def markdown(
    all_scored: Sequence[Scored],
    evaluations: Sequence[Evaluation],
    comparisons: Sequence[dict[str, object]],
    *,
    title: str,
    baseline_auc: float | None,
) -> str:
    """Return the one table, the comparison, and the flips by film."""
    lines = [f"# {title}", "", f"**{NOTICE}**", ""]
    lines += [f"{len(all_scored[0].findings)} films. Each model is measured on those it answered."]
    readings = {scored.classifier.reading.name for scored in all_scored}
    lines += [f"Reading: {', '.join(sorted(readings))}."]
    lines += [f"Each cell: value (95 % interval). {evaluations[0].interval}.", ""]
    if baseline_auc is not None:
        lines += [f"Features that look at no pixel reach an AUC of {baseline_auc:.2f} here.", ""]
    counts = ("films", "fractured", "groups", "refused")
    lines += [f"| model | {' | '.join([*counts, *FIGURES])} |"]
    lines += ["|---" * (1 + len(counts) + len(FIGURES)) + "|"]
    for scored, evaluation in zip(all_scored, evaluations, strict=True):
        row = evaluation.rows[0]
        numbers = (row.n, row.fractured, row.groups, len(evaluation.refused))
        texts = [*map(str, numbers), *(_cell(row.figure(name)) for name in FIGURES)]
        lines.append(f"| {scored.name} | {' | '.join(texts)} |")
    lines += _by_subset(all_scored, evaluations)
    for comparison in comparisons:
        lines += _comparison(comparison)
    return "\n".join([*lines, ""])


def _by_subset(all_scored: Sequence[Scored], evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the AUCs of each subset; models that answered other films have another n there."""
    lines = ["", "## AUC by subset", "", "Each cell: AUC (95 % interval); films, fractured.", ""]
    lines += [f"| films | {' | '.join(s.name for s in all_scored)} |"]
    lines += ["|---" * (1 + len(all_scored)) + "|"]
    # Parts come in the order of the alphabet in each; a part may have been refused as a whole.
    by_name = [{row.subset: row for row in evaluation.rows} for evaluation in evaluations]
    for subset in dict.fromkeys(name for rows in by_name for name in rows):
        found = [rows.get(subset) for rows in by_name]
        texts = [f"{_cell(r.figure('auc'))}; {r.n}, {r.fractured}" if r else "-" for r in found]
        lines.append(f"| {subset} | {' | '.join(texts)} |")
    return lines


def _cell(figure: Measured) -> str:
    if figure.value is None or figure.low is None:
        return "undefined" if figure.value is None else f"{figure.value:.3f} (one group)"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _comparison(c: dict[str, object]) -> list[str]:
    ends: list[float] = c["auc_change_95"]  # type: ignore[assignment]
    lines = [
        "",
        f"## {c['model']} against {c['reference']}",
        "",
        f"- AUC change {c['auc_change']:+.4f} (95 % {ends[0]:+.4f} to {ends[1]:+.4f})",
        f"- p_fracture change: median {c['median_p_change']:.4f}",
        f"- largest p_fracture change: {c['largest_p_change']:.4f}",
        f"- {c['distinct_scores']} distinct scores",
        f"- {c['state_flips']} state flips, {c['class_flips']} class flips in {c['films']} films",
        f"- {c['answered_by_one']} more films answered by one of the two only",
    ]
    flips: list[dict[str, object]] = c["flips"]  # type: ignore[assignment]
    if flips:
        lines += ["", "| film | label | from | to | p from | p to |", "|---|---|---|---|---|---|"]
    for f in flips:
        before, after = f"{f['from']} ({f['class_from']})", f"{f['to']} ({f['class_to']})"
        lines.append(
            f"| {f['film']} | {f['label']} | {before} | {after} | "
            f"{f['p_from']:.4f} | {f['p_to']:.4f} |"
        )
    return lines


def draw(path: Path, pairs: Sequence[tuple[Scored, Scored]], samples: Sequence[Sample]) -> None:
    """Write p_fracture of each model against its reference, film by film."""
    figure = Figure(figsize=(5.2 * len(pairs), 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, pair_of in zip(np.ravel(figure.subplots(1, len(pairs))), pairs, strict=True):
        scored, reference, films = both_answered(*pair_of, samples)
        fractured = np.array([film.label is Label.FRACTURED for film in films])
        for mask, color, label in (
            (~fractured, "#1f5fa8", "not fractured"),
            (fractured, "#c8590a", "fractured"),
        ):
            axes.scatter(
                *(reference.p_fracture()[mask], scored.p_fracture()[mask]),
                s=9,
                alpha=0.6,
                color=color,
                label=label,
                linewidths=0,
            )
        point = scored.classifier.operating_point
        for threshold in (point.no_fracture_below, point.fracture_from):
            axes.axhline(threshold, color="#777777", linewidth=0.8, linestyle="--")
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=0.8)
        axes.set(xlabel=f"p_fracture, {reference.name}", ylabel=f"p_fracture, {scored.name}")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.legend(loc="upper left")
    figure.suptitle("One dot a film; dashed: the operating point")
    figure.savefig(path)
