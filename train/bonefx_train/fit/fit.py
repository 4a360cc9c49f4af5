"""Fit a network on train, watch tune, keep one epoch; test is never read.

One checkpoint per epoch; order of images and dropout depend on (seed, epoch) only: an
interrupted fit continues where it stopped and ends as if it had not been interrupted.
"""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from bonefx_train import run
from bonefx_train.data.pixels import Pixels
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import auc
from bonefx_train.evaluation.predict import logits
from bonefx_train.fit.whole_image_trainer import Trainer
from bonefx_train.run import FitSettings
from bonefx_train.text_file import write_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of history.json."""

    train_loss: float
    """Mean of what the trainer minimizes while fitting, dropout on, nats; before the weights are
    averaged with the start; the figures of tune are of the average."""
    train_accuracy: float
    """At score 0.5, dropout on, [0, 1]."""
    tune_loss: float
    """Mean binary cross-entropy of the whole images, nats."""
    tune_accuracy: float
    """At score 0.5, [0, 1]; compare with the share of the larger class."""
    tune_auc: float
    """[0, 1]; decides which epoch is kept and when the fit ends, where the trainer lets it."""


def fit(*, trainer: Trainer, tune: Pixels, settings: FitSettings, run_dir: Path) -> list[Epoch]:
    """Return the history of the fit; the kept network lies in `run_dir` as model.keras.

    Continues after the last complete epoch in `run_dir`. Ends after `settings.epochs`; a trainer
    that keeps the best epoch also ends `settings.patience` epochs after the best tune AUC.
    """
    history = read_history(run_dir)
    keras_model = _start(trainer, run_dir=run_dir, done=len(history))
    while len(history) < settings.epochs and not _has_settled(history, trainer, settings.patience):
        number = len(history) + 1
        loss, accuracy = trainer.fit_one_epoch(keras_model, number=number)
        epoch = Epoch(loss, accuracy, *_score(keras_model, tune))
        history.append(epoch)
        _keep(keras_model, history, trainer, run_dir=run_dir)
        logger.info("epoch %d/%d %s", number, settings.epochs, _describe(epoch))
    kept = kept_epoch(history, trainer)
    logger.info(
        "kept epoch %d of %d, tune AUC %.4f", kept + 1, len(history), history[kept].tune_auc
    )
    return history


def read_history(run_dir: Path) -> list[Epoch]:
    """Return the whole epochs that a run has behind it, none for a new one."""
    path = run_dir / run.HISTORY_NAME
    if not path.is_file():
        return []
    return [Epoch(**row) for row in json.loads(path.read_text("utf-8"))]


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the index of the epoch with the highest tune AUC; of equals, the lowest tune loss.

    An easy set reaches AUC 1 while its scores still lie all on one side of 0.5.
    """
    order = [(epoch.tune_auc, -epoch.tune_loss) for epoch in history]
    return order.index(max(order))


def kept_epoch(history: Sequence[Epoch], trainer: Trainer) -> int:
    """Return the index of the epoch whose network is kept."""
    return len(history) - 1 if trainer.keeps_last else best_epoch(history)


def _has_settled(history: Sequence[Epoch], trainer: Trainer, patience: int) -> bool:
    if trainer.keeps_last or not history:
        return False
    return len(history) - 1 - best_epoch(history) >= patience


def _start(trainer: Trainer, *, run_dir: Path, done: int) -> keras.Model:
    """Return a fresh network, or the one of the last whole epoch with its optimizer and seeds."""
    if done == 0:
        return trainer.build()
    path = _checkpoint(run_dir, done)
    if not path.is_file():
        msg = f"{path}: expected the checkpoint of epoch {done}, got none; fit into a new folder"
        raise DataError(msg)
    logger.info("continuing after epoch %d", done)
    return keras.models.load_model(path)


def _score(keras_model: keras.Model, tune: Pixels) -> tuple[float, float, float]:
    """Return loss, accuracy and AUC on tune."""
    logit = logits(keras_model, tune.x)
    towards_truth: NDArray[np.float64] = np.where(tune.fractured, -logit, logit)
    loss = float(np.logaddexp(0.0, -towards_truth).mean())
    # A tie is called broken, as the device does.
    accuracy = float(((logit <= 0) == tune.fractured).mean())
    return loss, accuracy, float(auc(-logit, tune.fractured))


def _keep(
    keras_model: keras.Model, history: list[Epoch], trainer: Trainer, *, run_dir: Path
) -> None:
    """Write checkpoint, kept network and history; a kill at any instant loses one epoch at most.

    The history is the commit: it is written when its checkpoint is on disk, and the checkpoint
    before that is removed only afterwards.
    """
    done = len(history)
    _save(keras_model, _checkpoint(run_dir, done))
    if kept_epoch(history, trainer) == done - 1:
        _save(keras_model, run_dir / run.MODEL_NAME)
    rows = [dataclasses.asdict(epoch) for epoch in history]
    write_text(run_dir / run.HISTORY_NAME, json.dumps(rows, indent=1) + "\n")
    _checkpoint(run_dir, done - 1).unlink(missing_ok=True)


def _checkpoint(run_dir: Path, done: int) -> Path:
    return run_dir / run.CHECKPOINT_FOLDER / f"epoch-{done:04d}.keras"


def _save(keras_model: keras.Model, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    keras_model.save(partial)
    partial.replace(path)


def _describe(epoch: Epoch) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in dataclasses.asdict(epoch).items())
