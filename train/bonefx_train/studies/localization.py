"""Localization: the peak of the heat map against drawn boxes, compared with two fixed points.

    python -m bonefx_train.studies.localization [MODEL] --data DIR [--split tune] [--boxes FILE]
        [--mode MODE] [--films N] [--out FOLDER] [--sheet PICTURE]

DIR is a data set that states its splits and holds boxes.csv, or the run that the model was made
from, with --boxes. Every fractured film of the split counts: a refused one is a miss. A hit is a
peak inside a box, on its edge included. Writes localization.json and .md; prints the page.
--sheet draws 24 films with boxes and peak, to look at only: the films may not be published.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from numpy.typing import NDArray

from bonefx_train.data.boxes import BOXES_NAME, Box, read_boxes
from bonefx_train.data.dataset import Sample
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError
from bonefx_train.progress import track
from bonefx_train.studies.command import draw, read_split, run
from bonefx_train.studies.localization_figures import (
    PEAK,
    Localized,
    localization_figures,
    localize,
    refusals,
)
from bonefx_train.studies.pages import REFERENCES, describe_model, write

INTERVAL: Final = "95 % intervals over resampled groups; all points on the same resamples"
SHEET_FILMS, SHEET_COLUMNS, SHEET_PX = 24, 6, 320


def write_sheet(path: Path, films: Sequence[Localized]) -> None:
    """Write up to 24 films, evenly through the split: boxes green, regions blue, peak red."""
    at = np.linspace(0, len(films) - 1, min(SHEET_FILMS, len(films))).round().astype(int)
    cells = [_cell(films[i]) for i in at]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % SHEET_COLUMNS)
    rows = [np.hstack(cells[i : i + SHEET_COLUMNS]) for i in range(0, len(cells), SHEET_COLUMNS)]
    path.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())


def _cell(film: Localized) -> NDArray[np.uint8]:
    cell = np.zeros((SHEET_PX, SHEET_PX, 3), np.uint8)
    try:
        pixels = decode(read_file(film.sample.path)).pixels
    except DecodeError:
        return cell
    factor = SHEET_PX / max(pixels.shape)
    width, height = (max(1, round(side * factor)) for side in pixels.shape[::-1])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    for boxes, color in ((film.regions, (255, 160, 0)), (film.boxes, (0, 220, 0))):
        for b in boxes:
            corners = (round(b.left * width), round(b.top * height))
            cv2.rectangle(small, corners, (round(b.right * width), round(b.bottom * height)), color)
    if (peak := film.points[PEAK]) is not None:
        at = (round(peak[0] * width), round(peak[1] * height))
        cv2.drawMarker(small, at, (0, 0, 255), cv2.MARKER_CROSS, 14, 2)
    cell[:height, :width] = small
    return cell


def fractured_films(
    samples: Sequence[Sample], boxes: Mapping[str, tuple[Box, ...]], *, films: int | None
) -> list[Sample]:
    """Return the fractured films; only so many, at random, for a trial.

    Raises
    ------
    DataError
        If there is none, or one without a box.
    """
    kept = draw([sample for sample in samples if sample.label is Label.FRACTURED], films)
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
    films: Annotated[int | None, typer.Option(min=2, help="Only so many, at random.")] = None,
    out: Path = REFERENCES,
    sheet: Annotated[Path | None, typer.Option(help="Draw 24 films here; do not publish.")] = None,
) -> None:
    """Localize, compare, write."""
    classifier = Classifier.load(find_model(model), mode=mode)
    classifier.require_heatmap()
    path = boxes or data / BOXES_NAME
    if not path.is_file():
        msg = f"{path}: expected boxes, got no such file; name them with --boxes"
        raise DataError(msg)
    all_boxes = read_boxes(path)
    data_name, samples = read_split(data, split)
    kept = fractured_films(samples, all_boxes, films=films)
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
    if sheet:
        write_sheet(sheet, found)


if __name__ == "__main__":
    run(main)
