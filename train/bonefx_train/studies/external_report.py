"""How external.py tells what it measured: tables, and histograms of the scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Finding
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from bonefx_train.evaluation.report import Figure
from bonefx_train.studies.localization_figures import table

WEB, BTXRD, OAI = "web_pool", "btxrd_normal", "oai_knee"
SETS = {
    WEB: "fractured, web-collected, mostly hands, wrists, forearms; a few drawn arrows, metal",
    BTXRD: "not fractured limbs and pelves, stretched to 256x256 by their source",
    OAI: "knees of an osteoarthritis study in tight crops, no fracture reading, taken as not "
    "fractured",
}
CAVEAT = (
    "**The two classes come from different sources.** A film's source shows in its size, frame, "
    "sharpness and gray levels, and a model can score the source and not the fracture: that "
    "flatters the AUC where what one source looks like passes for fractured, and hurts it where "
    "the other does. So an AUC here is a warning, not a result. Read it beside the histograms, the "
    "sensitivity and specificity at an operating point that was fixed on other films, and the box "
    "hits, which a source alone cannot give. No weight, threshold or temperature was fitted on "
    "these films, but one choice was made with them in sight: how lite0's views are combined (the "
    "tiles' mean odds, and no weight for the map, by the AUC here). That flatters these figures."
)
COLORS = {WEB: "#c8590a", BTXRD: "#1f5fa8", OAI: "#5c9a5c"}
BINS = np.linspace(0, 1, 41)
COLUMNS = 3
"""Panels side by side."""


@dataclass(frozen=True, slots=True)
class SetResult:
    """One model and reading on one set."""

    name: str
    films: int
    answered: int
    refused: dict[str, int]
    """By reason; in no figure."""
    states: dict[str, int]
    """Of all films."""
    p_fracture: dict[str, float] | None
    """q25, median, q75 of the answered films; None where all were refused."""
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One model and reading on all sets."""

    classifier: Classifier
    findings: dict[str, list[Finding]]
    sets: tuple[SetResult, ...]
    aucs: tuple[Figure, ...]
    pointing: tuple[Figure, ...]
    """On web_pool; a refused film is a miss."""
    has_map: bool

    @property
    def name(self) -> str:
        """Model, kind and reading."""
        manifest = self.classifier.manifest
        return f"{manifest.name}-{manifest.kind} {self.classifier.reading.name}"


def scores(findings: Sequence[Finding]) -> NDArray[np.float64]:
    """Return p_fracture of the answered films."""
    return np.array([f.p_fracture for f in findings if f.p_fracture is not None], np.float64)


def markdown(results: Sequence[Result], report: Mapping[str, object]) -> str:
    """Return the tables, and in words what they are worth."""
    sets: list[dict[str, object]] = report["sets"]  # type: ignore[assignment]
    classes: Sequence[str] = report["box_classes"]  # type: ignore[assignment]
    lines = ["# Films of other hospitals", "", f"**{NOTICE}**", "", CAVEAT, ""]
    lines += ["| set | what | films | groups | boxes |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(str(value) for value in each.values())} |" for each in sets]
    lines += ["", "Evaluation only: elsewhere/ has no clear licence and is not passed on."]
    lines += ["A refused film is in no figure: its number stands beside."]
    lines += [f"Cells: value (95 % interval; n). {report['interval']}.", "", "## AUC", ""]
    lines += ["| model, reading | web_pool against btxrd_normal | and oai_knee | refused |"]
    lines += ["|---|---|---|---|"]
    for result in results:
        refused = ", ".join(f"{each.name} {each.films - each.answered}" for each in result.sets)
        lines.append(_row(result.name, *(cell(figure) for figure in result.aucs), refused))
    for index, name in enumerate(SETS):
        lines += _of_set(results, index, name)
    lines += ["", "## Where on web_pool", "", f"Box classes: {', '.join(classes)}."]
    lines += ["A refused film is a miss."]
    for result in results:
        lines += ["", f"### {result.name}", ""]
        if not result.has_map:
            lines += ["No map in this model, so no peak: the blind guesses alone.", ""]
        lines += table(result.pointing)
    return "\n".join([*lines, ""])


def _of_set(results: Sequence[Result], index: int, name: str) -> list[str]:
    """Return the table of one set, a row for each model and reading."""
    first = results[0].sets[index]
    heads = [f"{figure.name}: {figure.meaning}" for figure in first.figures]
    columns = ["model, reading", "operating point", "refused", *heads, "p_fracture, quartiles"]
    lines = ["", f"## {name}, {first.films} films", "", _row(*columns)]
    lines.append("|---" * len(columns) + "|")
    for result in results:
        of = result.sets[index]
        reasons = ", ".join(f"{n} {reason}" for reason, n in of.refused.items()) or "0"
        quartiles = "-"
        if of.p_fracture:
            quartiles = " / ".join(f"{value:.3f}" for value in of.p_fracture.values())
        point = result.classifier.operating_point
        lines.append(
            _row(
                result.name,
                f"{point.name}, chosen on {point.chosen_on}",
                reasons,
                *(cell(figure) for figure in of.figures),
                quartiles,
            )
        )
    return lines


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def cell(figure: Figure) -> str:
    """Return a figure as a cell."""
    if figure.value is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f} (n {figure.n})"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}; n {figure.n})"


def draw(path: Path, results: Sequence[Result]) -> None:
    """Write histograms of p_fracture, a panel for each model and reading, as share of its set."""
    columns = min(COLUMNS, len(results))
    rows = -(-len(results) // columns)
    canvas = Canvas(figsize=(4.6 * columns, 3.2 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(canvas)
    panels = np.ravel(canvas.subplots(rows, columns, squeeze=False))
    for axes, result in zip(panels, results, strict=False):
        for name, findings in result.findings.items():
            p = scores(findings)
            label = f"{name}, n {len(p)} of {len(findings)}"
            if p.size:
                weights = np.full(len(p), 1 / len(p))
                axes.hist(
                    *(p, BINS), weights=weights, histtype="step", color=COLORS[name], label=label
                )
        point = result.classifier.operating_point
        for threshold in (point.no_fracture_below, point.fracture_from):
            axes.axvline(threshold, color="#777777", linewidth=0.8, linestyle="--")
        axes.set(xlabel="p_fracture", ylabel="share of the answered", xlim=(0, 1))
        axes.set_title(result.name)
        axes.legend(loc="upper right", fontsize="small")
    for axes in panels[len(results) :]:
        axes.set_axis_off()
    canvas.suptitle("Films of other hospitals; dashed: the operating point")
    canvas.savefig(path)
