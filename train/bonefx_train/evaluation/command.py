"""The command `evaluate` as a function: a run in, figures and pictures out."""

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import OperatingPoint

from bonefx_train import run as files
from bonefx_train.data.dataset import check_unchanged
from bonefx_train.data.pixels import Pixels, load_pixels
from bonefx_train.data.sample import SPLITS
from bonefx_train.evaluation.confusion import count_states
from bonefx_train.evaluation.evaluate import evaluate
from bonefx_train.evaluation.metrics import Floats
from bonefx_train.evaluation.operating_points import choose_operating_points
from bonefx_train.evaluation.plots import (
    write_forest,
    write_precision_recall,
    write_reliability,
    write_roc,
)
from bonefx_train.evaluation.predict import logits, p_fracture
from bonefx_train.evaluation.predictions import predictions_csv
from bonefx_train.evaluation.report import Evaluation
from bonefx_train.evaluation.score_fusion import fit_fusion
from bonefx_train.evaluation.temperature import fit_temperature
from bonefx_train.run import Run
from bonefx_train.text_file import write_text

logger = logging.getLogger(__name__)


def evaluate_run(
    run: Run, *, split: str, operating_point: str | None, baseline_auc: float | None
) -> Evaluation:
    """Return the evaluation of a run's network on one split and write it into the run.

    Temperature and operating points are chosen on tune, here; the split is only measured.

    Raises
    ------
    DataError, UsageError
        For an unknown split or operating point, images that changed since the fit, or none.
    """
    if split not in SPLITS or not run.of(split):
        msg = f"split: expected one of {', '.join(SPLITS)} with images, got {split!r} of {run.dir}"
        raise UsageError(msg)
    check_unchanged(run.of("tune") + run.of(split))
    keras_model = run.keras_model()
    tune = load_pixels(run.of("tune"), spec=run.settings.input_spec)
    raw = logits(keras_model, tune.x)
    correct = _prior_correction(run, raw, tune)
    logit = correct(raw)
    temperature = fit_temperature(logit, tune.class_index)
    points = choose_operating_points(
        p_fracture(logit, temperature=temperature),
        tune.fractured,
        chosen_on=f"{run.settings.data_name} tune",
    )
    point = _point(points, operating_point)
    measured = tune if split == "tune" else load_pixels(run.of(split), spec=run.settings.input_spec)
    logit = correct(logits(keras_model, measured.x))
    p = p_fracture(logit, temperature=temperature)
    evaluation = evaluate(
        p,
        measured.samples,
        operating_point=point,
        split=f"{run.settings.data_name} {split}",
        baseline_auc=baseline_auc,
        refused=measured.refused,
    )
    confusion = tuple(count_states(run.of(split), measured, p=p, points=points))
    evaluation = dataclasses.replace(evaluation, fitted_on=split == "train", confusion=confusion)
    folder = run.dir / files.EVALUATION_FOLDER
    _write_choices(folder, temperature=temperature, points=points)
    write_text(
        folder / f"{split}-predictions.csv",
        predictions_csv(run.of(split), measured, p=p, logit=logit, operating_point=point),
    )
    _write_evaluation(folder / split, evaluation, p=p, measured=measured)
    return evaluation


def _prior_correction(run: Run, logit: Floats, tune: Pixels) -> Callable[[Floats], Floats]:
    """Return the correction of the logit for the higher share of fractures in patches.

    The mode `whole` of the model file does the same; `tiled` comes with the conversion.
    """
    if not run.settings.patches_per_epoch:
        return lambda logit: logit
    fusion = fit_fusion(logit[:, np.newaxis], tune.class_index)
    logger.info("whole images only; the converted model file also uses tiles")
    return lambda logit: fusion.offset + fusion.weights[0] * logit


def _point(points: tuple[OperatingPoint, ...], name: str | None) -> OperatingPoint:
    """Return the operating point of that name, the default one for None."""
    chosen = [point for point in points if name in (None, point.name)]
    if not chosen:
        known = ", ".join(point.name for point in points)
        msg = f"operating point: expected one of {known}, got {name!r}; choose one of these"
        raise UsageError(msg)
    return chosen[0]


def _write_choices(folder: Path, *, temperature: float, points: Sequence[OperatingPoint]) -> None:
    """Write what was chosen on tune."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {
        "temperature": temperature,
        "operating_points": [dataclasses.asdict(point) for point in points],
    }
    write_text(folder / "chosen_on_tune.json", json.dumps(chosen, indent=1) + "\n")


def _write_evaluation(stem: Path, evaluation: Evaluation, *, p: Floats, measured: Pixels) -> None:
    """Write JSON, Markdown and, where both classes are there, the figures, beside `stem`."""
    write_text(stem.with_name(f"{stem.name}.json"), evaluation.to_json())
    write_text(stem.with_name(f"{stem.name}.md"), evaluation.to_markdown())
    fractured = measured.fractured
    if fractured.all() or not fractured.any():
        return
    title = evaluation.split

    def named(figure: str) -> Path:
        return stem.with_name(f"{stem.name}-{figure}.png")

    write_roc(named("roc"), p, fractured, point=evaluation.operating_point, title=title)
    write_precision_recall(named("precision-recall"), p, fractured, title=title)
    write_reliability(named("reliability"), p, fractured, title=title)
    write_forest(named("forest"), evaluation.rows, title=title)
