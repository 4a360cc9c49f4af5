"""From a run to model files: the order of the steps."""

import dataclasses
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_edge.model.manifest import Manifest
from bonefx_train.data.dataset import check_unchanged
from bonefx_train.errors import ParityError
from bonefx_train.evaluation.predict import answers
from bonefx_train.evaluation.tiled_predictions import Views, load_views
from bonefx_train.networks.registry import feature_widths, has_map
from bonefx_train.patches.images import load_films
from bonefx_train.patches.sampler import ViewSampler
from bonefx_train.run import Run

from bonefx_convert.converter import convert
from bonefx_convert.flatbuffer import Kind
from bonefx_convert.input_check_spec import log_refusals, measure_input_check, try_input_check
from bonefx_convert.pack import (
    REPORT_SUFFIXES,
    Facts,
    build_manifest,
    write_models,
    write_report,
)
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.parity.tolerances import Bounds
from bonefx_convert.representative import draw_representative
from bonefx_convert.runtime_check import choose_films
from bonefx_convert.score_fusion import fit_modes, tiles_of
from bonefx_convert.variants import (
    Candidate,
    Network,
    films_of,
    hold_against,
    keras_network,
    make_report,
    measure,
    order_modes,
    spread,
    with_points,
)
from bonefx_convert.whitening import Projection, fit_projection

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

CHANCE_AUC: Final = 0.5
"""Of a coin."""
FAILED_REPORT: Final = "parity-failed"
"""Stem of the report that a failed parity gate leaves in the run."""
KINDS: Final = (Kind.FLOAT32, Kind.DYNAMIC, Kind.INT8)
"""Of a network of the whole film only."""
KINDS_WITH_MAP: Final = (Kind.FLOAT16, Kind.DYNAMIC, Kind.INT8)
"""Of a network with a map: as float32 Lite0 is 13 MB, and the three would be over 20 MB."""
VIEWS_PER_FILM: Final = 2
"""By which the input check's features are measured: FracAtlas gives 5,462, for 488 channels."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person decides about a conversion."""

    out: Path
    """Folder of the model files."""
    name: str
    """Of the model."""
    version: str
    """Of the model."""
    training_data: str
    """Data set, licence and attribution."""
    pythons: tuple[Path, ...]
    """Pythons of other environments in which the networks are proved to run."""
    bounds: Bounds
    kinds: tuple[Kind, ...] = ()
    """Which are made; empty: `KINDS`, or `KINDS_WITH_MAP`."""


def convert_run(run: Run, *, options: Options) -> ParityReport:
    """Write the model files of a run and the parity report; return the report.

    Raises
    ------
    DataError
        If the run's films are not fit for it, or not those of the fit.
    ParityError
        If a network is out of bounds; no model file is written, the report lies in the run.
    UsageError
        If `options.out` is a file.
    """
    if options.out.exists() and not options.out.is_dir():
        msg = f"{options.out}: expected a folder for the models, got a file; choose another --out"
        raise UsageError(msg)
    check_unchanged(run.of("train") + run.of("tune"))
    keras_model = run.keras_model()
    mapped = has_map(keras_model)
    spec, tiles = run.settings.input_spec, tiles_of(mapped=mapped)
    train = load_views(run.of("train"), spec=spec, tiles=tiles, per_film=1, seed=run.settings.seed)
    tune = load_views(run.of("tune"), spec=spec, tiles=tiles)
    input_check = measure_input_check(train.films.samples, mapped=mapped)
    refused = try_input_check(input_check, tune.films.samples)
    found = answers(keras_model, train.x, label="asking keras, train", progress=True)
    representative = draw_representative(
        train, logit=found.logits.astype(np.float64), seed=run.settings.seed
    )
    projection = _project(keras_model, run) if mapped else None
    original = _ask_keras(keras_model, tune, projection=projection, run=run)
    flatbuffers = convert(
        keras_model,
        representative=representative.x,
        kinds=options.kinds or (KINDS_WITH_MAP if mapped else KINDS),
        projection=projection,
    )
    candidates = [
        measure(
            kind, flatbuffer, tune, modes=original.modes, chosen_on=films_of(run, "tune"),
            pythons=options.pythons,
        )
        for kind, flatbuffer in flatbuffers.items()
    ]  # fmt: skip
    for each in candidates:
        own = dataclasses.replace(input_check, distance_limit=each.distance_limit)
        log_refusals(each.kind.value, own, each.network.answers.features, refused)
    original, candidates = _put_default_first(original, candidates, tune)
    report = _pass_parity(original, candidates, tune, run=run, options=options)
    facts = Facts(
        settings=run.settings,
        name=options.name,
        version=options.version,
        training_data=options.training_data,
        n_train=len(train.films.x),
        representative_sha256=representative.sha256,
        input_check=input_check,
    )
    manifests = [build_manifest(candidate, tune=tune, facts=facts) for candidate in candidates]
    _warn_of_chance(manifests)
    write_models(candidates, manifests, out=options.out, x=choose_films(tune).films.x)
    write_report(report, options.out / f"{options.name}-parity")
    return report


def _project(keras_model: "keras.Model", run: Run) -> Projection:
    """Return the features of the input check, measured on disturbed views of train."""
    films, refused = load_films(run.of("train"), boxes={}, spec=run.settings.input_spec)
    logger.info("features: views of %d train films, %d are unreadable", len(films), len(refused))
    sampler = ViewSampler(films, spec=run.settings.input_spec)
    rng = np.random.default_rng(run.settings.seed)
    views = sampler.draw_any(rng, n=VIEWS_PER_FILM * len(films))
    pooled = answers(keras_model, views, label="asking keras, views", progress=True).features
    assert pooled is not None  # noqa: S101 -- for mypy: a network with a map has features
    return fit_projection(pooled, widths=feature_widths(keras_model))


def _ask_keras(
    keras_model: "keras.Model", tune: Views, *, projection: Projection | None, run: Run
) -> Network:
    """Return the Keras network's answers to tune, with modes and points fitted on them."""
    found = answers(keras_model, tune.x, label="asking keras, tune", progress=True)
    features = None
    if projection is not None and found.features is not None:
        features = projection.apply(found.features)
    found = NetworkOutputs(found.logits, found.maps, features)
    modes = with_points(
        fit_modes(tune, found), tune, found, chosen_on=films_of(run, "tune"), spread=0.0
    )
    return keras_network(found, modes)


def _put_default_first(
    original: Network, candidates: Sequence[Candidate], tune: Views
) -> tuple[Network, list[Candidate]]:
    """Return all networks with their modes in the order that suits every candidate."""
    names = order_modes([candidate.network for candidate in candidates], tune)
    return original.ordered(names), [
        dataclasses.replace(candidate, network=candidate.network.ordered(names))
        for candidate in candidates
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
    candidates: Sequence[Candidate],
    tune: Views,
    *,
    run: Run,
    options: Options,
) -> ParityReport:
    """Return the report if it is within bounds; else leave it in the run and raise."""
    bounds = options.bounds
    pairs = [
        hold_against(original, c.network, tune, bounds=bounds, runtime_spread=spread(c.runtimes))
        for c in candidates
    ]
    report = make_report(
        list(itertools.chain.from_iterable(kinds for kinds, _ in pairs)),
        list(itertools.chain.from_iterable(outputs for _, outputs in pairs)),
        tune.films,
        run=run,
        name=options.name,
        split="tune",
        bounds=bounds,
    )
    try:
        report.check()
    except ParityError:
        write_report(report, run.dir / FAILED_REPORT)
        raise
    for suffix in REPORT_SUFFIXES:
        # Of an earlier attempt: beside models that passed it would mislead.
        (run.dir / f"{FAILED_REPORT}{suffix}").unlink(missing_ok=True)
    return report
