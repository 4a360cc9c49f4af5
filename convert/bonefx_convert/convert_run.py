"""From a run to model files: the order of the steps."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_edge.model.manifest import Manifest
from bonefx_train.data.dataset import check_unchanged
from bonefx_train.errors import ParityError
from bonefx_train.evaluation.predict import predict_outputs
from bonefx_train.evaluation.tiled_predictions import NetworkInputs, load_inputs
from bonefx_train.networks.registry import feature_widths, has_map
from bonefx_train.patches.images import load_images
from bonefx_train.patches.sampler import PatchSampler
from bonefx_train.run import Run

from bonefx_convert.converter import convert
from bonefx_convert.flatbuffer import Kind
from bonefx_convert.input_check_spec import log_refusals, measure_input_check, try_input_check
from bonefx_convert.pack import (
    REPORT_SUFFIXES,
    Options,
    build_manifest,
    write_models,
    write_report,
)
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.representative import draw_representative
from bonefx_convert.runtime_check import choose_images
from bonefx_convert.score_fusion import fit_modes, input_mode
from bonefx_convert.variants import (
    Network,
    Variant,
    compare_with,
    keras_network,
    make_report,
    measure,
    order_modes,
    split_name,
    spread,
    with_operating_points,
)
from bonefx_convert.whitening import Whitening, fit_whitening

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

CHANCE_AUC: Final = 0.5
"""Of a coin."""
FAILED_REPORT: Final = "parity-failed"
"""Stem of the report that a failed parity gate leaves in the run."""
KINDS: Final = (Kind.FLOAT32, Kind.DYNAMIC, Kind.INT8)
"""Of a network of the whole image only."""
KINDS_WITH_MAP: Final = (Kind.FLOAT16, Kind.DYNAMIC, Kind.INT8)
"""Of a network with a map: as float32 Lite0 is 13 MB, and the three would be over 20 MB."""
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
        If a network is out of tolerance; no model file is written, the report lies in the run.
    UsageError
        If `options.out` is a file.
    """
    if options.out.exists() and not options.out.is_dir():
        msg = f"{options.out}: expected a folder for the models, got a file; choose another --out"
        raise UsageError(msg)
    check_unchanged(run.of("train") + run.of("tune"))
    keras_model = run.keras_model()
    mapped = has_map(keras_model)
    spec, seen = run.settings.input_spec, input_mode(mapped=mapped)
    load = partial(load_inputs, spec=spec, tile_mode=seen)
    train = load(run.of("train"), per_image=TILES_PER_IMAGE, seed=run.settings.seed)
    tune = load(run.of("tune"))
    input_check = measure_input_check(train.images.samples, spec=spec, mapped=mapped)
    refused = try_input_check(input_check, tune.images.samples, spec=spec)
    found = predict_outputs(keras_model, train.x, label="running keras, train")
    representative = draw_representative(
        train, logit=found.logits.astype(np.float64), seed=run.settings.seed
    )
    whitening = _measure_whitening(keras_model, run) if mapped else None
    original = _run_keras(keras_model, tune, whitening=whitening, run=run)
    flatbuffers = convert(
        keras_model,
        representative=representative.x,
        kinds=options.kinds or (KINDS_WITH_MAP if mapped else KINDS),
        whitening=whitening,
    )
    variants = [
        measure(
            kind, flatbuffer, tune, modes=original.modes, chosen_on=split_name(run, "tune"),
            pythons=options.pythons,
        )
        for kind, flatbuffer in flatbuffers.items()
    ]  # fmt: skip
    for each in variants:
        own = dataclasses.replace(input_check, distance_limit=each.distance_limit)
        log_refusals(each.kind.value, own, each.network.outputs.features, refused)
    original, variants = _put_default_first(original, variants, tune)
    report = _pass_parity(original, variants, tune, run=run, options=options)
    manifests = [
        build_manifest(
            variant,
            tune=tune,
            settings=run.settings,
            options=options,
            n_train=len(train.images.x),
            representative_sha256=representative.sha256,
            input_check=input_check,
        )
        for variant in variants
    ]
    _warn_of_chance(manifests)
    write_models(variants, manifests, out=options.out, x=choose_images(tune).images.x)
    write_report(report, options.out / f"{options.name}-parity")
    return report


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


def _run_keras(
    keras_model: "keras.Model", tune: NetworkInputs, *, whitening: Whitening | None, run: Run
) -> Network:
    """Return the Keras network's outputs on tune, with modes and points fitted on them."""
    found = predict_outputs(keras_model, tune.x, label="running keras, tune")
    features = None
    if whitening is not None and found.features is not None:
        features = whitening.apply(found.features)
    found = NetworkOutputs(found.logits, found.maps, features)
    modes = with_operating_points(
        fit_modes(tune, found), tune, found, chosen_on=split_name(run, "tune"), spread=0.0
    )
    return keras_network(found, modes)


def _put_default_first(
    original: Network, variants: Sequence[Variant], tune: NetworkInputs
) -> tuple[Network, list[Variant]]:
    """Return all networks with their modes in the order that suits every variant."""
    names = order_modes([variant.network for variant in variants], tune)
    return original.ordered(names), [
        dataclasses.replace(variant, network=variant.network.ordered(names)) for variant in variants
    ]


def _warn_of_chance(manifests: Sequence[Manifest]) -> None:
    """Log a warning if a network may know nothing: parity only says that copies are alike."""
    for manifest in manifests:
        auc = manifest.provenance.metrics["figures"]["auc"]
        if auc["low"] <= CHANCE_AUC:
            logger.warning(
                "WARNING: %s: tune AUC %.2f (95 %% from %.2f, n %d) is not above chance; parity "
                "with a network that knows nothing is worth nothing: do not deploy it",
                manifest.kind,
                auc["value"],
                auc["low"],
                auc["n"],
            )


def _pass_parity(
    original: Network,
    variants: Sequence[Variant],
    tune: NetworkInputs,
    *,
    run: Run,
    options: Options,
) -> ParityReport:
    """Return the report if it is within tolerances; else leave it in the run and raise."""
    tolerances = options.tolerances
    pairs = [
        compare_with(
            original, c.network, tune, tolerances=tolerances, runtime_spread=spread(c.runtimes)
        )
        for c in variants
    ]
    report = make_report(
        pairs,
        tune.images,
        run=run,
        name=options.name,
        split="tune",
        tolerances=tolerances,
    )
    try:
        report.check()
    except ParityError as err:
        write_report(report, run.dir / FAILED_REPORT)
        msg = (
            f"{err}. Train again, with more images if they are few, or leave that kind out "
            f"(--kinds). The report is {run.dir / FAILED_REPORT}.md"
        )
        raise ParityError(msg) from err
    for suffix in REPORT_SUFFIXES:
        # Of an earlier attempt: beside models that passed it would mislead.
        (run.dir / f"{FAILED_REPORT}{suffix}").unlink(missing_ok=True)
    return report
