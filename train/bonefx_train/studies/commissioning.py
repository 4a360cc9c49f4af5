"""Commissioning: what a site profile from 60 normal films gives on the other films of a source.

    python -m bonefx_train.studies.commissioning [MODEL] --data DIR [--cache FILE] [--out FOLDER]

DIR is the data folder. Each film is classified once, as on the device, input check included; with
--cache, the answers are kept in FILE for the next run of the same model. Then, 100 times with a
fixed seed, 60 patients of a source are drawn, the device's code chooses the threshold from the
scores of their normal films, and the states of the films of all other patients measure it: a film
with a caution is uncertain. Writes commissioning.json and .md; prints the page.
"""

import dataclasses
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
from bonefx_edge.inference.decision import OperatingPoint, State
from bonefx_edge.model.bundled import DEFAULT_MODEL
from numpy.typing import NDArray

from bonefx_train.data.dataset import find_samples
from bonefx_train.data.sample import Label, Sample
from bonefx_train.progress import track
from bonefx_train.studies.command import run
from bonefx_train.studies.external_sets import BTXRD, FOLDER
from bonefx_train.studies.pages import REFERENCES, describe_model, write

SOURCES: Final = {
    "stanford": ("stanford", "", None, "upper limbs of one hospital, both classes"),
    BTXRD: (FOLDER, f"{BTXRD}/", None, "limbs and pelves, normal only"),
    "boneage": ("boneage", "", "test", "children's hands with growth plates, normal only"),
}
"""Name -> folder, start of the keys, split, what it is. The hands of train fitted the detector of
children, so they would be found unfamiliar too often."""
DRAWS: Final = 100
SEED: Final = 14
WANTED: Final = 0.1
"""Share of normal films called fracture."""
CONFIDENCE: Final = 0.9
TOLERATED: Final = 0.03
"""Specificity on average above the wanted one, for which the guarantee is affordable."""
PERCENTILES: Final = (5, 50, 95)


Answers = dict[str, tuple[float, float] | None]
"""By key: p_fracture of a film, and the highest threshold at which it is called fracture, 0 where
there is none; None for a refused film."""


@dataclass(frozen=True, slots=True)
class Source:
    """The answered films of one source: scores, and what they are called by."""

    normal: list[NDArray[np.float64]]
    """p_fracture of the normal films of each patient: (films,)."""
    normal_calls: list[NDArray[np.float64]]
    """As `normal`: 0 for films that are never called fracture."""
    fractured: NDArray[np.float64]
    """p_fracture of the fractured films, (films,); empty where there are none."""
    fractured_calls: NDArray[np.float64]
    """As `fractured`: 0 for films that are never called fracture."""


def read_source(data: Path, name: str) -> list[Sample]:
    """Return the films of a source below the data folder that no part of the model was made with.

    Raises
    ------
    DataError
        If the folder of the source cannot be read.
    """
    folder, start, split, _ = SOURCES[name]
    return [
        sample
        for sample in find_samples(data / folder)[0]
        if sample.key.startswith(start) and split in (None, sample.split)
    ]


def answer(classifier: Classifier, sample: Sample) -> tuple[float, float] | None:
    """Return what `Answers` holds of one film."""
    analysis = classifier.analyze(sample.path)
    p_fracture, evidence = analysis.finding.p_fracture, analysis.evidence
    if p_fracture is None or evidence is None:
        return None
    # Its own score is the highest threshold that it reaches; cautions may say no even there.
    point = dataclasses.replace(
        classifier.operating_point, no_fracture_below=0.0, fracture_from=p_fracture
    )
    decision = dataclasses.replace(classifier.rules, operating_point=point).judge(evidence)
    return p_fracture, p_fracture if decision.state is State.FRACTURE else 0.0


def read_answers(
    classifier: Classifier, name: str, samples: Sequence[Sample], cache: Answers
) -> Answers:
    """Return the answers of the films of a source; `cache` is filled."""
    for sample in track(samples, label=name):
        key = f"{name}/{sample.key}"
        if key not in cache:
            cache[key] = answer(classifier, sample)
    return {sample.key: cache[f"{name}/{sample.key}"] for sample in samples}


def make_source(samples: Sequence[Sample], answers: Answers) -> Source:
    """Return the answered films of a source, by patient."""
    groups: dict[str, list[tuple[float, float]]] = {}
    fractured = []
    for sample in samples:
        found = answers[sample.key]
        if found is None:
            continue
        if sample.label is Label.FRACTURED:
            fractured.append(found)
        else:
            groups.setdefault(sample.group, []).append(found)
    pairs = [np.array(group) for group in groups.values()]
    both = np.array(fractured).reshape(-1, 2)
    return Source([g[:, 0] for g in pairs], [g[:, 1] for g in pairs], both[:, 0], both[:, 1])


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
        others = np.concatenate([source.normal_calls[i] for i in order[n:]])
        specificity.append(float((others <= threshold).mean()))
        if source.fractured.size:
            called.append(float((source.fractured_calls > threshold).mean()))
        chosen.append(float(threshold))
    return {
        "specificity": _percentiles(specificity),
        "draws_below_wanted": float(np.mean(np.array(specificity) < 1 - WANTED)),
        "called_fracture": _percentiles(called) if called else None,
        "fracture_from": _percentiles(chosen),
    }


def examine(source: Source, own: OperatingPoint) -> dict[str, Any]:
    """Return the figures of one source: without a profile, and by each rule."""
    normal, calls = np.concatenate(source.normal), np.concatenate(source.normal_calls)
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
    fractured, fractured_calls = source.fractured, source.fractured_calls
    return {
        "answered": {"normal": len(normal), "fractured": len(fractured)},
        "patients": len(source.normal),
        "with_caution": {"normal": _share(calls == 0), "fractured": _share(fractured_calls == 0)},
        "without": {
            "specificity": float((calls < own.fracture_from).mean()),
            "called_fracture": _share(fractured_calls >= own.fracture_from),
            # What has a caution is uncertain, so not called no fracture.
            "sensitivity": _share((fractured >= own.no_fracture_below) | (fractured_calls == 0)),
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


def _load_cache(path: Path | None, classifier: Classifier) -> Answers:
    """Return the answers in a file, if they are of this model and mode."""
    if path is None or not path.is_file():
        return {}
    kept = json.loads(path.read_text())
    same = (kept["sha256"], kept["mode"]) == (classifier.model.sha256, classifier.mode.name)
    answers: Answers = kept.get("answers", {}) if same else {}
    return answers


def main(
    model: Annotated[str, typer.Argument(help="A bundled model, or a model file.")] = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option(help="The data folder.")],
    cache: Annotated[Path | None, typer.Option(help="Keeps the answers; not for release.")] = None,
    out: Path = REFERENCES,
) -> None:
    """Classify, draw, write."""
    classifier = Classifier.load(model)
    answers = _load_cache(cache, classifier)
    results = []
    for name, (*_, what) in SOURCES.items():
        samples = read_source(data, name)
        found = make_source(samples, read_answers(classifier, name, samples, answers))
        figures = examine(found, classifier.operating_point)
        results.append({"name": name, "what": what, "films": len(samples)} | figures)
    if cache is not None:
        kept = {
            "sha256": classifier.model.sha256,
            "mode": classifier.mode.name,
            "answers": answers,
        }
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
