"""What a model file with cautions does on tune: states are counted, refusals aside."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
from bonefx_edge.inference.decision import Decision, OperatingPoint, State
from bonefx_edge.inference.input_check import InputCheckSpec
from bonefx_edge.inference.judge import Rules
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_train.data.sample import Sample
from bonefx_train.evaluation.evaluate import evaluate
from bonefx_train.evaluation.metrics import wilson

from bonefx_convert.cautions.films import TUNE, Film


def with_figures(mode: InferenceMode, check: InputCheckSpec, tune: list[Film]) -> InferenceMode:
    """Return the mode with sensitivity and specificity of each operating point as people see them.

    Thresholds stay. A film with a caution is uncertain: neither missed nor a false alarm.
    """
    points = tuple(_measure(mode, point, check, tune) for point in mode.operating_points)
    return dataclasses.replace(mode, operating_points=points)


def _measure(
    mode: InferenceMode, point: OperatingPoint, check: InputCheckSpec, tune: list[Film]
) -> OperatingPoint:
    states: dict[bool, list[State]] = {True: [], False: []}
    for film in answered(tune, check):
        states[is_fractured(film)].append(decide(film, mode, point, check).state)
    missed = sum(state is State.NO_FRACTURE for state in states[True])
    alarms = sum(state is State.FRACTURE for state in states[False])
    return dataclasses.replace(
        point,
        sensitivity=wilson(len(states[True]) - missed, len(states[True])),
        specificity=wilson(len(states[False]) - alarms, len(states[False])),
    )


def metrics(
    mode: InferenceMode, check: InputCheckSpec, tune: list[Film], samples: dict[str, Sample]
) -> dict[str, Any]:
    """Return the figures of the first operating point for the provenance, cautions counted.

    Parameters
    ----------
    samples
        Of tune, by path.
    """
    point, films = mode.operating_points[0], answered(tune, check)
    decisions = [decide(film, mode, point, check) for film in films]
    evaluation = evaluate(
        np.array([decision.p_fracture for decision in decisions]),
        [samples[film.row["path"]] for film in films],
        operating_point=point,
        split=TUNE,
        uncertain=np.array([decision.caution is not None for decision in decisions]),
    )
    cautions = Counter(
        (decision.caution, is_fractured(film))
        for film, decision in zip(films, decisions, strict=True)
        if decision.caution
    )
    return {
        "split": TUNE,
        "mode": mode.name,
        "operating_point": point.name,
        "counted": "states of answered films; a film with a caution is uncertain",
        "figures": {
            figure.name: {
                "value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n
            }
            for figure in evaluation.rows[0].figures
        },
        "refused": len(tune) - len(films),
        "cautions": {
            f"{caution}, {'fractured' if fractured else 'not fractured'}": n
            for (caution, fractured), n in sorted(cautions.items())
        },
    }  # fmt: skip


def answered(tune: list[Film], check: InputCheckSpec) -> list[Film]:
    """Return the films that are not refused for their features."""
    limit = check.distance_limit
    return [film for film in tune if limit is None or film.distance <= limit]


def is_fractured(film: Film) -> bool:
    """Return the label of a film."""
    return film.row["label"] == "fractured"


def decide(
    film: Film, mode: InferenceMode, point: OperatingPoint, check: InputCheckSpec
) -> Decision:
    """Return what the device decides for a film without an age."""
    return Rules(mode, point, check.familiarity, ()).judge(film.evidence(mode))
