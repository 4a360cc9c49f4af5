"""From a Keras network and its images to model files: what a run and any other network share."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_edge.errors import InterpreterError, UsageError
from bonefx_edge.inference.input_check import InputCheckSpec
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_edge.model.manifest import Manifest
from bonefx_train.errors import DataError, ParityError
from bonefx_train.evaluation.predict import predict_outputs
from bonefx_train.evaluation.tiled_predictions import NetworkInputs
from bonefx_train.networks.registry import has_map
from numpy.typing import NDArray

from bonefx_convert.converter import convert
from bonefx_convert.flatbuffer import Kind, read_network
from bonefx_convert.input_check_spec import log_refusals
from bonefx_convert.origin import Origin
from bonefx_convert.pack import (
    Options,
    build_manifest,
    measure_metrics,
    write_models,
    write_report,
)
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.parity.tolerances import Tolerances
from bonefx_convert.representative import RepresentativeSet, draw_representative
from bonefx_convert.runtime_check import choose_images
from bonefx_convert.score_fusion import fit_modes
from bonefx_convert.variants import (
    Network,
    Variant,
    compare_with,
    keras_network,
    make_report,
    measure,
    order_modes,
    spread,
    with_operating_points,
)
from bonefx_convert.whitening import Whitening

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

CHANCE_AUC: Final = 0.5
"""Of a coin."""
KINDS: Final = (Kind.FLOAT32, Kind.DYNAMIC, Kind.INT8)
"""Of a network of the whole image only."""
KINDS_WITH_MAP: Final = (Kind.FLOAT16, Kind.DYNAMIC, Kind.INT8)
"""Of a network with a map: as float32 Lite0 is 13 MB, and the three would be over 20 MB."""
ADVICE: Final = {
    Kind.INT8: "use float16, or give more and more varied train images",
    Kind.DYNAMIC: "use float16",
    Kind.FLOAT16: "use float32 (--kinds float32)",
    Kind.FLOAT32: "this is a bug, report it",
}
"""What to do where a kind is out of tolerance."""


@dataclass(frozen=True, slots=True)
class Source:
    """A Keras network, and the images that its model files are made and judged with."""

    keras_model: "keras.Model"
    origin: Origin
    train: NetworkInputs
    """Give int8 its ranges."""
    tune: NetworkInputs
    """Give operating points, and the figures of the parity report."""
    input_check: InputCheckSpec
    """Without distance limit: that is each kind's own."""
    refused: NDArray[np.bool_]
    """(n,), of the tune images, which the input check refuses for their pixels."""
    n_train: int
    """Images that the network was fitted on; 0: unknown."""
    whitening: Whitening | None = None
    """Of the features; for a network with a map, and for no other."""


def check_out(options: Options) -> None:
    """Return if the model files can go where the options say.

    Raises
    ------
    UsageError
        If `options.out` is a file.
    """
    if options.out.exists() and not options.out.is_dir():
        msg = f"{options.out}: expected a folder for the models, got a file; choose another --out"
        raise UsageError(msg)


def convert_network(source: Source, *, options: Options) -> ParityReport:
    """Write the model files of a network and the parity report; return the report.

    Each kind is judged by itself: what is within its tolerances is written, what is not is named
    in the log with the figure, the limit and what to do.

    Raises
    ------
    DataError
        If the images are not fit for it.
    ParityError
        If no kind is within its tolerances; the report is written.
    """
    original = _run_keras(source)
    representative = _draw(source)
    made, not_made = convert(
        source.keras_model,
        representative=representative.x,
        kinds=options.kinds or (KINDS_WITH_MAP if has_map(source.keras_model) else KINDS),
        whitening=source.whitening,
    )
    variants, not_run = _measure(made, source, original, options=options)
    report, passed = _judge(
        original, variants, source, options=options, not_made=not_made | not_run
    )
    manifests = [
        build_manifest(
            variant,
            metrics=measure_metrics(variant, source.tune),
            origin=source.origin,
            options=options,
            n_train=source.n_train,
            representative_sha256=representative.sha256,
            input_check=source.input_check,
        )
        for variant in passed
    ]
    _warn_of_chance(manifests)
    write_models(passed, manifests, out=options.out, x=choose_images(source.tune).images.x)
    write_report(report, options.out / f"{options.name}-parity")
    report_failures(report, options)
    return report


def _draw(source: Source) -> RepresentativeSet:
    found = predict_outputs(source.keras_model, source.train.x, label="running keras, train")
    logit = found.logits.astype(np.float64)
    return draw_representative(source.train, logit=logit, seed=source.origin.seed)


def _run_keras(source: Source) -> Network:
    """Return the Keras network's outputs on tune, with modes and points fitted on them."""
    tune, chosen_on = source.tune, source.origin.split_name("tune")
    found = predict_outputs(source.keras_model, tune.x, label="running keras, tune")
    features = None
    if source.whitening is not None and found.features is not None:
        features = source.whitening.apply(found.features)
    found = NetworkOutputs(found.logits, found.maps, features)
    modes = with_operating_points(
        fit_modes(tune, found), tune, found, chosen_on=chosen_on, spread=0.0
    )
    return keras_network(found, modes)


def _measure(
    made: dict[Kind, bytes], source: Source, original: Network, *, options: Options
) -> tuple[list[Variant], dict[str, str]]:
    """Return the converted networks as they ran, and why others did not."""
    variants, not_run = [], {}
    for kind, flatbuffer in made.items():
        try:
            variant = measure(
                kind,
                flatbuffer,
                source.tune,
                modes=original.modes,
                chosen_on=source.origin.split_name("tune"),
                pythons=options.pythons,
            )
        except (DataError, InterpreterError, ParityError) as err:
            not_run[kind.value] = str(err)
            continue
        variants.append(variant)
        own = dataclasses.replace(source.input_check, distance_limit=variant.distance_limit)
        log_refusals(kind.value, own, variant.network.outputs.features, source.refused)
    return variants, not_run


def _judge(
    original: Network,
    variants: Sequence[Variant],
    source: Source,
    *,
    options: Options,
    not_made: dict[str, str],
) -> tuple[ParityReport, list[Variant]]:
    """Return the report on all kinds, and those that passed, with the default mode first."""
    depth = max((read_network(variant.flatbuffer).depth for variant in variants), default=1)
    tolerances = Tolerances.of_depth(depth, options.tolerances)
    logger.info("%d layers with weights: tolerances of that depth", depth)
    pairs = [
        compare_with(
            original,
            variant.network,
            source.tune,
            tolerances=tolerances,
            runtime_spread=spread(variant.runtimes),
        )
        for variant in variants
    ]
    report = make_report(
        pairs, source.tune.images, origin=source.origin, name=options.name, split="tune",
        tolerances=tolerances, not_made=not_made,
    )  # fmt: skip
    passed = [variant for variant in variants if not report.failures(variant.kind.value)]
    if not passed:
        return report, []
    names = order_modes([variant.network for variant in passed], source.tune)
    return report.ordered(names), [
        dataclasses.replace(variant, network=variant.network.ordered(names)) for variant in passed
    ]


def report_failures(report: ParityReport, options: Options) -> None:
    """Log each kind that was not written, with the reason.

    Raises
    ------
    ParityError
        If none was written.
    """
    names = report.kind_names
    failed = {name: failures for name in names if (failures := report.failures(name))}
    for name, failures in failed.items():
        earlier = options.out / f"{options.name}-{name}.tflite"
        logger.warning(
            "WARNING: %s was not written: %s. What to do: %s.%s",
            name,
            "; ".join(failures),
            ADVICE[Kind(name)],
            f" {earlier} is of an earlier conversion." if earlier.exists() else "",
        )
    if len(failed) == len(names):
        msg = (
            f"{options.name}: no kind is within its tolerances, so no model file was written. The "
            f"report is {options.out / f'{options.name}-parity.md'}. Train again, with more images "
            "if they are few"
        )
        raise ParityError(msg)


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
