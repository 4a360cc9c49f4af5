"""What is a model worth on films of other hospitals? No weight or threshold was fitted there.

    python -m bonefx_train.studies.external --data DIR [MODEL ...] [--views NAME ...] [--films N]
                                   [--out FOLDER]

DIR is the data folder, with elsewhere/ and oai_knee/. Without MODEL, the shipped ones; without
--views, every reading that a model has. Each film goes through the device path, gate included, at
the reading's default operating point, which was fixed before. Choices were made with these films
in sight, though: how lite0's views are combined, which of its two fits ships, and which layers its
gate reads (docs/decisions/0015, 0016 and 0017). Writes external.json, external.md and
external.png (scores, no film); prints the tables.
"""

import csv
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import BonefxError
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import State
from bonefx_edge.model.bundled import find_model, shipped_models
from bonefx_edge.model.model_file import ModelFile

from bonefx_train.data.boxes import BOXES_NAME, Box
from bonefx_train.data.dataset import Sample, find_samples
from bonefx_train.data.sample import Label
from bonefx_train.evaluation.evaluate import INTERVAL, evaluate
from bonefx_train.evaluation.report import Figure
from bonefx_train.progress import track
from bonefx_train.studies.external_report import (
    BTXRD,
    CAVEAT,
    OAI,
    SETS,
    WEB,
    Result,
    SetResult,
    draw,
    markdown,
    scores,
)
from bonefx_train.studies.localization_figures import Look, look_at, pointing_figures

SIDES = {"auc": (WEB, BTXRD), "auc_with_oai_knee": (WEB, BTXRD, OAI)}
"""Which films each AUC is over."""
BELOW_ELSEWHERE = (WEB, BTXRD)
"""The folders of elsewhere/; a new one needs a name, a description and a place in the AUCs."""
FRACTURED_FIGURES = ("sensitivity", "called_fracture", "uncertain")
INTACT_FIGURES = ("specificity", "called_no_fracture", "uncertain")
BOX_CLASSES = ("fracture", "line", "angle", "messed_up_angle")
"""All that the file has, and each was seen to mark a fracture on the films themselves: a break, a
hairline, a bent cortex, a displaced break. Another class stops the run: its meaning is unknown."""


def read_sets(data: Path, *, films: int | None) -> dict[str, list[Sample]]:
    """Return the films of each set, without body part: it is not known of each film alike."""
    sets: dict[str, list[Sample]] = {name: [] for name in SETS}
    for sample in find_samples(data / "elsewhere")[0]:
        folder = sample.key.split("/")[0]
        if folder not in BELOW_ELSEWHERE:
            sys.exit(f"error: {data / 'elsewhere'}: expected {BELOW_ELSEWHERE}, got {sample.key}")
        sets[folder].append(sample)
    sets[OAI] += find_samples(data / OAI)[0]
    for name, samples in sets.items():
        expected = Label.FRACTURED if name == WEB else Label.NOT_FRACTURED
        if not samples or {sample.label for sample in samples} != {expected}:
            sys.exit(f"error: {name}: expected {expected} films only, got {len(samples)} films")
        if films is not None and films < len(samples):
            drawn = np.random.default_rng(0).choice(len(samples), films, replace=False)
            sets[name] = [samples[i] for i in sorted(drawn.tolist())]
    return {
        name: [dataclasses.replace(sample, body_part="") for sample in samples]
        for name, samples in sets.items()
    }


def read_corner_boxes(path: Path, samples: Sequence[Sample]) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of each film in shares of it, from corners in the file's pixels."""
    rows: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["class"] not in BOX_CLASSES:
                sys.exit(f"error: {path}: expected a class of {BOX_CLASSES}, got {row['class']}")
            rows.setdefault(row["path"], []).append(row)
    boxes = {}
    for sample in samples:
        height, width = decode(read_file(sample.path)).pixels.shape
        corners = [
            [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
            for row in rows.get(sample.key, [])
        ]
        inside = [0 <= a < c <= width and 0 <= b < d <= height for a, b, c, d in corners]
        if not inside or not all(inside):
            sys.exit(f"error: {path}: expected boxes inside {sample.key}, got {corners}")
        boxes[sample.key] = tuple(
            Box(a / width, b / height, c / width, d / height) for a, b, c, d in corners
        )
    return boxes


def examine(
    classifier: Classifier,
    sets: Mapping[str, list[Sample]],
    boxes: Mapping[str, tuple[Box, ...]],
) -> Result:
    """Return all that is measured of one model and reading."""
    findings: dict[str, list[Finding]] = {}
    looks: list[Look] = []
    for name, samples in sets.items():
        findings[name] = []
        for sample in track(samples, label=f"{name}, {classifier.reading.name}"):
            if name == WEB:
                looks.append(look_at(classifier, sample, boxes[sample.key]))
                findings[name].append(looks[-1].finding)
            else:
                findings[name].append(classifier.classify(sample.path))
    has_map = classifier.manifest.output.map is not None
    has_tiles = bool(classifier.reading.tiles)
    return Result(
        classifier=classifier,
        findings=findings,
        sets=tuple(_set_result(name, sets, findings, classifier) for name in sets),
        aucs=tuple(
            dataclasses.replace(_figures(names, sets, findings, classifier, ("auc",))[0], name=auc)
            for auc, names in SIDES.items()
        ),
        pointing=tuple(pointing_figures(looks, has_map=has_map, has_tiles=has_tiles)),
        has_map=has_map,
    )


def _set_result(
    name: str,
    sets: Mapping[str, list[Sample]],
    findings: Mapping[str, list[Finding]],
    classifier: Classifier,
) -> SetResult:
    p = scores(findings[name])
    quartiles = None
    if p.size:
        q25, median, q75 = np.percentile(p, [25, 50, 75])
        quartiles = {"q25": float(q25), "median": float(median), "q75": float(q75)}
    wanted = FRACTURED_FIGURES if name == WEB else INTACT_FIGURES
    states = Counter(finding.state for finding in findings[name])
    return SetResult(
        name=name,
        films=len(sets[name]),
        answered=len(p),
        refused=dict(Counter(f.reason.value for f in findings[name] if f.reason)),
        states={state.value: states[state] for state in State},
        p_fracture=quartiles,
        figures=_figures((name,), sets, findings, classifier, wanted),
    )


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


def open_classifiers(models: Sequence[str], *, views: Sequence[str]) -> list[Classifier]:
    """Return a classifier for each model and reading; no views named: all that a model has."""
    classifiers = []
    for model in models:
        path = find_model(model)
        names = views or [reading.name for reading in ModelFile.read(path).manifest.readings]
        classifiers += [Classifier.load(path, views=name) for name in names]
    return classifiers


def to_record(result: Result) -> dict[str, object]:
    """Return one result as JSON holds it."""
    classifier = result.classifier
    return {
        "name": result.name,
        "model": dataclasses.asdict(classifier.model),
        "kind": classifier.manifest.kind,
        "reading": classifier.reading.name,
        "operating_point": dataclasses.asdict(classifier.operating_point),
        "runtime": dataclasses.asdict(classifier.runtime),
        "aucs": [dataclasses.asdict(figure) for figure in result.aucs],
        "sets": [dataclasses.asdict(each) for each in result.sets],
        "has_map": result.has_map,
        "pointing": [dataclasses.asdict(figure) for figure in result.pointing],
    }


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Default: the shipped ones.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="The data folder, with elsewhere/ and oai_knee/.")],
    views: Annotated[list[str] | None, typer.Option(help="Default: all of each model.")] = None,
    films: Annotated[int | None, typer.Option(min=2, help="Only so many of each set.")] = None,
    out: Path = Path("benchmarks/reference"),
) -> None:
    """Examine every model and reading, write."""
    try:
        classifiers = open_classifiers(models or list(shipped_models()), views=views or [])
        sets = read_sets(data, films=films)
        boxes = read_corner_boxes(data / "elsewhere" / BOXES_NAME, sets[WEB])
        results = [examine(classifier, sets, boxes) for classifier in classifiers]
    except BonefxError as err:
        sys.exit(f"error: {err}")
    report = {
        "notice": NOTICE,
        "caveat": CAVEAT,
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
        "results": [to_record(result) for result in results],
    }
    text = markdown(results, report)
    out.mkdir(parents=True, exist_ok=True)
    (out / "external.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    (out / "external.md").write_text(text)
    draw(out / "external.png", results)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
