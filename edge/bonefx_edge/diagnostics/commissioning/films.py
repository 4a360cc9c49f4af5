"""Which films a site gave for commissioning: two class folders, or a CSV."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.decode.dicom.numbers import age_string_years
from bonefx_edge.errors import UsageError

NORMAL_NAMES: Final = ("normal", "normals", "no fracture", "not fractured", "negative")
FRACTURED_NAMES: Final = ("fracture", "fractured", "fractures", "positive")
"""Words for the two classes in folder names and CSV cells; case, `-` and `_` do not matter."""
_OLDEST: Final = 130.0
"""Years."""


@dataclass(frozen=True, slots=True)
class SiteFilm:
    """One film with what a reader called it."""

    path: Path
    is_fractured: bool
    group: str
    """Films of one patient share it; "" where patients are not known: each film is its own."""
    body_part: str
    """As given, in small letters; "" where unknown."""
    age_years: float | None


def read_films(source: Path, *, list_folder: Callable[[Path], Sequence[Path]]) -> list[SiteFilm]:
    """Return the films of a folder with class folders, or of a CSV.

    Parameters
    ----------
    source
        Folder with `normal` and, if there are any, `fractured`; or a CSV with the columns path and
        label, and optionally group, body_part and age. Paths are relative to the CSV.
    list_folder
        Gives the files below a class folder that can be films.

    Raises
    ------
    UsageError
        There is no film, a name means no class, or a cell is not what its column says.
    """
    films = _read_csv(source) if source.is_file() else _read_folders(source, list_folder)
    if not films:
        msg = f"{source}: found no film; put films into the folder normal"
        raise UsageError(msg)
    twice = len(films) - len({film.path for film in films})
    if twice:
        msg = f"{source}: {twice} films are named twice; name each film once"
        raise UsageError(msg)
    return films


def age_in_years(text: str) -> float | None:
    """Return an age given in years or as DICOM writes it; None for no text.

    >>> age_in_years("12"), age_in_years("018M"), age_in_years("")
    (12.0, 1.5, None)

    Raises
    ------
    ValueError
        For any other text.
    """
    text = text.strip().upper()
    if not text:
        return None
    years = age_string_years(text)
    years = float(text) if years is None else years
    if not 0.0 <= years <= _OLDEST:
        msg = f"expected an age from 0 to {_OLDEST:.0f} years, got {text}"
        raise ValueError(msg)
    return years


def _is_fractured(name: str, *, where: str) -> bool:
    word = re.sub(r"[\s_-]+", " ", name).strip().lower()
    if word not in NORMAL_NAMES + FRACTURED_NAMES:
        msg = f"{where}: expected normal or fractured, got {name!r}; rename it"
        raise UsageError(msg)
    return word in FRACTURED_NAMES


def _read_folders(source: Path, list_folder: Callable[[Path], Sequence[Path]]) -> list[SiteFilm]:
    try:
        folders = sorted(path for path in source.iterdir() if path.is_dir())
    except OSError as err:
        msg = f"{source}: cannot read the folder ({err.strerror}); check the path"
        raise UsageError(msg) from err
    return [
        SiteFilm(path, fractured, group="", body_part="", age_years=None)
        for folder in folders
        if not folder.name.startswith(".")
        for fractured in [_is_fractured(folder.name, where=str(source))]
        for path in list_folder(folder)
    ]


def _read_csv(source: Path) -> list[SiteFilm]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as err:
        msg = f"{source}: cannot read the CSV ({err}); save it as CSV in UTF-8"
        raise UsageError(msg) from err
    return [_read_row(row, source, number) for number, row in enumerate(rows, 2)]


def _read_row(row: dict[str, str | None], source: Path, number: int) -> SiteFilm:
    where = f"{source}, line {number}"
    cells = {name: (row.get(name) or "").strip() for name in ("path", "label")}
    if not all(cells.values()):
        msg = f"{where}: expected the columns path and label with text in both"
        raise UsageError(msg)
    try:
        age = age_in_years(row.get("age") or "")
    except ValueError as err:
        msg = f"{where}: age: expected years or a DICOM age such as 045Y ({err})"
        raise UsageError(msg) from err
    return SiteFilm(
        path=source.parent / cells["path"],
        is_fractured=_is_fractured(cells["label"], where=where),
        group=(row.get("group") or "").strip(),
        body_part=(row.get("body_part") or "").strip().lower(),
        age_years=age,
    )
