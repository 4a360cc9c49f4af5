"""What does int8 cost? Every model file on the same labelled films, through the device path.

    python -m bonefx_train.studies.quantization_cost [MODEL ...] --data DIR [--split test]
        [--views V] [--out DIR]

DIR is a data set that states its splits (for the shipped models: the FracAtlas folder, whose test
split took no part in training, temperature, operating points or gate), or the run that the models
were made from: bonefx-train divided its films, and only the run knows how. Without MODEL, the
shipped ones. Each is measured on the films that it answered, and compared with the float file of
its own network on those that both answered. Writes quantization_cost.json, .md
and .png; prints the table.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.bundled import find_model, shipped_models

from bonefx_train.data.dataset import Sample, check_unchanged, load_dataset
from bonefx_train.data.sample import Label
from bonefx_train.evaluation.evaluate import evaluate
from bonefx_train.evaluation.metrics import auc, bootstrap_by_group, distinct_scores
from bonefx_train.evaluation.report import Evaluation
from bonefx_train.progress import track
from bonefx_train.run import SETTINGS_NAME, Run
from bonefx_train.studies.quantization_cost_report import (
    Scored,
    both_answered,
    draw,
    kept,
    markdown,
)

FLOAT_KINDS = ("float32", "float16")
"""The first of these that a network has is what its others are held against."""


def find_films(data: Path, split: str) -> tuple[str, tuple[Sample, ...]]:
    """Return the name of the data set and the films of one split, as the fit saw it."""
    if (data / SETTINGS_NAME).is_file():
        run = Run.open(data)
        check_unchanged(run.of(split))
        return run.settings.data_name, run.of(split)
    dataset = load_dataset(data, seed=0)
    if split not in dataset.stated_splits:
        # Divided anew, most of these films would be ones that the model was fitted on.
        sys.exit(f"error: {data} does not say which films are {split}; give the run's folder")
    return data.name, dataset.of(split)


def score(model: str, samples: tuple[Sample, ...], *, views: str | None) -> Scored:
    """Classify every film with one model file, as the device would."""
    classifier = Classifier.load(find_model(model), views=views)
    findings = tuple(
        classifier.classify(sample.path) for sample in track(samples, label=f"reading, {model}")
    )
    manifest = classifier.manifest
    return Scored(f"{manifest.name}-{manifest.kind}", manifest.kind, classifier, findings)


def measure(
    scored: Scored, samples: Sequence[Sample], *, split: str, baseline_auc: float | None
) -> Evaluation:
    """Return the figures of one model over the films that it answered."""
    return evaluate(
        scored.p_fracture(),
        kept(samples, scored.answered()),
        operating_point=scored.classifier.operating_point,
        split=split,
        baseline_auc=baseline_auc,
        refused=scored.refused(samples),
    )


def pair(all_scored: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    """Return (model, the reference of its network) for each model that is not a reference.

    The reference is the first float kind of the network; without one, its first file.
    """
    pairs = []
    for scored in all_scored:
        same = [other for other in all_scored if other.network == scored.network]
        floats = [other for kind in FLOAT_KINDS for other in same if other.kind == kind]
        reference = [*floats, *same][0]
        if scored is not reference:
            pairs.append((scored, reference))
    return pairs


def compare(scored: Scored, reference: Scored, samples: Sequence[Sample]) -> dict[str, object]:
    """Return what `scored` changes against `reference`, every changed film by name.

    Each kind measures distance by features of its own: a film at the limit may pass one only. Such
    a film is counted, and is in no other figure.
    """
    by_one = int((scored.answered() ^ reference.answered()).sum())
    scored, reference, samples = both_answered(scored, reference, samples)
    p, q = scored.p_fracture(), reference.p_fracture()
    fractured = np.array([sample.label is Label.FRACTURED for sample in samples])
    groups = [sample.group for sample in samples]
    low, high = bootstrap_by_group(
        lambda w: auc(p, fractured, w) - auc(q, fractured, w), groups, seed=0
    )
    pairs = zip(samples, scored.findings, reference.findings, strict=True)
    flips = [
        {
            "film": sample.key,
            "label": sample.label.value,
            "from": before.state.value,
            "to": after.state.value,
            "class_from": before.class_index,
            "class_to": after.class_index,
            "p_from": before.p_fracture,
            "p_to": after.p_fracture,
        }
        for sample, after, before in pairs
        if (after.state, after.class_index) != (before.state, before.class_index)
    ]
    return {
        "model": scored.name,
        "reference": reference.name,
        "auc_change": float(auc(p, fractured) - auc(q, fractured)),
        "auc_change_95": [low, high],
        "largest_p_change": float(np.abs(p - q).max()),
        "median_p_change": float(np.median(np.abs(p - q))),
        "distinct_scores": distinct_scores(p),
        "films": len(samples),
        "answered_by_one": by_one,
        "state_flips": sum(flip["from"] != flip["to"] for flip in flips),
        "class_flips": sum(flip["class_from"] != flip["class_to"] for flip in flips),
        "flips": flips,
    }


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Default: the shipped ones.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="Labelled films with splits, or a run.")],
    split: str = "test",
    views: Annotated[str | None, typer.Option(help="closer or whole; default: each's own.")] = None,
    baseline_auc: Annotated[float | None, typer.Option(help="Known no-pixel AUC.")] = None,
    out: Path = Path("benchmarks/reference"),
) -> None:
    """Score, compare, write."""
    data_name, samples = find_films(data, split)
    all_scored = [score(model, samples, views=views) for model in models or shipped_models()]
    evaluations = [
        measure(scored, samples, split=split, baseline_auc=baseline_auc) for scored in all_scored
    ]
    pairs = pair(all_scored)
    comparisons = [compare(scored, reference, samples) for scored, reference in pairs]
    title = f"int8 against float: {data_name} {split}"
    text = markdown(all_scored, evaluations, comparisons, title=title, baseline_auc=baseline_auc)
    report = {
        "notice": NOTICE,
        "models": [dataclasses.asdict(scored.classifier.model) for scored in all_scored],
        "runtime": dataclasses.asdict(all_scored[0].classifier.runtime),
        "evaluations": [json.loads(evaluation.to_json()) for evaluation in evaluations],
        "comparisons": comparisons,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "quantization_cost.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "quantization_cost.md").write_text(text)
    if pairs:
        draw(out / "quantization_cost.png", pairs, samples)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
