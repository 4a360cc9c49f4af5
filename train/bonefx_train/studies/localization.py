"""Does the heat map point at the fracture? Its peak against drawn boxes, beside two blind guesses.

    python -m bonefx_train.studies.localization [MODEL] --data DIR [--split tune]
        [--boxes FILE] [--views NAME] [--films N] [--out FOLDER] [--sheet PICTURE]

DIR is a data set that states its splits and holds boxes.csv, or the run that the model was made
from, with --boxes. Every fractured film of the split counts: a refused one is a miss. A hit is a
peak inside a box, on its edge included. Writes localization.json and .md; prints the table.
--sheet draws 24 films with boxes and peak, for eyes here only: films are not ours to publish.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import BonefxError, DecodeError
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from numpy.typing import NDArray

from bonefx_train.data.boxes import BOXES_NAME, Box, read_boxes
from bonefx_train.data.dataset import Sample
from bonefx_train.data.sample import Label
from bonefx_train.evaluation.report import Figure
from bonefx_train.progress import track
from bonefx_train.studies.localization_figures import (
    INTERVAL,
    PEAK,
    Look,
    look_at,
    pointing_figures,
    refusals,
    table,
)
from bonefx_train.studies.quantization_cost import find_films

SHEET_FILMS, SHEET_COLUMNS, SHEET_PX = 24, 6, 320


def write_sheet(path: Path, looks: Sequence[Look]) -> None:
    """Write up to 24 films, evenly through the split: boxes green, places blue, peak red."""
    at = np.linspace(0, len(looks) - 1, min(SHEET_FILMS, len(looks))).round().astype(int)
    cells = [_cell(looks[i]) for i in at]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % SHEET_COLUMNS)
    rows = [np.hstack(cells[i : i + SHEET_COLUMNS]) for i in range(0, len(cells), SHEET_COLUMNS)]
    ok, png = cv2.imencode(".png", np.vstack(rows))
    if not ok:
        sys.exit(f"error: {path}: OpenCV could not encode the sheet")
    path.write_bytes(png.tobytes())


def _cell(look: Look) -> NDArray[np.uint8]:
    cell = np.zeros((SHEET_PX, SHEET_PX, 3), np.uint8)
    try:
        pixels = decode(read_file(look.sample.path)).pixels
    except DecodeError:
        return cell
    factor = SHEET_PX / max(pixels.shape)
    width, height = (max(1, round(side * factor)) for side in pixels.shape[::-1])
    film = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    film = cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)
    for boxes, color in ((look.places, (255, 160, 0)), (look.boxes, (0, 220, 0))):
        for b in boxes:
            corners = (round(b.left * width), round(b.top * height))
            cv2.rectangle(film, corners, (round(b.right * width), round(b.bottom * height)), color)
    if (peak := look.points[PEAK]) is not None:
        at = (round(peak[0] * width), round(peak[1] * height))
        cv2.drawMarker(film, at, (0, 0, 255), cv2.MARKER_CROSS, 14, 2)
    cell[:height, :width] = film
    return cell


def fractured_films(
    samples: Sequence[Sample], boxes: Mapping[str, tuple[Box, ...]], *, films: int | None
) -> list[Sample]:
    """Return the fractured films; only so many, at random, for a trial."""
    kept = [sample for sample in samples if sample.label is Label.FRACTURED]
    if films is not None and films < len(kept):
        drawn = np.random.default_rng(0).choice(len(kept), films, replace=False)
        kept = [kept[i] for i in sorted(drawn.tolist())]
    without = [sample.key for sample in kept if sample.key not in boxes]
    if not kept or without:
        sys.exit(
            f"error: expected fractured films with a box each, got {len(kept)} films, "
            f"{len(without)} without, such as {without[:3]}; give the boxes of these films"
        )
    return kept


def main(
    model: Annotated[str, typer.Argument(help="A model file or name.")] = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option(help="Labelled films with splits, or a run.")],
    split: str = "tune",
    boxes: Annotated[Path | None, typer.Option(help="Default: boxes.csv in DIR.")] = None,
    views: Annotated[str | None, typer.Option(help="closer or whole; default: model's.")] = None,
    films: Annotated[int | None, typer.Option(min=2, help="Only so many, at random.")] = None,
    out: Path = Path("benchmarks/reference"),
    sheet: Annotated[Path | None, typer.Option(help="Draw 24 films here; do not publish.")] = None,
) -> None:
    """Look, compare, write."""
    try:
        classifier = Classifier.load(find_model(model), views=views)
        classifier.check_explains()
        all_boxes = read_boxes(boxes or data / BOXES_NAME)
        data_name, samples = find_films(data, split)
    except FileNotFoundError as err:
        sys.exit(f"error: {err.filename}: expected boxes, got no such file; name them with --boxes")
    except BonefxError as err:
        sys.exit(f"error: {err}")
    kept = fractured_films(samples, all_boxes, films=films)
    looks = [look_at(classifier, s, all_boxes[s.key]) for s in track(kept, label="looking")]
    figures = pointing_figures(looks, has_map=True, has_tiles=bool(classifier.reading.tiles))
    report = {
        "notice": NOTICE,
        "data": data_name,
        "split": split,
        "films": len(looks),
        "films_of_the_split": sum(sample.label is Label.FRACTURED for sample in samples),
        "groups": len({look.sample.group for look in looks}),
        "boxes": sum(len(look.boxes) for look in looks),
        "refused": refusals(looks),
        "interval": INTERVAL,
        "model": dataclasses.asdict(classifier.model),
        "kind": classifier.manifest.kind,
        "reading": classifier.reading.name,
        "operating_point": classifier.operating_point.name,
        "runtime": dataclasses.asdict(classifier.runtime),
        "figures": [dataclasses.asdict(figure) for figure in figures],
    }
    text = markdown(report, figures)
    out.mkdir(parents=True, exist_ok=True)
    (out / "localization.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    (out / "localization.md").write_text(text)
    if sheet:
        write_sheet(sheet, looks)
    typer.echo(text)


def markdown(report: Mapping[str, object], figures: Sequence[Figure]) -> str:
    """Return the table with its circumstances."""
    model: dict[str, str] = report["model"]  # type: ignore[assignment]
    counts: dict[str, int] = report["refused"]  # type: ignore[assignment]
    refused = ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "none"
    circumstances = (
        f"Reading {report['reading']}; {report['films']} of the {report['films_of_the_split']} "
        f"fractured films of the split, {report['boxes']} boxes, {report['groups']} groups; "
        f"refused, each a miss: {refused}. {INTERVAL}."
    )
    title = f"# Pointing: {report['data']} {report['split']}, {model['name']}-{report['kind']}"
    return "\n".join([title, "", f"**{NOTICE}**", "", circumstances, "", *table(figures), ""])


if __name__ == "__main__":
    typer.run(main)
