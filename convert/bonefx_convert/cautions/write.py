"""Write model files that are cautious with unfamiliar films and at other ages."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.errors import ModelFileError
from bonefx_edge.model.manifest import FORMAT_VERSION, Manifest
from bonefx_edge.model.model_file import ModelFile, write_model_file
from bonefx_train.data.dataset import find_samples

from bonefx_convert.cautions.ages import evaluate_ages
from bonefx_convert.cautions.detectors import detector_films, fit_familiarity
from bonefx_convert.cautions.figures import metrics, with_figures
from bonefx_convert.cautions.films import TUNE, Films, read_films
from bonefx_convert.pack import converter_versions

REFUSED_FROM: Final = 1.6
"""Times the distance that 2 % of the tune films lie above: from there a film is refused. Between
both it is unfamiliar. A lower leg of another hospital lies at 1.5 times."""


def write_familiar(
    paths: Sequence[Path], *, data: Path, out: Path, version: str | None
) -> list[Path]:
    """Write each model file with detectors and limits on its own features; return the paths.

    The network, the modes and their thresholds stay. The figures of the file are measured again on
    tune, as states: a film with a caution is uncertain.

    Parameters
    ----------
    data
        Folder with `fracatlas` and the sets of `films`, each with a manifest.csv.
    version
        Of the new files; None: as it is.

    Raises
    ------
    OSError
        If a set is absent.
    ModelFileError
        If a file is no model file, or its network has no features.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        model = ModelFile.read(path)
        if model.manifest.output.features is None:
            msg = f"{path}: expected a network with features, got one without; nothing to measure"
            raise ModelFileError(msg)
        target = out / path.name
        manifest = _manifest(model.manifest, read_films(path, data), data=data, version=version)
        write_model_file(target, flatbuffer=model.flatbuffer, manifest=manifest)
        written.append(target)
    return written


def _manifest(old: Manifest, films: Films, *, data: Path, version: str | None) -> Manifest:
    familiarity = fit_familiarity(films, old.modes)
    check = dataclasses.replace(
        old.input_check,
        distance_limit=REFUSED_FROM * familiarity.distance_limit,
        familiarity=familiarity,
    )
    modes = tuple(with_figures(mode, check, films.tune) for mode in old.modes)
    samples = {s.key: s for s in find_samples(data / "fracatlas")[0] if s.split == TUNE}
    return dataclasses.replace(
        old,
        format_version=FORMAT_VERSION,
        version=version or old.version,
        modes=modes,
        input_check=check,
        evaluated_ages=evaluate_ages(films.hands, modes[0]),
        provenance=dataclasses.replace(
            old.provenance,
            metrics=metrics(modes[0], check, films.tune, samples),
            converter=f"{old.provenance.converter}; cautions by {converter_versions()}",
            detector_films=detector_films(films),
        ),
    )
