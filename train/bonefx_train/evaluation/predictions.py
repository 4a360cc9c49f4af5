"""predictions.csv: what a network said of each film of a split, one row a film."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.inference.decision import OperatingPoint, State, state_of

from bonefx_train.data.pixels import Pixels
from bonefx_train.data.sample import Label, Sample, label_from_name
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import Floats

COLUMNS: Final = ("path", "group", "label", "score", "logit", "state", "refused", "tiles")
NEEDED: Final = ("path", "group", "label", "score")
"""To compare two files; any program can write these."""
WHOLE_ONLY: Final = 0
"""Tiles: `evaluate` judges a film by the whole image."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One film of a predictions.csv."""

    path: str
    group: str
    label: Label
    score: float | None
    """Larger: rather fractured; None where the film was refused."""
    state: str
    """Empty where the file has no column for it."""


def predictions_csv(
    samples: Sequence[Sample],
    measured: Pixels,
    *,
    p: Floats,
    logit: Floats,
    operating_point: OperatingPoint,
) -> str:
    """Return the text of a predictions.csv, the films in the order of `samples`.

    Score and logit are written with all their digits. A refused film has neither.

    Parameters
    ----------
    measured
        The films that could be read, and why the others could not.
    p, logit
        (n,) each, of `measured`: p_fracture in [0, 1], and the logit of "not broken" before
        temperature.
    """
    said = {
        sample.key: (
            repr(float(score)),
            repr(float(value)),
            state_of(float(score), operating_point),
        )
        for sample, score, value in zip(measured.samples, p, logit, strict=True)
    }
    refused = dict(measured.refused)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in samples:
        score, value, state = said.get(sample.key, ("", "", State.REFUSED))
        reason = refused.get(sample.key, "")
        known = (sample.key, sample.group, sample.label)
        writer.writerow([*known, score, value, state, reason, WHOLE_ONLY])
    return text.getvalue()


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Return the films of a predictions.csv by path.

    Raises
    ------
    DataError
        The file is no such table, a cell cannot be read, or a path comes twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        msg = f"{path}: expected a predictions.csv, got {err}; make one with bonefx-train evaluate"
        raise DataError(msg) from err
    absent = [name for name in NEEDED if name not in columns]
    if absent:
        msg = f"{path}: expected the columns {', '.join(NEEDED)}, absent: {', '.join(absent)}"
        raise DataError(msg)
    films: dict[str, Prediction] = {}
    for line, row in enumerate(rows, 2):
        film = _prediction(row, where=f"{path}, line {line}")
        if film.path in films:
            msg = f"{path}, line {line}: expected each path once, got {film.path} twice; remove one"
            raise DataError(msg)
        films[film.path] = film
    return films


def _prediction(row: dict[str, str], *, where: str) -> Prediction:
    try:
        score = float(row["score"]) if row["score"] else None
        label = label_from_name(row["label"] or "")
    except (ValueError, DataError) as err:
        msg = f"{where}: {err}"
        raise DataError(msg) from err
    if score is not None and not math.isfinite(score):
        msg = f"{where}: expected a finite score, got {score}; leave it empty if there is none"
        raise DataError(msg)
    return Prediction(
        path=row["path"],
        group=row["group"] or row["path"],
        label=label,
        score=score,
        state=row.get("state") or "",
    )
