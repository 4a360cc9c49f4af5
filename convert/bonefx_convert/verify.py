"""Compare written model files with the run that they were made from, on any of its splits."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bonefx_edge.errors import ModelFileError, UsageError
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile, check_tensors
from bonefx_train.data.dataset import check_unchanged
from bonefx_train.data.sample import SPLITS
from bonefx_train.evaluation.predict import predict_outputs
from bonefx_train.evaluation.tiled_predictions import NetworkInputs, TileMode, load_inputs
from bonefx_train.run import Run

from bonefx_convert.flatbuffer import read_network
from bonefx_convert.origin import origin_of
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.parity.tolerances import Tolerances
from bonefx_convert.score_fusion import run_inference
from bonefx_convert.variants import (
    Network,
    compare_with,
    keras_network,
    make_report,
    quantized_ranges,
    spread,
    with_operating_points,
)


def check_models(
    paths: Sequence[Path], *, run: Run, split: str, tolerances: Mapping[str, float]
) -> ParityReport:
    """Return the parity of written model files with their run's Keras network on one split.

    The Keras network is read as the files say, with operating points chosen on its own tune
    outputs, as conversion did. `tolerances` replace those of the network's depth. Features are not
    compared: their whitening is in the files only.

    Raises
    ------
    ModelFileError
        If a file is no model file, was made for another input than the run's, or reads images in
        other tiles than the first.
    UsageError, DataError
        For an unknown split or one without images, and images that are not those of the fit.
    """
    if split not in SPLITS or not run.of(split):
        msg = f"split: expected one of {', '.join(SPLITS)} with images, got {split!r} of {run.dir}"
        raise UsageError(msg)
    check_unchanged(run.of("tune") + run.of(split))
    spec = run.settings.input_spec
    models = [_read_model(path, spec=spec) for path in paths]
    seen = _input_mode(models[0])
    for path, model in zip(paths, models, strict=True):
        if _input_mode(model) != seen:
            msg = f"{path}: expected the tiles of {paths[0]}, got others; check each by itself"
            raise ModelFileError(msg)
    load = partial(load_inputs, spec=spec, tile_mode=seen)
    tune = load(run.of("tune"))
    inputs = tune if split == "tune" else load(run.of(split))
    keras_model = run.keras_model()
    on_tune = _without_features(predict_outputs(keras_model, tune.x, label="running keras"))
    on_split = (
        on_tune if split == "tune" else _without_features(predict_outputs(keras_model, inputs.x))
    )
    origin = origin_of(run)
    depth = max(read_network(model.flatbuffer).depth for model in models)
    bounds = Tolerances.of_depth(depth, tolerances)
    pairs = []
    for model in models:
        chosen_on = origin.split_name("tune")
        modes = with_operating_points(
            model.manifest.modes, tune, on_tune, chosen_on=chosen_on, spread=0.0
        )
        pairs.append(
            compare_with(
                keras_network(on_split, modes),
                _infer(model, inputs),
                inputs,
                tolerances=bounds,
                runtime_spread=spread(model.manifest.verified_runtimes),
            )
        )
    return make_report(
        pairs,
        inputs.images,
        origin=origin,
        name=models[0].manifest.name,
        split=split,
        tolerances=bounds,
        not_made={},
    )


def _without_features(found: NetworkOutputs) -> NetworkOutputs:
    return NetworkOutputs(found.logits, found.maps, None)


def _input_mode(model: ModelFile) -> TileMode:
    """Return what the network gets of an image; only one mode has tiles."""
    modes = [
        TileMode(mode.tiles, (), mode.tile_selection, mode.refinement)
        for mode in model.manifest.modes
    ]
    return max(modes, key=lambda mode: len(mode.tiles))


def _read_model(path: Path, *, spec: InputSpec) -> ModelFile:
    model = ModelFile.read(path)
    if model.manifest.input != spec:
        msg = f"{path}: expected a model with the run's input {spec}, got {model.manifest.input}"
        raise ModelFileError(msg)
    return model


def _infer(model: ModelFile, inputs: NetworkInputs) -> Network:
    """Return a written model's own outputs and modes."""
    opened = open_interpreter(model.flatbuffer)
    manifest = model.manifest
    check_tensors(manifest, input_=opened.input, outputs=opened.outputs)
    found = run_inference(
        opened, inputs.x, output=manifest.output, label=f"running {manifest.kind}"
    )
    return Network(manifest.kind, found, manifest.modes, quantized_ranges(opened, manifest.output))
