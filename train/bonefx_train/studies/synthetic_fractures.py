"""Synthetic fractures: how well a model separates bones of tune films with and without a cut.

    python -m bonefx_train.studies.synthetic_fractures MODEL ... --data DIR [--out FOLDER]

DIR is a data set that states its splits. Of each tune film without fracture one tile with a bone is
taken, cut as on the device. The network gets it as it is, with the bone cut, and with the bone bent
(docs/decisions/0016-synthetic-fractures.md). Writes the AUC of the logit between each two of the
three into synthetic_fractures.json and .md; prints the page. It measures cuts of the kind that
lite0 is fitted on, not patients.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.inference.preprocess import Gray, stretch_percentiles
from bonefx_edge.inference.tiling import extract_tiles
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from numpy.typing import NDArray

from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.evaluation.metrics import auc
from bonefx_train.patches.synthetic_fractures import bend_bone, break_bone
from bonefx_train.progress import track
from bonefx_train.studies.command import read_split, run
from bonefx_train.studies.figures import measure as measure_figure
from bonefx_train.studies.pages import REFERENCES, write

PAIRS = (("cut", "untouched"), ("cut", "bent"), ("bent", "untouched"))
SEED = 1

Triple = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


def triples(model: ModelFile, films: Sequence[Sample]) -> Iterator[tuple[str, Triple]]:
    """Yield the group of each film in which a bone is found, and its tile untouched, cut, bent."""
    spec = model.manifest.input
    for number, film in enumerate(track(films, label="cutting bones")):
        rng = np.random.default_rng([SEED, number])
        tiles = extract_tiles(
            decode(read_file(film.path), allow_downscale=spec.allow_downscale),
            model.manifest.modes[0].tiles,
            spec,
        ).x
        for i in rng.permutation(len(tiles)):
            untouched = tiles[i, ..., 0].astype(np.uint8)
            broken = break_bone(untouched, rng)
            if broken is not None:
                yield (
                    film.group,
                    (
                        untouched,
                        stretch_percentiles(broken[0]),
                        stretch_percentiles(bend_bone(untouched, rng)),
                    ),
                )
                break


def measure(path: Path, films: Sequence[Sample]) -> dict[str, Any]:
    """Return the AUCs of one model.

    Raises
    ------
    DataError
        If the model does not read stretched tiles.
    """
    model = ModelFile.read(path)
    if not model.manifest.modes[0].tiles or model.manifest.input.gray is not Gray.STRETCH:
        msg = f"{path}: expected a model that reads stretched tiles, such as lite0"
        raise DataError(msg)
    groups, views = zip(*triples(model, films), strict=True)
    interpreter = open_interpreter(model.flatbuffer)
    towards = {
        name: -model.manifest.output.split(
            interpreter.run(np.stack([each[i] for each in views])[..., np.newaxis])
        ).logits.astype(np.float64)
        for i, name in enumerate(("untouched", "cut", "bent"))
    }
    truth = np.repeat([True, False], len(groups))
    figures = [
        measure_figure(
            f"{a} against {b}",
            "AUC of the logit",
            partial(auc, np.concatenate([towards[a], towards[b]]), truth),
            groups=[*groups, *groups],
            seed=SEED,
        )
        for a, b in PAIRS
    ]
    m = model.manifest
    return {
        "model": {"name": m.name, "version": m.version, "sha256": model.sha256, "kind": m.kind},
        "films": len(groups),
        "groups": len(set(groups)),
        "figures": figures,
    }


def main(
    models: Annotated[list[str], typer.Argument(help="Model files or names.")],
    *,
    data: Annotated[Path, typer.Option(help="FracAtlas.")],
    out: Path = REFERENCES,
) -> None:
    """Measure each model, write."""
    name, samples = read_split(data, "tune")
    films = [sample for sample in samples if sample.label is Label.NOT_FRACTURED]
    rows = [measure(find_model(model), films) for model in models]
    report = {"notice": NOTICE, "split_name": f"{name} tune, not fractured", "rows": rows}
    write(out, "synthetic_fractures", report)


if __name__ == "__main__":
    run(main)
