"""From a run to model files, and from model files back to their run: the order of the steps."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from bonefx_edge.errors import ModelFileError, ParityError, UsageError
from bonefx_edge.interpreter import open_interpreter
from bonefx_edge.manifest import Manifest, ProvedRuntime
from bonefx_edge.model_file import ModelFile, check_tensors
from bonefx_edge.preprocess import InputSpec
from bonefx_train.dataset import check_unchanged
from bonefx_train.pixels import Pixels, load_pixels
from bonefx_train.run import Run
from bonefx_train.sample import SPLITS
from bonefx_train.scores import logits
from bonefx_train.temperature import fit_temperature
from numpy.typing import NDArray

from bonefx_convert.bounds import Bounds
from bonefx_convert.converter import convert
from bonefx_convert.films import Scored, choose_points, output_range
from bonefx_convert.gate_spec import measure_gate, try_gate
from bonefx_convert.pack import (
    REPORT_SUFFIXES,
    Candidate,
    Facts,
    build_manifest,
    write_models,
    write_report,
)
from bonefx_convert.parity import compare
from bonefx_convert.prove import choose_films, prove
from bonefx_convert.report import KindReport, ParityReport
from bonefx_convert.representative import draw_representative
from bonefx_convert.tensors import Kind, read_network

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

CHANCE_AUC: Final = 0.5
"""Of a coin."""
FAILED_REPORT: Final = "parity-failed"
"""Stem of the report that a failed parity gate leaves in the run."""


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


def convert_run(run: Run, *, options: Options) -> ParityReport:
    """Write the three model files of a run and the parity report; return the report.

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
    train = load_pixels(run.of("train"), spec=run.settings.input_spec)
    tune = load_pixels(run.of("tune"), spec=run.settings.input_spec)
    gate = measure_gate(train.samples)
    try_gate(gate, tune.samples)
    keras_model = run.keras_model()
    original = _score_keras(keras_model, tune, run=run)
    representative = draw_representative(
        train, logit=logits(keras_model, train.x), seed=run.settings.seed
    )
    flatbuffers = convert(keras_model, representative=representative.x)
    candidates = [
        _measure(kind, flatbuffer, tune, original=original, pythons=options.pythons)
        for kind, flatbuffer in flatbuffers.items()
    ]
    report = _pass_parity(original, candidates, tune, run=run, options=options)
    facts = Facts(
        settings=run.settings,
        name=options.name,
        version=options.version,
        training_data=options.training_data,
        n_train=len(train.x),
        representative_sha256=representative.sha256,
        gate=gate,
    )
    manifests = [build_manifest(candidate, tune=tune, facts=facts) for candidate in candidates]
    _warn_of_chance(manifests)
    write_models(candidates, manifests, out=options.out, x=choose_films(tune.x))
    write_report(report, options.out / f"{options.name}-parity")
    return report


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


def check_models(paths: Sequence[Path], *, run: Run, split: str, bounds: Bounds) -> ParityReport:
    """Return the parity of written model files with their run's Keras network on one split.

    The Keras network gets the temperature and the operating point that conversion gave it, both
    from tune.

    Raises
    ------
    ModelFileError
        If a file is no model file, or was made for another input than the run's.
    UsageError, DataError
        For an unknown split or one without films, and films that are not those of the fit.
    """
    if split not in SPLITS or not run.of(split):
        msg = f"split: expected one of {', '.join(SPLITS)} with films, got {split!r} of {run.dir}"
        raise UsageError(msg)
    check_unchanged(run.of("tune") + run.of(split))
    spec = run.settings.input_spec
    models = [_read_model(path, spec=spec) for path in paths]
    tune = load_pixels(run.of("tune"), spec=spec)
    films = tune if split == "tune" else load_pixels(run.of(split), spec=spec)
    keras_model = run.keras_model()
    original = dataclasses.replace(
        _score_keras(keras_model, tune, run=run), logit=logits(keras_model, films.x)
    )
    kinds = [
        compare(
            original,
            _score_model(model, films.x),
            films,
            bounds=bounds,
            runtime_spread=_spread(model.manifest.runtimes),
        )
        for model in models
    ]
    name = models[0].manifest.name
    return _report(kinds, films, run=run, name=name, split=split, bounds=bounds)


def _measure(
    kind: Kind, flatbuffer: bytes, tune: Pixels, *, original: Scored, pythons: Sequence[Path]
) -> Candidate:
    """Return a converted network with its tune logits, operating points and proved interpreters.

    Temperature and data set are those of `original`; the operating points are chosen anew.
    """
    logger.info("%s operators: %s", kind, ", ".join(read_network(flatbuffer).operators))
    opened = open_interpreter(flatbuffer)
    logit = opened.logits(tune.x)[:, 0].astype(np.float64)
    runtimes = prove(flatbuffer, x=choose_films(tune.x), pythons=pythons)
    points = choose_points(
        logit,
        tune,
        temperature=original.temperature,
        chosen_on=original.operating_point.chosen_on,
        spread=_spread(runtimes),
    )
    scored = Scored(kind, logit, original.temperature, points[0], **output_range(opened.output))
    return Candidate(kind, flatbuffer, scored, points, runtimes)


def _score_keras(keras_model: "keras.Model", tune: Pixels, *, run: Run) -> Scored:
    """Return the Keras network's tune logits with the temperature and point fitted on them."""
    logit = logits(keras_model, tune.x)
    temperature = fit_temperature(logit, tune.class_index)
    points = choose_points(
        logit, tune, temperature=temperature, chosen_on=_films_of(run, "tune"), spread=0.0
    )
    return Scored("keras", logit, temperature, points[0])


def _read_model(path: Path, *, spec: InputSpec) -> ModelFile:
    model = ModelFile.read(path)
    if model.manifest.input != spec:
        msg = f"{path}: expected a model with the run's input {spec}, got {model.manifest.input}"
        raise ModelFileError(msg)
    return model


def _score_model(model: ModelFile, x: NDArray[np.float32] | NDArray[np.uint8]) -> Scored:
    opened = open_interpreter(model.flatbuffer)
    manifest = model.manifest
    check_tensors(manifest, input_=opened.input, output=opened.output)
    return Scored(
        kind=manifest.kind,
        logit=opened.logits(x)[:, manifest.output.index].astype(np.float64),
        temperature=manifest.temperature,
        operating_point=manifest.operating_point(None),
        **output_range(opened.output),
    )


def _spread(runtimes: Sequence[ProvedRuntime]) -> float:
    """Return the largest logit difference between interpreters, 0 where only one was tried."""
    return max((runtime.max_logit_difference for runtime in runtimes), default=0.0)


def _films_of(run: Run, split: str) -> str:
    return f"{run.settings.data_name} {split}"


def _report(
    kinds: Sequence[KindReport], films: Pixels, *, run: Run, name: str, split: str, bounds: Bounds
) -> ParityReport:
    return ParityReport(
        network=name,
        films_of=_films_of(run, split),
        chosen_on=_films_of(run, "tune"),
        films=len(films.x),
        fractured=int(films.fractured.sum()),
        groups=len({sample.group for sample in films.samples}),
        bounds=bounds,
        kinds=tuple(kinds),
    )


def _pass_parity(
    original: Scored,
    candidates: Sequence[Candidate],
    tune: Pixels,
    *,
    run: Run,
    options: Options,
) -> ParityReport:
    """Return the report if it is within bounds; else leave it in the run and raise."""
    bounds = options.bounds
    kinds = [
        compare(original, c.scored, tune, bounds=bounds, runtime_spread=_spread(c.runtimes))
        for c in candidates
    ]
    report = _report(kinds, tune, run=run, name=options.name, split="tune", bounds=bounds)
    try:
        report.check()
    except ParityError:
        write_report(report, run.dir / FAILED_REPORT)
        raise
    for suffix in REPORT_SUFFIXES:
        # Of an earlier attempt: beside models that passed it would mislead.
        (run.dir / f"{FAILED_REPORT}{suffix}").unlink(missing_ok=True)
    return report
