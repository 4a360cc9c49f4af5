"""From a run to model files: its images and its network, then `convert_network`."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_train.data.dataset import check_unchanged
from bonefx_train.evaluation.predict import predict_outputs
from bonefx_train.evaluation.tiled_predictions import load_inputs
from bonefx_train.networks.registry import feature_widths, has_map
from bonefx_train.patches.images import load_images
from bonefx_train.patches.sampler import PatchSampler
from bonefx_train.run import Run

from bonefx_convert.convert_network import Source, check_out, convert_network
from bonefx_convert.input_check_spec import measure_input_check, try_input_check
from bonefx_convert.origin import origin_of
from bonefx_convert.pack import Options
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.score_fusion import input_mode
from bonefx_convert.whitening import Whitening, fit_whitening

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

TILES_PER_IMAGE: Final = 4
"""Of train, from which the representative data set is drawn: tiles have three sizes, and the
extreme logits among them become the ends of the int8 output."""
PATCHES_PER_IMAGE: Final = 2
"""By which the input check's features are measured: FracAtlas gives 5,462, for 488 channels."""


def convert_run(run: Run, *, options: Options) -> ParityReport:
    """Write the model files of a run and the parity report; return the report.

    Raises
    ------
    DataError
        If the run's images are not fit for it, or not those of the fit.
    ParityError
        If no kind is within its tolerances; the report is written.
    UsageError
        If `options.out` is a file.
    """
    check_out(options)
    check_unchanged(run.of("train") + run.of("tune"))
    keras_model = run.keras_model()
    mapped = has_map(keras_model)
    spec, seen = run.settings.input_spec, input_mode(mapped=mapped)
    load = partial(load_inputs, spec=spec, tile_mode=seen)
    train = load(run.of("train"), per_image=TILES_PER_IMAGE, seed=run.settings.seed)
    tune = load(run.of("tune"))
    input_check = measure_input_check(train.images.samples, spec=spec, mapped=mapped)
    refused = try_input_check(input_check, tune.images.samples, spec=spec)
    source = Source(
        keras_model=keras_model,
        origin=origin_of(run),
        train=train,
        tune=tune,
        input_check=input_check,
        refused=refused,
        n_train=len(train.images.x),
        whitening=_measure_whitening(keras_model, run) if mapped else None,
    )
    return convert_network(source, options=options)


def _measure_whitening(keras_model: "keras.Model", run: Run) -> Whitening:
    """Return the features of the input check, measured on augmented patches of train."""
    images, refused = load_images(run.of("train"), boxes={}, spec=run.settings.input_spec)
    logger.info(
        "features: patches of %d train images, %d are unreadable", len(images), len(refused)
    )
    sampler = PatchSampler(images, spec=run.settings.input_spec)
    rng = np.random.default_rng(run.settings.seed)
    patches = sampler.draw_unlabeled(rng, n=PATCHES_PER_IMAGE * len(images))
    pooled = predict_outputs(keras_model, patches, label="running keras, patches").features
    assert pooled is not None  # noqa: S101 -- for mypy: a network with a map has features
    return fit_whitening(pooled, widths=feature_widths(keras_model))
