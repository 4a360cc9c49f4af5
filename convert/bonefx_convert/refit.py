"""Model files of an older version, read as this version reads films; the networks stay the same."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bonefx_edge.errors import ModelFileError
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.manifest import FORMAT_VERSION, Manifest
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.data.dataset import load_dataset
from bonefx_train.evaluation.tiled_predictions import NetworkInputs, load_inputs

from bonefx_convert.flatbuffer import Kind
from bonefx_convert.pack import converter_versions, measure_metrics, write_models
from bonefx_convert.runtime_check import choose_images
from bonefx_convert.score_fusion import fit_modes, input_mode, run_inference
from bonefx_convert.variants import Variant, measure, order_modes


@dataclass(frozen=True, slots=True)
class RefitOptions:
    """What a person decides."""

    data: Path
    """Folder of the films that the network was fitted on, with their splits; tune is used."""
    data_name: str
    """In words, such as fracatlas."""
    out: Path
    """Folder of the new files."""
    version: str
    """Of the model."""
    pythons: tuple[Path, ...]
    """Pythons of other environments in which the networks are verified to run."""


def refit(paths: Sequence[Path], *, options: RefitOptions) -> list[Path]:
    """Write each model file anew, with modes and operating points fitted on tune; return the paths.

    The first file gives the weights of the modes, as Keras does in a conversion: give the one with
    the most precise weights first. Each file gets its own operating points and distance limit. The
    intervals of the input check and the provenance of the network are kept.

    Raises
    ------
    ModelFileError
        If a file is no model file, or has another name or reads images in another way than the
        first.
    DataError
        If the films cannot be used.
    """
    models = [ModelFile.read(path) for path in paths]
    first = models[0].manifest
    for path, model in zip(paths, models, strict=True):
        if (model.manifest.name, model.manifest.input) != (first.name, first.input):
            msg = f"{path}: expected the name and the input of {paths[0]}; refit it by itself"
            raise ModelFileError(msg)
    samples = [
        sample for sample in load_dataset(options.data, seed=0).samples if sample.split == "tune"
    ]
    mapped = first.output.map is not None
    tune = load_inputs(samples, spec=first.input, tile_mode=input_mode(mapped=mapped))
    modes = _fit(models[0], tune)
    variants = [
        measure(
            Kind(model.manifest.kind), model.flatbuffer, tune, modes=modes,
            chosen_on=f"{options.data_name} tune", pythons=options.pythons,
        )
        for model in models
    ]  # fmt: skip
    names = order_modes([variant.network for variant in variants], tune)
    variants = [dataclasses.replace(each, network=each.network.ordered(names)) for each in variants]
    manifests = [
        _manifest(model.manifest, variant, tune, version=options.version)
        for model, variant in zip(models, variants, strict=True)
    ]
    return write_models(variants, manifests, out=options.out, x=choose_images(tune).images.x)


def _fit(model: ModelFile, tune: NetworkInputs) -> tuple[InferenceMode, ...]:
    opened = open_interpreter(model.flatbuffer)
    outputs = run_inference(opened, tune.x, output=model.manifest.output, label="running the first")
    return fit_modes(tune, outputs)


def _manifest(old: Manifest, variant: Variant, tune: NetworkInputs, *, version: str) -> Manifest:
    return dataclasses.replace(
        old,
        format_version=FORMAT_VERSION,
        version=version,
        modes=variant.network.modes,
        # Detectors, limits of unfamiliar films and ages are measured again by `familiarity`.
        input_check=dataclasses.replace(
            old.input_check, distance_limit=variant.distance_limit, familiarity=None
        ),
        evaluated_ages=None,
        verified_runtimes=variant.runtimes,
        provenance=dataclasses.replace(
            old.provenance,
            metrics=measure_metrics(variant, tune),
            detector_films=None,
            converter=f"{old.provenance.converter}; modes by {converter_versions()}",
        ),
    )
