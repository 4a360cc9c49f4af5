"""Fit a network on train, watch tune, keep the best epoch; test is never read.

The loss is plain binary cross-entropy without class weights. At 17 % fractured, weights would
move every logit by log(0.83 / 0.17) = 1.6, which a temperature (a factor) cannot take back:
p_fracture would no longer be a probability. What weights would buy, a better balance of the two
errors, is what operating points are for.

One checkpoint per epoch; order of films and dropout depend on (seed, epoch) only: an
interrupted fit goes on where it stood and ends as if it had not been interrupted.
"""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from bonefx_edge.errors import DataError
from numpy.typing import NDArray

from bonefx_train import networks, run
from bonefx_train.metrics import auc
from bonefx_train.pixels import Pixels, to_network_range
from bonefx_train.progress import track
from bonefx_train.run import FitSettings
from bonefx_train.scores import logits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of history.json."""

    train_loss: float
    """Mean binary cross-entropy while fitting, dropout on, nats."""
    train_accuracy: float
    """At score 0.5, dropout on, [0, 1]."""
    tune_loss: float
    """Mean binary cross-entropy, nats."""
    tune_accuracy: float
    """At score 0.5, [0, 1]; compare with the share of the larger class."""
    tune_auc: float
    """[0, 1]; decides which epoch is kept and when the fit ends."""


def fit(*, train: Pixels, tune: Pixels, settings: FitSettings, run_dir: Path) -> list[Epoch]:
    """Return the history of the fit; the best network lies in `run_dir` as model.keras.

    Goes on after the last whole epoch that `run_dir` holds. Ends after `settings.epochs`, or
    `settings.patience` epochs after the best tune AUC.
    """
    history = read_history(run_dir)
    keras_model = _start(settings, run_dir=run_dir, done=len(history))
    while len(history) < settings.epochs and not _has_settled(history, settings.patience):
        number = len(history) + 1
        loss, accuracy = _fit_one_epoch(keras_model, train, settings=settings, number=number)
        epoch = Epoch(loss, accuracy, *_score(keras_model, tune))
        history.append(epoch)
        _keep(keras_model, history, run_dir=run_dir)
        logger.info("epoch %d/%d %s", number, settings.epochs, _describe(epoch))
    best = best_epoch(history)
    logger.info(
        "kept epoch %d of %d, tune AUC %.4f", best + 1, len(history), history[best].tune_auc
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


def _has_settled(history: Sequence[Epoch], patience: int) -> bool:
    return bool(history) and len(history) - 1 - best_epoch(history) >= patience


def _start(settings: FitSettings, *, run_dir: Path, done: int) -> keras.Model:
    """Return a fresh network, or the one of the last whole epoch with its optimizer and seeds."""
    if done == 0:
        return networks.build(settings.network, spec=settings.input_spec, seed=settings.seed)
    path = _checkpoint(run_dir, done)
    if not path.is_file():
        msg = f"{path}: expected the checkpoint of epoch {done}, got none; fit into a new folder"
        raise DataError(msg)
    logger.info("going on after epoch %d", done)
    return keras.models.load_model(path)


def _fit_one_epoch(
    keras_model: keras.Model, train: Pixels, *, settings: FitSettings, number: int
) -> tuple[float, float]:
    """Return loss and accuracy over the epoch, each film as it was fed, dropout on."""
    rng = np.random.default_rng([settings.seed, number])
    order = rng.permutation(len(train.x))
    _seed_dropout(keras_model, rng)
    starts = range(0, len(order), settings.batch_size)
    totals = np.zeros(2)  # loss, accuracy
    for start in track(starts, label=f"epoch {number}/{settings.epochs}"):
        batch = order[start : start + settings.batch_size]
        # uint8 films become float32 a batch at a time: the whole set never lies in memory twice.
        x, y = to_network_range(train.x[batch]), train.class_index[batch].astype(np.float32)
        # (batch, height, width, 1), (batch, 1); the logs are means of this batch alone.
        logs = keras_model.train_on_batch(x, y[:, np.newaxis], return_dict=True)
        totals += np.array([logs["loss"], logs["accuracy"]], float) * len(batch)
    loss, accuracy = totals / len(order)
    return float(loss), float(accuracy)


def _seed_dropout(keras_model: keras.Model, rng: np.random.Generator) -> None:
    """Set the random state of every layer; a .keras file does not carry it (Keras 3.15)."""
    for variable in keras_model.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**32, size=variable.shape, dtype=np.uint32))


def _score(keras_model: keras.Model, tune: Pixels) -> tuple[float, float, float]:
    """Return loss, accuracy and AUC on tune."""
    logit = logits(keras_model, tune.x)
    towards_truth: NDArray[np.float64] = np.where(tune.fractured, -logit, logit)
    loss = float(np.logaddexp(0.0, -towards_truth).mean())
    # A tie is called broken, as the device does.
    accuracy = float(((logit <= 0) == tune.fractured).mean())
    return loss, accuracy, float(auc(-logit, tune.fractured))


def _keep(keras_model: keras.Model, history: list[Epoch], *, run_dir: Path) -> None:
    """Write checkpoint, best network and history; a kill at any instant loses one epoch at most.

    The history is the commit: it is written when its checkpoint is on disk, and the checkpoint
    before that is removed only afterwards.
    """
    done = len(history)
    _save(keras_model, _checkpoint(run_dir, done))
    if best_epoch(history) == done - 1:
        _save(keras_model, run_dir / run.MODEL_NAME)
    write_text(run_dir / run.HISTORY_NAME, _history_json(history))
    _checkpoint(run_dir, done - 1).unlink(missing_ok=True)


def _checkpoint(run_dir: Path, done: int) -> Path:
    return run_dir / run.CHECKPOINT_FOLDER / f"epoch-{done:04d}.keras"


def _save(keras_model: keras.Model, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    keras_model.save(partial)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all."""
    partial = path.with_name(f"partial-{path.name}")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def _history_json(history: Sequence[Epoch]) -> str:
    return json.dumps([dataclasses.asdict(epoch) for epoch in history], indent=1) + "\n"


def _describe(epoch: Epoch) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in dataclasses.asdict(epoch).items())
