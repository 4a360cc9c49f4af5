"""How a network is fitted: what one epoch is, and which epoch is kept."""

from typing import Protocol

import keras
import numpy as np

from bonefx_train.data.pixels import Pixels, to_network_range
from bonefx_train.networks import registry
from bonefx_train.progress import track
from bonefx_train.run import FitSettings


class Trainer(Protocol):
    """One way to fit a network. An epoch depends on (seed, its number) and the network alone."""

    keeps_last: bool
    """Whether the last epoch is kept, whatever tune says; else that of the highest tune AUC."""

    def build(self) -> keras.Model:
        """Return a fresh, compiled network."""
        ...

    def fit_one_epoch(self, keras_model: keras.Model, *, number: int) -> tuple[float, float]:
        """Fit for one epoch, numbered from 1; return loss and accuracy as they were on the way."""
        ...


class WholeImageTrainer:
    """Whole images as they are, each once per epoch, in random order: the original's way.

    The loss is plain binary cross-entropy without class weights. At 17 % fractured, weights would
    move every logit by log(0.83 / 0.17) = 1.6, which a temperature (a factor) cannot take back:
    p_fracture would no longer be a probability. What weights would buy, a better balance of the
    two errors, is what operating points are for.
    """

    keeps_last = False

    def __init__(self, train: Pixels, settings: FitSettings) -> None:
        self._train = train
        self._settings = settings

    def build(self) -> keras.Model:
        """Return a fresh network with weights of the seed."""
        return registry.build(
            self._settings.network, spec=self._settings.input_spec, seed=self._settings.seed
        )

    def fit_one_epoch(self, keras_model: keras.Model, *, number: int) -> tuple[float, float]:
        """Return loss and accuracy over the epoch, each image as it was fed, dropout on."""
        settings, train = self._settings, self._train
        rng = np.random.default_rng([settings.seed, number])
        order = rng.permutation(len(train.x))
        seed_dropout(keras_model, rng)
        starts = range(0, len(order), settings.batch_size)
        totals = np.zeros(2)  # loss, accuracy
        for start in track(starts, label=f"epoch {number}/{settings.epochs}"):
            batch = order[start : start + settings.batch_size]
            # uint8 images become float32 a batch at a time: the whole set is in memory once.
            x, y = to_network_range(train.x[batch]), train.class_index[batch].astype(np.float32)
            # (batch, height, width, 1), (batch, 1); the logs are means of this batch alone.
            logs = keras_model.train_on_batch(x, y[:, np.newaxis], return_dict=True)
            totals += np.array([logs["loss"], logs["accuracy"]], float) * len(batch)
        loss, accuracy = totals / len(order)
        return float(loss), float(accuracy)


def seed_dropout(keras_model: keras.Model, rng: np.random.Generator) -> None:
    """Set the random state of every layer; a .keras file does not carry it (Keras 3.15)."""
    for variable in keras_model.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**32, size=variable.shape, dtype=np.uint32))
