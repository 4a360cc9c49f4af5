"""What the model answers on films of each source, cautions and refusals included.

    python -m bonefx_train.studies.sources [MODEL] --data DIR [--out FOLDER]

DIR is the data folder. Each film is classified as on the device. For each source and label: states
and cautions, counted, the share that is called fracture with a 95 % Wilson interval, and the mean
number of tiles; where a source has both labels, the AUC with an interval over groups. Writes
sources.json and .md; prints the page.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from bonefx_edge import NOTICE
from bonefx_edge.classifier import Classifier
from bonefx_edge.finding import Analysis
from bonefx_edge.inference.decision import State
from bonefx_edge.model.bundled import DEFAULT_MODEL

from bonefx_train.evaluation.metrics import auc, bootstrap_by_group, wilson
from bonefx_train.progress import track
from bonefx_train.studies.command import run
from bonefx_train.studies.external_sets import BTXRD, FOLDER, OAI
from bonefx_train.studies.pages import REFERENCES, describe_model, write

SEED: Final = 14


@dataclass(frozen=True, slots=True)
class Source:
    """Films of one set."""

    name: str
    table: str
    """CSV with a column `path`, below the data folder."""
    split: str = ""
    """Of the column `split`; empty: all films."""
    folder: str = ""
    """Start of the paths; empty: all films."""


SOURCES: Final = (
    Source("FracAtlas tune", "fracatlas/manifest.csv", "tune"),
    Source("FracAtlas test", "fracatlas/manifest.csv", "test"),
    Source("stanford (development set)", "stanford/manifest.csv"),
    Source("boneage, held out", "boneage/manifest.csv", "test"),
    Source("web_originals", f"{FOLDER}/web_originals.csv"),
    Source(BTXRD, f"{FOLDER}/manifest.csv", folder=BTXRD),
    Source(OAI, f"{OAI}/manifest.csv"),
    Source("shoulder_implants", "shoulder_implants/manifest.csv"),
    Source("chests of children, held out", "ood_chest_children/manifest.csv", "test"),
    Source("chests", "ood/manifest.csv"),
)
PAIR: Final = ("web_originals", (BTXRD, OAI))
"""Fractured films of one source against those without fracture of others."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One film."""

    group: str
    label: str
    """fractured, not_fractured, or none for what is no limb."""
    state: State
    caution: str
    p_fracture: float | None
    tiles: int


def read_rows(data: Path, source: Source) -> list[dict[str, str]]:
    """Return the rows of the films of a source."""
    with (data / source.table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        row
        for row in rows
        if row["path"].startswith(source.folder)
        and (not source.split or row["split"] == source.split)
    ]


def classify(data: Path, source: Source, classifier: Classifier) -> Iterator[Answered]:
    """Yield what the model answers on each film."""
    folder = (data / source.table).parent
    for row in track(read_rows(data, source), label=source.name):
        found: Analysis = classifier.analyze(folder / row["path"])
        finding = found.finding
        yield Answered(
            group=row.get("group") or row["path"],
            label=row.get("label") or "none",
            state=finding.state,
            caution=finding.caution or "",
            p_fracture=finding.p_fracture,
            tiles=0 if found.tiles is None else len(found.tiles.x),
        )


def summarize(name: str, films: list[Answered]) -> list[dict[str, Any]]:
    """Return one row for each label of a source."""
    rows = []
    for label in sorted({film.label for film in films}):
        mine = [film for film in films if film.label == label]
        states = Counter(film.state.value for film in mine)
        rows.append({
            "source": name, "label": label, "n": len(mine),
            **{state.value: states[state.value] for state in State},
            "unfamiliar": sum(film.caution == "unfamiliar" for film in mine),
            "called_fracture": wilson(states[State.FRACTURE], len(mine)),
            "tiles": sum(film.tiles for film in mine) / len(mine),
        })  # fmt: skip
    return rows


def area(name: str, films: list[Answered]) -> dict[str, Any] | None:
    """Return the AUC of the answered films, by their scores alone; None with one label."""
    answered = [film for film in films if film.p_fracture is not None]
    fractured = np.array([film.label == "fractured" for film in answered])
    if not answered or fractured.all() or not fractured.any():
        return None
    p = np.array([film.p_fracture for film in answered], np.float64)
    groups = [film.group for film in answered]
    low, high = bootstrap_by_group(lambda w: auc(p, fractured, w), groups, seed=SEED)
    return {
        "source": name,
        "auc": {"value": float(auc(p, fractured)), "low": low, "high": high, "n": len(answered)},
    }


def main(
    model: Annotated[str, typer.Argument(help="A model file or name.")] = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option(help="Folder that holds the sets.")],
    out: Path = REFERENCES,
) -> None:
    """Classify every set, write."""
    classifier = Classifier.load(model)
    films = {each.name: list(classify(data, each, classifier)) for each in SOURCES}
    fractured, normal = PAIR
    films_of_pair = [film for name in (fractured, *normal) for film in films[name]]
    pair = area(f"{fractured} against {' and '.join(normal)}", films_of_pair)
    report = {
        "notice": NOTICE,
        "model": describe_model(classifier),
        "mode": classifier.mode.name,
        "rows": [row for name, found in films.items() for row in summarize(name, found)],
        "aucs": [each for name, found in films.items() if (each := area(name, found))] + [pair],
    }
    write(out, "sources", report)


if __name__ == "__main__":
    run(main)
