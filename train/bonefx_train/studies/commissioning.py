"""Commissioning: what a site profile from 60 normal films gives on the other films of a source.

    python -m bonefx_train.studies.commissioning [MODEL] --data DIR [--cache FILE] [--out FOLDER]

DIR is the data folder. Each film is classified once, as on
the device, input check included; with --cache, the scores are kept in FILE for the next run of
the same model. Then, 100 times with a fixed seed, 60 patients of a source are drawn, the device's
code chooses the threshold from their normal films, and the films of all other patients measure
it. Writes commissioning.json and .md; prints the page.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.diagnostics.commissioning.guarantee import Choice, Rule, choose
from bonefx_edge.diagnostics.commissioning.thresholds import MIN_PATIENTS
from bonefx_edge.inference.decision import OperatingPoint
from bonefx_edge.model.bundled import DEFAULT_MODEL
from numpy.typing import NDArray

from bonefx_train.data.dataset import find_samples
from bonefx_train.data.sample import Label, Sample
from bonefx_train.progress import track
from bonefx_train.studies.command import run
from bonefx_train.studies.external_sets import BTXRD, FOLDER
from bonefx_train.studies.pages import REFERENCES, describe_model, write

SOURCES: Final = {
    "stanford": ("stanford", "", "upper limbs of one hospital, both classes"),
    BTXRD: (FOLDER, f"{BTXRD}/", "limbs and pelves, normal only"),
    "boneage": ("boneage", "", "children's hands with growth plates, normal only"),
}
"""Name -> folder, start of the keys, what it is."""
DRAWS: Final = 100
SEED: Final = 14
WANTED: Final = 0.1
"""Share of normal films called fracture."""
CONFIDENCE: Final = 0.9
TOLERATED: Final = 0.03
"""Specificity on average above the wanted one, for which the guarantee is affordable."""
PERCENTILES: Final = (5, 50, 95)


@dataclass(frozen=True, slots=True)
class Source:
    """The answered films of one source: scores of its patients."""

    normal: list[NDArray[np.float64]]
    """p_fracture of the normal films of each patient."""
    fractured: NDArray[np.float64]
    """p_fracture of the fractured films; empty where there are none."""


def read_scores(
    classifier: Classifier, name: str, samples: Sequence[Sample], cache: dict[str, float | None]
) -> dict[str, float | None]:
    """Return p_fracture of each film by key, None for a refused one; `cache` is filled."""
    for sample in track(samples, label=name):
        key = f"{name}/{sample.key}"
        if key not in cache:
            cache[key] = classifier.classify(sample.path).p_fracture
    return {sample.key: cache[f"{name}/{sample.key}"] for sample in samples}


def make_source(samples: Sequence[Sample], scores: dict[str, float | None]) -> Source:
    """Return the answered films of a source, by patient."""
    groups: dict[str, list[float]] = {}
    fractured = []
    for sample in samples:
        score = scores[sample.key]
        if score is None:
            continue
        if sample.label is Label.FRACTURED:
            fractured.append(score)
        else:
            groups.setdefault(sample.group, []).append(score)
    return Source([np.array(group) for group in groups.values()], np.array(fractured))


def draw(source: Source, choice: Choice, *, n: int, seed: int = SEED) -> dict[str, Any]:
    """Return what thresholds from `n` random patients do to the films of the others.

    Parameters
    ----------
    choice
        Of the scores 0 to n - 1: its threshold is the rank, from 0.
    """
    rng = np.random.default_rng(seed)
    specificity, called, chosen = [], [], []
    for _ in range(DRAWS):
        order = rng.permutation(len(source.normal))
        worst = np.sort([source.normal[i].max() for i in order[:n]])
        threshold = worst[int(choice.threshold)]
        others = np.concatenate([source.normal[i] for i in order[n:]])
        specificity.append(float((others <= threshold).mean()))
        if source.fractured.size:
            called.append(float((source.fractured > threshold).mean()))
        chosen.append(float(threshold))
    return {
        "specificity": _percentiles(specificity),
        "draws_below_wanted": float(np.mean(np.array(specificity) < 1 - WANTED)),
        "called_fracture": _percentiles(called) if called else None,
        "fracture_from": _percentiles(chosen),
    }


def examine(source: Source, own: OperatingPoint) -> dict[str, Any]:
    """Return the figures of one source: without a profile, and by each rule."""
    normal = np.concatenate(source.normal)
    rules = []
    for rule in Rule:
        choice = choose(range(MIN_PATIENTS), wanted=WANTED, confidence=CONFIDENCE, rule=rule)
        if choice is None:
            msg = f"{rule}: {MIN_PATIENTS} patients choose no threshold"
            raise ValueError(msg)
        rules.append(
            {"rule": rule.value, "expected": choice.expected, "at_most": choice.at_most}
            | draw(source, choice, n=MIN_PATIENTS)
        )
    fractured = source.fractured
    return {
        "answered": {"normal": len(normal), "fractured": len(fractured)},
        "patients": len(source.normal),
        "without": {
            "specificity": float((normal < own.fracture_from).mean()),
            "called_fracture": _share(fractured >= own.fracture_from),
            "sensitivity": _share(fractured >= own.no_fracture_below),
        },
        "rules": rules,
    }


def patients_for_both() -> int:
    """Return with how many patients the guarantee costs no more than `TOLERATED` specificity."""
    n = MIN_PATIENTS
    while True:
        choice = choose(range(n), wanted=WANTED, confidence=CONFIDENCE, rule=Rule.GUARANTEED)
        if choice is not None and 1 - choice.expected <= 1 - WANTED + TOLERATED:
            return n
        n += 1


def _share(holds: NDArray[np.bool_]) -> float | None:
    return float(holds.mean()) if holds.size else None


def _percentiles(numbers: Sequence[float]) -> list[float]:
    found: list[float] = np.percentile(numbers, PERCENTILES).tolist()
    return found


def _load_cache(path: Path | None, classifier: Classifier) -> dict[str, float | None]:
    """Return the scores in a file, if they are of this model and mode."""
    if path is None or not path.is_file():
        return {}
    kept = json.loads(path.read_text())
    same = (kept["sha256"], kept["mode"]) == (classifier.model.sha256, classifier.mode.name)
    scores: dict[str, float | None] = kept["scores"] if same else {}
    return scores


def main(
    model: Annotated[str, typer.Argument(help="A bundled model, or a model file.")] = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option(help="The data folder.")],
    cache: Annotated[Path | None, typer.Option(help="Keeps the scores; not for release.")] = None,
    out: Path = REFERENCES,
) -> None:
    """Classify, draw, write."""
    classifier = Classifier.load(model)
    scores = _load_cache(cache, classifier)
    results = []
    for name, (folder, start, what) in SOURCES.items():
        samples = [s for s in find_samples(data / folder)[0] if s.key.startswith(start)]
        found = make_source(samples, read_scores(classifier, name, samples, scores))
        figures = examine(found, classifier.operating_point)
        results.append({"name": name, "what": what, "films": len(samples)} | figures)
    if cache is not None:
        kept = {"sha256": classifier.model.sha256, "mode": classifier.mode.name, "scores": scores}
        cache.write_text(json.dumps(kept))
    report = {
        "notice": NOTICE,
        "model": describe_model(classifier),
        "mode": classifier.mode.name,
        "operating_point": classifier.operating_point.name,
        "draws": DRAWS,
        "seed": SEED,
        "n": MIN_PATIENTS,
        "wanted": WANTED,
        "confidence": CONFIDENCE,
        "percentiles": PERCENTILES,
        "tolerated": TOLERATED,
        "patients_for_both": patients_for_both(),
        "sources": results,
    }
    write(out, "commissioning", report)


if __name__ == "__main__":
    run(main)
