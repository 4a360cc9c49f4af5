"""What does int8 cost? Every model file on the same labelled films, through the device path.

    python benchmarks/accuracy.py --data DIR [MODEL ...] [--split test] [--views V] [--out DIR]

DIR is a data set that states its splits (for the shipped models: the FracAtlas folder, whose test
split took no part in training, temperature, operating points or gate), or the run that the models
were made from: bonefx-train divided its films, and only the run knows how. Without MODEL, the
shipped ones. Writes accuracy.json, accuracy.md and accuracy.png; prints the table.
"""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.cli import find_model
from bonefx_edge.finding import Finding
from bonefx_edge.shipped import shipped_models
from bonefx_train.dataset import Sample, check_unchanged, load_dataset
from bonefx_train.evaluate import evaluate
from bonefx_train.evaluation import Evaluation
from bonefx_train.evaluation import Figure as Measured
from bonefx_train.labels import Label
from bonefx_train.metrics import auc, bootstrap_by_group, distinct_scores
from bonefx_train.progress import track
from bonefx_train.run import SETTINGS_NAME, Run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

FLOAT_KINDS = ("float32", "float16")
"""The first of these is what the others are held against."""
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

    def only(self, kept: NDArray[np.bool_]) -> "Scored":
        """Return the same without the films that are not kept."""
        found = zip(self.findings, kept, strict=True)
        return dataclasses.replace(self, findings=tuple(finding for finding, yes in found if yes))

    def answered(self) -> NDArray[np.bool_]:
        """Return which films were not refused, (n,)."""
        return np.array([finding.p_fracture is not None for finding in self.findings])

    def p_fracture(self) -> NDArray[np.float64]:
        """Return p_fracture of the answered films, (answered,)."""
        p = [f.p_fracture for f in self.findings if f.p_fracture is not None]
        return np.array(p, np.float64)


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


def compare(scored: Scored, reference: Scored, samples: list[Sample]) -> dict[str, object]:
    """Return what `scored` changes against `reference`, every changed film by name."""
    p, q = scored.p_fracture(), reference.p_fracture()
    fractured = np.array([sample.label is Label.FRACTURED for sample in samples])
    groups = [sample.group for sample in samples]
    low, high = bootstrap_by_group(
        lambda w: auc(p, fractured, w) - auc(q, fractured, w), groups, seed=0
    )
    pairs = zip(samples, _answers(scored), _answers(reference), strict=True)
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
        "state_flips": sum(flip["from"] != flip["to"] for flip in flips),
        "class_flips": sum(flip["class_from"] != flip["class_to"] for flip in flips),
        "flips": flips,
    }


def _answers(scored: Scored) -> list[Finding]:
    return [finding for finding in scored.findings if finding.p_fracture is not None]


def markdown(
    all_scored: list[Scored],
    evaluations: list[Evaluation],
    comparisons: list[dict[str, object]],
    *,
    title: str,
    baseline_auc: float | None,
    refused: int,
) -> str:
    """Return the one table, the comparison, and the flips by film."""
    row = evaluations[0].rows[0]
    lines = [f"# {title}", "", f"**{NOTICE}**", ""]
    lines += [f"{row.n} films, {row.fractured} fractured, {row.groups} groups; {refused} refused."]
    readings = {scored.classifier.reading.name for scored in all_scored}
    lines += [f"Reading: {', '.join(sorted(readings))}."]
    lines += [f"Each cell: value (95 % interval). {evaluations[0].interval}.", ""]
    if baseline_auc is not None:
        lines += [f"Features that look at no pixel reach an AUC of {baseline_auc:.2f} here.", ""]
    lines += [f"| model | {' | '.join(FIGURES)} |", "|---" * (1 + len(FIGURES)) + "|"]
    for scored, evaluation in zip(all_scored, evaluations, strict=True):
        cells = (evaluation.rows[0].figure(name) for name in FIGURES)
        texts = [_cell(figure) for figure in cells]
        lines.append(f"| {scored.name} | {' | '.join(texts)} |")
    lines += ["", "## AUC by subset", ""]
    lines += [f"| films | n | fractured | {' | '.join(s.name for s in all_scored)} |"]
    lines += ["|---" * (3 + len(all_scored)) + "|"]
    for rows in zip(*(evaluation.rows for evaluation in evaluations), strict=True):
        texts = [_cell(r.figure("auc")) for r in rows]
        lines.append(f"| {rows[0].subset} | {rows[0].n} | {rows[0].fractured} | "
                     f"{' | '.join(texts)} |")  # fmt: skip
    for comparison in comparisons:
        lines += _comparison(comparison)
    return "\n".join([*lines, ""])


def _cell(figure: Measured) -> str:
    if figure.value is None or figure.low is None:
        return "undefined" if figure.value is None else f"{figure.value:.3f} (one group)"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _comparison(c: dict[str, object]) -> list[str]:
    low, high = c["auc_change_95"]  # type: ignore[misc]
    lines = [
        "",
        f"## {c['model']} against {c['reference']}",
        "",
        f"- AUC change {c['auc_change']:+.4f} (95 % {low:+.4f} to {high:+.4f})",
        f"- p_fracture change: median {c['median_p_change']:.4f}",
        f"- largest p_fracture change: {c['largest_p_change']:.4f}",
        f"- {c['distinct_scores']} distinct scores",
        f"- {c['state_flips']} state flips, {c['class_flips']} class flips in {c['films']} films",
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


def draw(
    path: Path, all_scored: list[Scored], reference: Scored, fractured: NDArray[np.bool_]
) -> None:
    """Write p_fracture of each model against the reference, film by film."""
    others = [scored for scored in all_scored if scored is not reference]
    figure = Figure(figsize=(5.2 * len(others), 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, scored in zip(np.ravel(figure.subplots(1, len(others))), others, strict=True):
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
    reference = next((s for s in all_scored if s.kind in FLOAT_KINDS), all_scored[0])
    # Each kind measures distance by features of its own: a film at the limit may pass one only.
    answered = np.all([scored.answered() for scored in all_scored], axis=0)
    all_scored = [scored.only(answered) for scored in all_scored]
    reference = next(s for s in all_scored if s.name == reference.name)
    kept = [sample for sample, yes in zip(samples, answered, strict=True) if yes]
    refused = tuple(
        (sample.key, "refused by at least one of the models")
        for sample, yes in zip(samples, answered, strict=True)
        if not yes
    )
    evaluations = [
        evaluate(
            scored.p_fracture(),
            kept,
            operating_point=scored.classifier.operating_point,
            split=split,
            baseline_auc=baseline_auc,
            refused=refused,
        )
        for scored in all_scored
    ]
    comparisons = [compare(s, reference, kept) for s in all_scored if s is not reference]
    title = f"int8 against float: {data_name} {split}"
    text = markdown(
        all_scored,
        evaluations,
        comparisons,
        title=title,
        baseline_auc=baseline_auc,
        refused=len(refused),
    )
    report = {
        "notice": NOTICE,
        "models": [dataclasses.asdict(scored.classifier.model) for scored in all_scored],
        "runtime": dataclasses.asdict(reference.classifier.runtime),
        "evaluations": [json.loads(evaluation.to_json()) for evaluation in evaluations],
        "comparisons": comparisons,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "accuracy.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "accuracy.md").write_text(text)
    if comparisons:
        fractured = np.array([sample.label is Label.FRACTURED for sample in kept])
        draw(out / "accuracy.png", all_scored, reference, fractured)
    print(text)


if __name__ == "__main__":
    typer.run(main)
