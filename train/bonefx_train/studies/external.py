"""External test: images of other hospitals, on which no weight or threshold was fitted.

    python -m bonefx_train.studies.external [MODEL ...] --data DIR [--out FOLDER]

DIR is the data folder, with elsewhere/ and oai_knee/. Without MODEL, the shipped ones; each in
every mode of its own. Each film is classified as on the device, input check included, at the
default operating point, which was fixed before. Choices were made after seeing these
figures, though: how the tiles of lite0 are combined, which of its two fits ships, and which layers
its input check uses (docs/decisions/0015, 0016 and 0017). Writes external.json, .md and .png
(histograms of the scores); prints the page.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import State
from bonefx_edge.model.bundled import bundled_models, find_model
from bonefx_edge.model.model_file import ModelFile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from bonefx_train.data.boxes import BOXES_NAME, Box
from bonefx_train.data.sample import Sample
from bonefx_train.evaluation.evaluate import INTERVAL, evaluate
from bonefx_train.evaluation.report import Figure
from bonefx_train.progress import track
from bonefx_train.studies.command import run
from bonefx_train.studies.external_sets import (
    BOX_CLASSES,
    BTXRD,
    FOLDER,
    OAI,
    SETS,
    WEB,
    read_corner_boxes,
    read_sets,
)
from bonefx_train.studies.localization_figures import (
    Localized,
    localization_figures,
    localize,
    refusals,
)
from bonefx_train.studies.pages import REFERENCES, describe_model, write

SIDES: Final = {"auc": (WEB, BTXRD), "auc_with_oai_knee": (WEB, BTXRD, OAI)}
"""Which films each AUC is over."""
FRACTURED_FIGURES: Final = ("sensitivity", "called_fracture", "uncertain")
INTACT_FIGURES: Final = ("specificity", "called_no_fracture", "uncertain")
COLORS: Final = {WEB: "#c8590a", BTXRD: "#1f5fa8", OAI: "#5c9a5c"}
BINS: Final = np.linspace(0, 1, 41)
COLUMNS: Final = 3
"""Panels side by side."""


def scores(findings: Sequence[Finding]) -> NDArray[np.float64]:
    """Return p_fracture of the answered films, [0, 1]."""
    return np.array([f.p_fracture for f in findings if f.p_fracture is not None], np.float64)


def examine(
    classifier: Classifier,
    sets: Mapping[str, list[Sample]],
    boxes: Mapping[str, tuple[Box, ...]],
) -> dict[str, Any]:
    """Return all that is measured of one model and mode; `findings` is for the figure only."""
    findings: dict[str, list[Finding]] = {}
    localized: list[Localized] = []
    for name, samples in sets.items():
        findings[name] = []
        for sample in track(samples, label=f"{name}, {classifier.mode.name}"):
            if name == WEB:
                localized.append(localize(classifier, sample, boxes[sample.key]))
                findings[name].append(localized[-1].finding)
            else:
                findings[name].append(classifier.classify(sample.path))
    has_map = classifier.manifest.output.map is not None
    manifest, mode = classifier.manifest, classifier.mode
    return {
        "name": f"{manifest.name}-{manifest.kind} {mode.name}",
        "model": describe_model(classifier),
        "mode": mode.name,
        "operating_point": classifier.operating_point,
        "runtime": classifier.runtime,
        "aucs": [
            dataclasses.replace(_figures(names, sets, findings, classifier, ("auc",))[0], name=auc)
            for auc, names in SIDES.items()
        ],
        "sets": [_set_result(name, sets, findings, classifier) for name in sets],
        "has_map": has_map,
        "localization": localization_figures(
            localized, has_map=has_map, has_tiles=bool(mode.tiles)
        ),
        "findings": findings,
    }


def _set_result(
    name: str,
    sets: Mapping[str, list[Sample]],
    findings: Mapping[str, list[Finding]],
    classifier: Classifier,
) -> dict[str, Any]:
    """Return counts, quartiles and figures of one set; refused films are in no figure."""
    p = scores(findings[name])
    quartiles = (
        dict(zip(("q25", "median", "q75"), np.percentile(p, [25, 50, 75]).tolist(), strict=True))
        if p.size
        else None
    )
    wanted = FRACTURED_FIGURES if name == WEB else INTACT_FIGURES
    states = Counter(finding.state for finding in findings[name])
    return {
        "name": name,
        "films": len(sets[name]),
        "answered": len(p),
        "refused": refusals(findings[name]),
        "states": {state.value: states[state] for state in State},
        "p_fracture": quartiles,
        "figures": _figures((name,), sets, findings, classifier, wanted),
    }


def _figures(
    names: Sequence[str],
    sets: Mapping[str, list[Sample]],
    findings: Mapping[str, list[Finding]],
    classifier: Classifier,
    wanted: Sequence[str],
) -> tuple[Figure, ...]:
    """Return figures over the answered films of some sets."""
    pairs = [
        (sample, finding.p_fracture)
        for name in names
        for sample, finding in zip(sets[name], findings[name], strict=True)
        if finding.p_fracture is not None
    ]
    if not pairs:
        return tuple(Figure(name, "no film was answered", None, None, None, 0) for name in wanted)
    evaluation = evaluate(
        np.array([p for _, p in pairs], np.float64),
        [sample for sample, _ in pairs],
        operating_point=classifier.operating_point,
        split="+".join(names),
    )
    return tuple(evaluation.rows[0].figure(name) for name in wanted)


def open_classifiers(models: Sequence[str]) -> list[Classifier]:
    """Return a classifier for each model and mode."""
    classifiers = []
    for model in models:
        path = find_model(model)
        modes = ModelFile.read(path).manifest.modes
        classifiers += [Classifier.load(path, mode=mode.name) for mode in modes]
    return classifiers


def draw(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write histograms of p_fracture, a panel for each model and mode, as share of its set."""
    columns = min(COLUMNS, len(results))
    rows = -(-len(results) // columns)
    canvas = Canvas(figsize=(4.6 * columns, 3.2 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(canvas)
    panels = np.ravel(canvas.subplots(rows, columns, squeeze=False))
    for axes, result in zip(panels, results, strict=False):
        for name, findings in result["findings"].items():
            p = scores(findings)
            label = f"{name}, n {len(p)} of {len(findings)}"
            weights = np.full(len(p), 1 / max(1, len(p)))
            axes.hist(p, BINS, weights=weights, histtype="step", color=COLORS[name], label=label)
        point = result["operating_point"]
        for threshold in (point.no_fracture_below, point.fracture_from):
            axes.axvline(threshold, color="#777777", linewidth=0.8, linestyle="--")
        axes.set(xlabel="p_fracture", ylabel="share of the answered", xlim=(0, 1))
        axes.set_title(result["name"])
        axes.legend(loc="upper right", fontsize="small")
    for axes in panels[len(results) :]:
        axes.set_axis_off()
    canvas.suptitle("Images of other hospitals; dashed: the operating point")
    canvas.savefig(path)


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Default: the shipped ones.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="The data folder, with elsewhere/ and oai_knee/.")],
    out: Path = REFERENCES,
) -> None:
    """Examine every model and mode, write."""
    classifiers = open_classifiers(models or list(bundled_models()))
    sets = read_sets(data)
    boxes = read_corner_boxes(data / FOLDER / BOXES_NAME, sets[WEB])
    results = [examine(classifier, sets, boxes) for classifier in classifiers]
    report = {
        "notice": NOTICE,
        "interval": INTERVAL,
        "box_classes": BOX_CLASSES,
        "sets": [
            {
                "name": name,
                "what": SETS[name],
                "films": len(samples),
                "groups": len({sample.group for sample in samples}),
                "boxes": sum(len(boxes.get(sample.key, ())) for sample in samples),
            }
            for name, samples in sets.items()
        ],
        "results": [
            {key: value for key, value in result.items() if key != "findings"} for result in results
        ],
    }
    write(out, "external", report)
    draw(out / "external.png", results)


if __name__ == "__main__":
    run(main)
