"""What does decoding large films smaller change in the answer, and what does it save? One run.

    python benchmarks/reduction.py DATA/fullsize [--model NAME ...] [--out FILE]

Each film is read as the product reads it and whole, one right after the other, several times.
"""

import math
import statistics
from pathlib import Path
from typing import Annotated
from unittest import mock

import numpy as np
import typer
from bonefx_edge import decode as decoding
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Finding
from bonefx_edge.shipped import find_model
from latency import circumstances, report

ROUNDS = 3


def whole(classifier: Classifier, film: Path) -> Finding:
    """Return the finding for a film that is not reduced."""
    real = decoding.decode
    with mock.patch("bonefx_edge.classifier.decode", lambda data, **_: real(data)):
        return classifier.classify(film)


def logit(finding: Finding) -> float:
    p = finding.p_fracture or math.nan
    return math.log(p / (1.0 - p))


def compare(model: str, views: str, films: list[Path]) -> dict[str, object]:
    """Return how far the answers are apart, and how long both take, medians in milliseconds."""
    classifier = Classifier.load(find_model(model), views=views)
    pairs = [
        (classifier.classify(film), whole(classifier, film))
        for _ in range(1 + ROUNDS)
        for film in films
    ][len(films) :]
    first = pairs[: len(films)]
    answered = [(a, b) for a, b in first if not a.reason and not b.reason]
    apart = [abs(logit(a) - logit(b)) for a, b in answered]
    ratios = [(b.timings.total_ms or 0.0) / (a.timings.total_ms or 1.0) for a, b in pairs]
    return {
        "model": model,
        "views": views,
        "films": len(films),
        "answered": len(answered),
        "refused_by_one_only": sum(bool(a.reason) != bool(b.reason) for a, b in first),
        "logit_apart_max": round(max(apart), 3),
        "logit_apart_median": round(statistics.median(apart), 3),
        "logit_shift_mean": round(statistics.mean(logit(a) - logit(b) for a, b in answered), 3),
        "other_state": sum(a.state is not b.state for a, b in answered),
        "opposite_state": sum(
            {a.state, b.state} == {"fracture", "no_fracture"} for a, b in answered
        ),
        "reduced_ms": round(float(np.median([a.timings.total_ms or 0.0 for a, _ in pairs])), 1),
        "whole_ms": round(float(np.median([b.timings.total_ms or 0.0 for _, b in pairs])), 1),
        "whole_by_reduced": round(statistics.median(ratios), 2),
    }


def main(
    folder: Path,
    model: Annotated[list[str] | None, typer.Option(help="Model files or names.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    films = sorted(folder.glob("*.jpg"))
    rows = [
        compare(name, views, films)
        for name in model or ["lite0-int8", "lite0-float16"]
        for views in ("closer", "whole")
    ]
    report({**circumstances(), "rounds": ROUNDS, "rows": rows}, out)


if __name__ == "__main__":
    typer.run(main)
