"""An evaluation: its figures, and how they are written down."""

import dataclasses
import json
from dataclasses import dataclass

from bonefx_edge.inference.decision import OperatingPoint


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    meaning: str
    """One line that says of which images, and what counts."""
    value: float | None
    """None where it is undefined: no image to measure it on, or images of one class only."""
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    """Upper end of the 95 % interval."""
    n: int
    """Images in the denominator."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one subset of the images."""

    subset: str
    """all, without hardware, or a body part; an image that shows two parts counts in both."""
    n: int
    fractured: int
    groups: int
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """Return the figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one network on one split."""

    notice: str
    split: str
    operating_point: OperatingPoint
    interval: str
    """How the intervals were taken."""
    distinct_scores: int
    """Different values of p_fracture among all images."""
    baseline_auc: float | None
    """AUC that features without pixels reach on this data set, as the user states it."""
    refused: tuple[tuple[str, str], ...]
    """(key, reason code) of images of the split that could not be read; not in any figure."""
    rows: tuple[Row, ...]
    """The first is over all images."""
    fitted_on: bool = False
    """Whether the network was fitted on these images."""

    def to_json(self) -> str:
        """Return the evaluation as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Return the evaluation as Markdown: notice, circumstances, figures, subsets."""
        parts = (_head(self), [""], _figures(self.rows[0]), [""], _rows(self.rows))
        return "\n".join(line for part in parts for line in part)


def _head(evaluation: Evaluation) -> list[str]:
    point = evaluation.operating_point
    row = evaluation.rows[0]
    counts = f"{row.n} images, {row.fractured} fractured, {row.groups} groups"
    below, above = f"{point.no_fracture_below:.4f}", f"{point.fracture_from:.4f}"
    lines = [
        f"# Evaluation on {evaluation.split}",
        "",
        f"**{evaluation.notice}**",
        "",
        f"- {counts}; {evaluation.distinct_scores} distinct scores",
        f"- files refused, in no figure: {len(evaluation.refused)}",
        f"- operating point `{point.name}`: no_fracture below {below}, fracture from {above}",
        f"- chosen on {point.chosen_on} for {point.chosen_for}",
        f"- intervals: {evaluation.interval}",
    ]
    if evaluation.split == point.chosen_on:
        lines.append("- **chosen on these very images: every figure here flatters**")
    if evaluation.fitted_on:
        lines.append("- **fitted on these very images: every figure here flatters**")
    if evaluation.baseline_auc is not None:
        lines.append(
            f"- features that look at no pixel are stated to reach an AUC of "
            f"{evaluation.baseline_auc:.2f} on this data set: an AUC near or below that is no "
            "evidence that fractures are seen"
        )
    lines += [f"- refused: {key} ({reason})" for key, reason in evaluation.refused]
    return lines


def _figures(row: Row) -> list[str]:
    rows = (
        (f.name, _value(f), _interval(f), str(f.n), f.meaning)  # one line of the table
        for f in row.figures
    )
    head = ["| figure | value | 95 % interval | n | of what |", "|---|---|---|---|---|"]
    return head + [f"| {' | '.join(cells)} |" for cells in rows]


def _rows(rows: tuple[Row, ...]) -> list[str]:
    names = ("auc", "sensitivity", "specificity", "ppv", "uncertain")
    lines = [
        "An image that shows two body parts counts in both rows.",
        "",
        f"| images | n | fractured | groups | {' | '.join(names)} |",
        "|---" * (4 + len(names)) + "|",
    ]
    for row in rows:
        figures = (row.figure(name) for name in names)
        cells = " | ".join(f"{_value(f)} ({_interval(f)}; n {f.n})" for f in figures)
        lines.append(f"| {row.subset} | {row.n} | {row.fractured} | {row.groups} | {cells} |")
    return [*lines, ""]


def _value(figure: Figure) -> str:
    return "undefined" if figure.value is None else f"{figure.value:.3f}"


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "-"
    return f"{figure.low:.3f} to {figure.high:.3f}"
