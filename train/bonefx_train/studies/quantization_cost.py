"""Quantization cost: every model file on the same labelled films, as the device classifies them.

    python -m bonefx_train.studies.quantization_cost [MODEL ...] --data DIR [--split test]
        [--mode MODE] [--out DIR]

DIR is a data set that states its splits. For the shipped models this is the FracAtlas folder: its
test split chose no weight, temperature, operating point or input check. Or it is the run that the
models were made from. Without MODEL: the shipped ones. Each model is measured on the films that it
answered, and compared with the float file of its own network on those that both answered. Writes
quantization_cost.json, .md and .png; prints the page.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Finding
from bonefx_edge.model.bundled import bundled_models, find_model
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.evaluation.evaluate import evaluate
from bonefx_train.evaluation.metrics import auc, bootstrap_by_group, distinct_scores, wilson
from bonefx_train.evaluation.report import Evaluation
from bonefx_train.progress import track
from bonefx_train.studies.command import read_split, run
from bonefx_train.studies.pages import REFERENCES, describe_model, write

FLOAT_KINDS: Final = ("float32", "float16")
"""The first of these that a network has is the reference of its other files."""

T = TypeVar("T")


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
        """Return p_fracture of the answered films, (answered,), [0, 1]."""
        p = [f.p_fracture for f in self.findings if f.p_fracture is not None]
        return np.array(p, np.float64)

    def refused(self, samples: Sequence[Sample]) -> tuple[tuple[str, str], ...]:
        """Return (key, reason code) of the films that this model refused."""
        found = zip(samples, self.findings, strict=True)
        return tuple((sample.key, f.reason.value) for sample, f in found if f.reason is not None)

    def only(self, mask: NDArray[np.bool_]) -> "Scored":
        """Return the same without the films that are not kept."""
        return dataclasses.replace(self, findings=tuple(_kept(self.findings, mask)))


def score(model: str, samples: Sequence[Sample], *, mode: str | None) -> Scored:
    """Classify every film with one model file, as the device does."""
    classifier = Classifier.load(find_model(model), mode=mode)
    findings = tuple(
        classifier.classify(sample.path) for sample in track(samples, label=f"classifying, {model}")
    )
    manifest = classifier.manifest
    return Scored(f"{manifest.name}-{manifest.kind}", manifest.kind, classifier, findings)


def measure(
    scored: Scored, samples: Sequence[Sample], *, split: str, baseline_auc: float | None
) -> Evaluation:
    """Return the figures of one model over the films that it answered."""
    return evaluate(
        scored.p_fracture(),
        _kept(samples, scored.answered()),
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


def _rounded_class(finding: Finding) -> int:
    """Return the class without operating point: 0 from p_fracture 0.5 on."""
    return int(finding.p_fracture is not None and finding.p_fracture < 0.5)  # noqa: PLR2004


def compare(scored: Scored, reference: Scored, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what `scored` changes against `reference`, every changed film by name.

    Each kind measures the distance of the input check by its own features, so a film at the limit
    may be answered by one only. Such a film is counted, and is in no other figure.
    """
    by_one = int((scored.answered() ^ reference.answered()).sum())
    scored, reference, samples = _both_answered(scored, reference, samples)
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
            "class_from": _rounded_class(before),
            "class_to": _rounded_class(after),
            "p_from": before.p_fracture,
            "p_to": after.p_fracture,
        }
        for sample, after, before in pairs
        if (after.state, _rounded_class(after)) != (before.state, _rounded_class(before))
    ]
    changed = sum(flip["from"] != flip["to"] for flip in flips)
    share = wilson(changed, len(samples))
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
        "state_flips": changed,
        "state_flips_95": [share.low, share.high],
        "class_flips": sum(flip["class_from"] != flip["class_to"] for flip in flips),
        "flips": flips,
    }


def draw(path: Path, pairs: Sequence[tuple[Scored, Scored]], samples: Sequence[Sample]) -> None:
    """Write a scatter plot of p_fracture of each model against its reference."""
    figure = Figure(figsize=(5.2 * len(pairs), 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, pair_of in zip(np.ravel(figure.subplots(1, len(pairs))), pairs, strict=True):
        scored, reference, films = _both_answered(*pair_of, samples)
        fractured = np.array([film.label is Label.FRACTURED for film in films])
        for mask, color, label in (
            (~fractured, "#1f5fa8", "not fractured"),
            (fractured, "#c8590a", "fractured"),
        ):
            x, y = reference.p_fracture()[mask], scored.p_fracture()[mask]
            axes.scatter(x, y, s=9, alpha=0.6, color=color, label=label, linewidths=0)
        point = scored.classifier.operating_point
        for threshold in (point.no_fracture_below, point.fracture_from):
            axes.axhline(threshold, color="#777777", linewidth=0.8, linestyle="--")
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=0.8)
        axes.set(xlabel=f"p_fracture, {reference.name}", ylabel=f"p_fracture, {scored.name}")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.legend(loc="upper left")
    figure.suptitle("One dot per image; dashed: the operating point")
    figure.savefig(path)


def _kept(values: Sequence[T], mask: NDArray[np.bool_]) -> list[T]:
    return [value for value, yes in zip(values, mask, strict=True) if yes]


def _both_answered(
    scored: Scored, reference: Scored, samples: Sequence[Sample]
) -> tuple[Scored, Scored, list[Sample]]:
    """Return both models and the films, without the films that either of them refused."""
    both = scored.answered() & reference.answered()
    if not both.any():
        msg = f"no film was answered by both {scored.name} and {reference.name}"
        raise DataError(msg)
    return scored.only(both), reference.only(both), _kept(samples, both)


def compare_files(
    models: Sequence[str],
    *,
    data: Path,
    split: str,
    mode: str | None,
    baseline_auc: float | None,
    out: Path,
) -> None:
    """Classify a split with each model file, and write and print the page.

    `models`: paths or names of bundled ones. `data`: labelled films with splits, or a run.
    Writes quantization_cost.json, .md and, where files are compared, .png into `out`.

    Raises
    ------
    DataError
        If `data` does not say which films are of that split.
    UsageError, ModelFileError, InterpreterError
        If a model cannot be used, or has no such mode.
    """
    data_name, samples = read_split(data, split)
    all_scored = [score(model, samples, mode=mode) for model in models]
    pairs = pair(all_scored)
    report = {
        "notice": NOTICE,
        "data": data_name,
        "modes": sorted({scored.classifier.mode.name for scored in all_scored}),
        "models": [describe_model(scored.classifier) for scored in all_scored],
        "runtime": all_scored[0].classifier.runtime,
        "evaluations": [
            measure(scored, samples, split=split, baseline_auc=baseline_auc)
            for scored in all_scored
        ],
        "comparisons": [compare(scored, reference, samples) for scored, reference in pairs],
    }
    write(out, "quantization_cost", report)
    if pairs:
        draw(out / "quantization_cost.png", pairs, samples)


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Default: the shipped ones.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="Labelled films with splits, or a run.")],
    split: str = "test",
    mode: Annotated[str | None, typer.Option(help="Default: that of each model.")] = None,
    baseline_auc: Annotated[float | None, typer.Option(help="Known no-pixel AUC.")] = None,
    out: Path = REFERENCES,
) -> None:
    """Score, compare, write."""
    compare_files(
        models or list(bundled_models()),
        data=data,
        split=split,
        mode=mode,
        baseline_auc=baseline_auc,
        out=out,
    )


if __name__ == "__main__":
    run(main)
