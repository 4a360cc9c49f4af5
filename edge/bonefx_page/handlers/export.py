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
    rows = ((path, _LABELS[verdict.answer]) for path, verdict in _labeled(asked))
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
        for path, verdict in _labeled(asked)
        if verdict.box
    )
    return _file(asked, "boxes.csv", ("path", "x_center", "y_center", "width", "height"), rows)


def _labeled(asked: Asked) -> Iterator[tuple[str, Verdict]]:
    """Yield the path below the watched folder, and the verdict; films without a file are left out.

    A name that is not UTF-8 cannot stand in the file either.
    """
    verdicts = Verdicts(asked.database, asked.services.settings.data)
    with asked.services.journal() as journal:
        for verdict in verdicts.all_current():
            if verdict.answer not in _LABELS or not journal.images.is_known(verdict.sha256):
                continue
            present = [n.path for n in journal.images.image(verdict.sha256).names if n.is_present]
            if present and present[0].isprintable():
                yield present[0], verdict


def _file(
    asked: Asked, name: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> Response:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    asked.note(Action.EXPORTED)
    return Response(
        text.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
