"""Localization: the peak of the heat map against drawn boxes, compared with two fixed points.

    python -m bonefx_train.studies.localization [MODEL] --data DIR [--split tune] [--boxes FILE]
        [--mode MODE] [--out FOLDER]

DIR is a data set that states its splits and holds boxes.csv, or the run that the model was made
from, with --boxes. Every fractured film of the split counts: a refused one is a miss. A hit is a
peak inside a box, on its edge included. Writes localization.json and .md; prints the page.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model

from bonefx_train.data.boxes import BOXES_NAME, Box, read_boxes
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.progress import track
from bonefx_train.studies.command import read_split, run
from bonefx_train.studies.localization_figures import (
    localization_figures,
    localize,
    refusals,
)
from bonefx_train.studies.pages import REFERENCES, describe_model, write

INTERVAL: Final = "95 % intervals over resampled groups; all points on the same resamples"


def fractured_films(
    samples: Sequence[Sample], boxes: Mapping[str, tuple[Box, ...]]
) -> list[Sample]:
    """Return the fractured films.

    Raises
    ------
    DataError
        If there is none, or one without a box.
    """
    kept = [sample for sample in samples if sample.label is Label.FRACTURED]
    without = [sample.key for sample in kept if sample.key not in boxes]
    if not kept or without:
        msg = (
            f"expected fractured films with a box each, got {len(kept)} films, "
            f"{len(without)} without; give the boxes of these films"
        )
        raise DataError(msg)
    return kept


def main(
    model: Annotated[str, typer.Argument(help="A model file or name.")] = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option(help="Labelled films with splits, or a run.")],
    split: str = "tune",
    boxes: Annotated[Path | None, typer.Option(help="Default: boxes.csv in DIR.")] = None,
    mode: Annotated[str | None, typer.Option(help="Default: that of the model.")] = None,
    out: Path = REFERENCES,
) -> None:
    """Localize, compare, write."""
    classifier = Classifier.load(find_model(model), mode=mode)
    classifier.manifest.require_heatmap()
    path = boxes or data / BOXES_NAME
    if not path.is_file():
        msg = f"{path}: expected boxes, got no such file; name them with --boxes"
        raise DataError(msg)
    all_boxes = read_boxes(path)
    data_name, samples = read_split(data, split)
    kept = fractured_films(samples, all_boxes)
    found = [localize(classifier, s, all_boxes[s.key]) for s in track(kept, label="localizing")]
    report = {
        "notice": NOTICE,
        "data": data_name,
        "split": split,
        "films": len(found),
        "films_of_the_split": sum(sample.label is Label.FRACTURED for sample in samples),
        "groups": len({film.sample.group for film in found}),
        "boxes": sum(len(film.boxes) for film in found),
        "refused": refusals([film.finding for film in found]),
        "interval": INTERVAL,
        "model": describe_model(classifier),
        "mode": classifier.mode.name,
        "operating_point": classifier.operating_point.name,
        "runtime": classifier.runtime,
        "figures": localization_figures(found, has_map=True, has_tiles=bool(classifier.mode.tiles)),
    }
    write(out, "localization", report)


if __name__ == "__main__":
    run(main)
