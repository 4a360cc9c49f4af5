"""Does a model see a displaced fracture that no one could miss? Bones of tune films, cut here.

    python -m bonefx_train.studies.synthetic_fractures MODEL ... --data DIR [--out FOLDER]

DIR is a data set that states its splits. Of each tune film without fracture one tile is taken, as
the device cuts it, in which a bone is found; the network is shown it as it is, with the bone cut,
and with a bone bent (docs/decisions/0016-synthetic-fractures.md). Prints the AUC of the logit
between each two of the three, with 95 % intervals over groups, and writes
synthetic_fractures.json. It says what a network makes of cuts of the kind that lite0 is fitted on,
not of patients.
"""

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.finding import ModelId
from bonefx_edge.inference.preprocess import Gray, stretch_percentiles
from bonefx_edge.inference.tiling import cut_tiles
from bonefx_edge.model.bundled import find_model
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from numpy.typing import NDArray

from bonefx_train.data.sample import Label, Sample
from bonefx_train.evaluation.metrics import auc, bootstrap_by_group
from bonefx_train.patches.synthetic_fractures import bend_bone, break_bone
from bonefx_train.progress import track
from bonefx_train.studies.quantization_cost import find_films

PAIRS = (("cut", "untouched"), ("cut", "bent"), ("bent", "untouched"))
SEED = 1

Triple = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


def triples(model: ModelFile, films: Sequence[Sample]) -> Iterator[tuple[str, Triple]]:
    """Yield the group of each film in which a bone is found, and its tile untouched, cut, bent."""
    spec = model.manifest.input
    for number, film in enumerate(track(films, label="cutting bones")):
        rng = np.random.default_rng([SEED, number])
        tiles = cut_tiles(
            decode(read_file(film.path), allow_downscale=spec.allow_downscale),
            model.manifest.readings[0].tiles,
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


def measure(path: Path, films: Sequence[Sample]) -> dict[str, object]:
    """Return what a model makes of the three; print a row."""
    model = ModelFile.read(path)
    if not model.manifest.readings[0].tiles or model.manifest.input.gray is not Gray.STRETCH:
        sys.exit(f"error: {path}: expected a model that reads stretched tiles, such as lite0")
    groups, views = zip(*triples(model, films), strict=True)
    interpreter = open_interpreter(model.flatbuffer)
    towards = {
        name: -model.manifest.output.answers(
            interpreter.run(np.stack([each[i] for each in views])[..., np.newaxis])
        ).logits.astype(np.float64)
        for i, name in enumerate(("untouched", "cut", "bent"))
    }
    truth = np.repeat([True, False], len(groups))
    figures = []
    for a, b in PAIRS:
        score = np.concatenate([towards[a], towards[b]])
        low, high = bootstrap_by_group(partial(auc, score, truth), [*groups, *groups], seed=SEED)
        value = float(auc(score, truth))
        figures.append({"name": f"{a} against {b}", "value": value, "low": low, "high": high})
    told = model.manifest
    cells = [f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})" for f in figures]
    typer.echo(f"| {told.name} {told.version} {told.kind} | {len(groups)} | {' | '.join(cells)} |")
    return {
        "model": dataclasses.asdict(ModelId(told.name, told.version, model.sha256)),
        "films": len(groups),
        "groups": len(set(groups)),
        "figures": figures,
    }


def main(
    models: Annotated[list[str], typer.Argument(help="Model files or names.")],
    *,
    data: Annotated[Path, typer.Option(help="FracAtlas.")],
    out: Annotated[Path, typer.Option(help="Folder of the JSON.")] = Path("benchmarks/reference"),
) -> None:
    """Print a row for each model, write synthetic_fractures.json."""
    name, samples = find_films(data, "tune")
    films = [sample for sample in samples if sample.label is Label.NOT_FRACTURED]
    typer.echo("| model | films | " + " | ".join(f"{a} against {b}" for a, b in PAIRS) + " |")
    typer.echo("|---" * (2 + len(PAIRS)) + "|")
    rows = [measure(find_model(model), films) for model in models]
    report = {"notice": NOTICE, "films_of": f"{name} tune, not fractured", "rows": rows}
    (out / "synthetic_fractures.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
