"""Fit Lite0 on patches of images: ImageNet weights, AdamW, one cosine, a map beside the score."""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from bonefx_train.data.pixels import to_network_range
from bonefx_train.fit.whole_image_trainer import seed_dropout
from bonefx_train.networks import registry
from bonefx_train.networks.lite0 import MAP_NAME, SCORE_NAME
from bonefx_train.networks.warm_start import interpolate_weights, load_lite0
from bonefx_train.patches.sampler import Batch, LabeledImage, PatchSampler
from bonefx_train.progress import track
from bonefx_train.run import FitSettings

logger = logging.getLogger(__name__)

PEAK_RATE: Final = 1e-3
"""Highest learning rate, after the warm-up."""
RESTART_RATE: Final = 5e-4
"""The same where the fit starts from a fitted network."""
START_PATCHES: Final = 1024
"""On which the batch norms of a fitted network are measured, before the fit and after averaging."""
LAST_RATE_SHARE: Final = 0.01
"""Of the peak, at the last step: the network is at rest then, and the last epoch is the one."""
WARM_UP_STEPS: Final = 300
"""Steps of rising learning rate: the two new layers must not tear down the pretrained ones."""
WEIGHT_DECAY: Final = 0.02
LABEL_SMOOTHING: Final = 0.05
"""Readers disagree on more than that share of subtle fractures."""
CELL_WEIGHT: Final = 3.0
"""Of a cell with fracture against one without: 1 in 13 has one."""
FROZEN_UP_TO: Final = "block2_project_norm"
"""Layers up to this one keep ImageNet's edges and textures; a third of the time is saved."""
BATCHES_AHEAD: Final = 4
"""Drawn while the network works; each takes 3 MB."""


class PatchTrainer:
    """Patches drawn anew at every step; see `patches.sampler` and `patches.augment`."""

    keeps_last = True

    def __init__(
        self, images: list[LabeledImage], settings: FitSettings, *, start: Path | None = None
    ) -> None:
        """Take images and settings; `start` is the model file that the fit starts from."""
        self._sampler = PatchSampler(
            images,
            spec=settings.input_spec,
            whole_share=settings.whole_share,
            style_share=settings.style_share,
        )
        self._settings = settings
        self._start = start
        self._peak = settings.peak_rate or (PEAK_RATE if start is None else RESTART_RATE)
        self._steps = math.ceil(settings.patches_per_epoch / settings.batch_size)

    def build(self) -> keras.Model:
        """Return a compiled network: ImageNet weights and random heads, or that of the start."""
        keras_model = self._begin()
        for layer in keras_model.layers:
            layer.trainable = False
            if layer.name == FROZEN_UP_TO:
                break
        keras_model.compile(
            optimizer=keras.optimizers.AdamW(
                self._peak,
                weight_decay=WEIGHT_DECAY,
                use_ema=self._settings.ema_momentum > 0,
                ema_momentum=self._settings.ema_momentum,
                ema_overwrite_frequency=None,
            ),
            loss={
                SCORE_NAME: keras.losses.BinaryCrossentropy(label_smoothing=LABEL_SMOOTHING),
                MAP_NAME: map_loss,
            },
            metrics={SCORE_NAME: ["accuracy"]},
        )
        return keras_model

    def _begin(self) -> keras.Model:
        settings = self._settings
        if self._start is None:
            return registry.build(settings.network, spec=settings.input_spec, seed=settings.seed)
        keras.utils.set_random_seed(settings.seed)
        return load_lite0(self._start, spec=settings.input_spec, patches=self._patches_to_measure())

    def _end(self, keras_model: keras.Model) -> None:
        """Put the moving mean in place of the last weights, and average them with the start's."""
        if self._settings.ema_momentum:
            keras_model.optimizer.finalize_variable_values(keras_model.trainable_variables)
        if self._settings.weight_average:
            self._average_with_start(keras_model)

    def _average_with_start(self, keras_model: keras.Model) -> None:
        """Move the network back towards the one that the fit began with, by its share."""
        patches = self._patches_to_measure()
        logger.info(
            "the weights are averaged with those of the start, share %g",
            self._settings.weight_average,
        )
        interpolate_weights(
            keras_model, self._begin(), share=self._settings.weight_average, patches=patches
        )

    def _patches_to_measure(self) -> NDArray[np.uint8]:
        """Return patches to measure batch norms on, (START_PATCHES, height, width, 1)."""
        return self._sampler.draw(
            np.random.default_rng([self._settings.seed, 0]), n=START_PATCHES
        ).x

    def fit_one_epoch(self, keras_model: keras.Model, *, number: int) -> tuple[float, float]:
        """Return loss (score and map) and accuracy of the score over the patches of the epoch.

        After the last epoch the weights are averaged with those of the start, by its share.
        """
        settings = self._settings
        seed_dropout(keras_model, np.random.default_rng([settings.seed, number]))
        totals = np.zeros(2)  # loss, accuracy
        batches = _ahead(lambda step: self._draw(number, step), count=self._steps)
        label = f"epoch {number}/{settings.epochs}"
        for step in track(range(self._steps), label=label):
            batch = next(batches)
            done = (number - 1) * self._steps + step
            keras_model.optimizer.learning_rate.assign(
                learning_rate(done, of=settings.epochs * self._steps, peak=self._peak)
            )
            y = batch.class_index[:, np.newaxis].astype(np.float32)
            logs = keras_model.train_on_batch(
                to_network_range(batch.x),
                {SCORE_NAME: y, MAP_NAME: batch.cells},
                sample_weight={SCORE_NAME: np.ones(len(y)), MAP_NAME: batch.cells_known},
                return_dict=True,
            )
            totals += [float(logs["loss"]), float(logs[f"{SCORE_NAME}_accuracy"])]
        if number == settings.epochs:
            self._end(keras_model)
        loss, accuracy = totals / self._steps
        return float(loss), float(accuracy)

    def _draw(self, number: int, step: int) -> Batch:
        rng = np.random.default_rng([self._settings.seed, number, step])
        return self._sampler.draw(rng, n=self._settings.batch_size)


def learning_rate(step: int, *, of: int, peak: float = PEAK_RATE) -> float:
    """Return the learning rate of a step: a linear rise, then half a cosine down to 1 %."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / of))
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return peak * rise * (LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * cosine)


@keras.saving.register_keras_serializable("bonefx")  # type: ignore[untyped-decorator]
def map_loss(cells: Any, logit: Any) -> Any:
    """Return the mean binary cross-entropy of each patch's cells, nats, (n,).

    Parameters
    ----------
    cells
        (n, rows, columns, 1), in [0, 1], see `affine.cells_of`; weighted `CELL_WEIGHT`.
    logit
        The same shape; positive = fracture.
    """
    with_fracture = CELL_WEIGHT * cells * keras.ops.softplus(-logit)
    per_cell = with_fracture + (1 - cells) * keras.ops.softplus(logit)
    return keras.ops.mean(per_cell, axis=(1, 2, 3))


def _ahead(make: Callable[[int], Batch], *, count: int) -> Iterator[Batch]:
    """Yield make(0) to make(count - 1), made in a second thread while the caller works."""
    with ThreadPoolExecutor(1) as pool:
        queue: deque[Future[Batch]] = deque()
        for step in range(count + BATCHES_AHEAD):
            if step < count:
                queue.append(pool.submit(make, step))
            if step >= BATCHES_AHEAD:
                yield queue.popleft().result()
