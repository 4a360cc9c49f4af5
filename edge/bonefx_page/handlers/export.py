"""Verdicts as the files that bonefx-train reads: manifest and boxes."""

import csv
import io
from collections.abc import Iterable, Iterator

from starlette.responses import Response

from bonefx_page.guard import Asked
from bonefx_page.store.audit import Action
from bonefx_page.store.verdicts import Answer, Verdict, Verdicts

_LABELS = {Answer.FRACTURE: "fractured", Answer.NO_FRACTURE: "not_fractured"}


def manifest(asked: Asked) -> Response:
    """Send path and label of each film that a reader called fracture or no fracture."""
    rows = ((path, _LABELS[verdict.answer]) for path, verdict in labeled(asked))
    return _file(asked, "manifest.csv", ("path", "label"), rows)


def boxes(asked: Asked) -> Response:
    """Send the place of each fracture that a reader marked."""
    rows = (
        (
            path,
            *(f"{verdict.box.left + verdict.box.width / 2:.5f}",),
            *(f"{verdict.box.top + verdict.box.height / 2:.5f}",),
            *(f"{verdict.box.width:.5f}", f"{verdict.box.height:.5f}"),
        )
        for path, verdict in labeled(asked)
        if verdict.box
    )
    return _file(asked, "boxes.csv", ("path", "x_center", "y_center", "width", "height"), rows)


def labeled(asked: Asked) -> Iterator[tuple[str, Verdict]]:
    """Yield path and verdict of each film that has a file, and a name that can stand in a CSV."""
    verdicts = Verdicts(asked.database, asked.services.settings.data)
    with asked.services.journal() as journal:
        for verdict in verdicts.all_current():
            if verdict.answer not in _LABELS or not journal.images.is_known(verdict.sha256):
                continue
            present = [n.path for n in journal.images.image(verdict.sha256).names if n.is_present]
            path = path_cell(present[0]) if present else None
            if path is not None:
                yield path, verdict


def path_cell(path: str) -> str | None:
    """Return a path below the watched folder as a cell; None if it cannot stand in a CSV.

    `./` before a name changes nothing for bonefx-train, and a spreadsheet does not take it for a
    formula. A name that is not UTF-8, or has control characters, a backslash or a blank at its
    end, would be read as another one.

    >>> path_cell("a/1.png"), path_cell("=1+1.png")
    ('a/1.png', './=1+1.png')
    """
    if not path.isprintable() or "\\" in path or path != path.rstrip():
        return None
    return path if path[:1].isalnum() else f"./{path}"


def csv_text(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a CSV; its cells are in quotes, so that no spreadsheet cuts them at semicolons."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(columns)
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _file(
    asked: Asked, name: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> Response:
    text = csv_text(columns, rows)
    asked.note(Action.EXPORTED)
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
