"""What the command `import` does: read a public set, write manifest.csv, boxes.csv and terms."""

import csv
import hashlib
import io
import logging
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from bonefx_edge import NOTICE
from bonefx_edge.errors import UsageError

from bonefx_train.data.boxes import BOXES_NAME
from bonefx_train.data.boxes import COLUMNS as BOX_COLUMNS
from bonefx_train.data.dataset import MANIFEST_NAME
from bonefx_train.data.importers.films import Film, Found, read_table
from bonefx_train.data.importers.fracatlas import find_fracatlas
from bonefx_train.data.importers.grazpedwri import find_grazpedwri
from bonefx_train.data.importers.mura import find_mura
from bonefx_train.data.importers.public_sets import (
    FRACATLAS,
    GRAZPEDWRI,
    MURA,
    PUBLIC_SETS,
    RSNA_BONEAGE,
)
from bonefx_train.data.importers.rsna_boneage import find_rsna_boneage
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError
from bonefx_train.progress import track
from bonefx_train.text_file import write_text

logger = logging.getLogger(__name__)

COLUMNS: Final = ("path", "label", "group", "body_part", "hardware", "source")
FINDERS: Final[dict[str, Callable[[Path], Found]]] = {
    FRACATLAS: find_fracatlas,
    GRAZPEDWRI: find_grazpedwri,
    RSNA_BONEAGE: find_rsna_boneage,
}
"""MURA apart, which takes an option."""
CONTRADICTORY: Final = "identical files with both labels"


def import_set(
    name: str, source: Path, *, out: Path, copy: bool, abnormal_as_fractured: bool
) -> Found:
    """Return what was found in a public set, and write or extend the manifest in `out`.

    `out/NAME` is a link to `source`, or a folder with copies. `source` is only read. Where `out`
    holds the manifest of other imported sets, the films of this one are added to it.

    Raises
    ------
    UsageError
        The set is unknown, an option is not one of it, or `out` is of no use.
    DataError
        The layout is another one, or nothing usable is in it.
    """
    _check(name, source, out=out, abnormal_as_fractured=abnormal_as_fractured)
    found = (
        find_mura(source, abnormal_as_fractured=abnormal_as_fractured)
        if name == MURA
        else FINDERS[name](source)
    )
    _leave_out_contradictions(found)
    if not found.films:
        msg = f"{source}: expected films of {name}, got none ({_listed(found)}); check the folder"
        raise DataError(msg)
    rows, boxes = _earlier(out)
    out.mkdir(parents=True, exist_ok=True)
    _bring(found.films, source, to=out / name, copy=copy)
    rows += [_row(film, name, source) for film in found.films]
    boxes += [row for film in found.films for row in _box_rows(film, name, source)]
    terms = _terms(name, found, abnormal_as_fractured=abnormal_as_fractured)
    write_text(out / f"terms-{name}.md", terms)
    if boxes:
        write_text(out / BOXES_NAME, _table(BOX_COLUMNS, boxes))
    write_text(out / MANIFEST_NAME, _table(COLUMNS, rows))
    logger.info("%s", terms)
    return found


def _check(name: str, source: Path, *, out: Path, abnormal_as_fractured: bool) -> None:
    if name not in PUBLIC_SETS:
        msg = f"set: expected one of {', '.join(PUBLIC_SETS)}, got {name!r}; choose one of these"
        raise UsageError(msg)
    if abnormal_as_fractured and name != MURA:
        msg = f"--abnormal-as-fractured: expected it with {MURA} only, got {name}; leave it out"
        raise UsageError(msg)
    if not source.is_dir():
        msg = f"{source}: expected the folder of {name}, got none; download and unpack it first"
        raise UsageError(msg)
    if out.resolve().is_relative_to(source.resolve()):
        msg = f"{out}: expected a folder outside {source}, which stays as it is; name another"
        raise UsageError(msg)
    taken = out / name
    if taken.is_symlink() or taken.exists():
        msg = f"{taken}: expected no such file, {name} was imported before; name another --out"
        raise UsageError(msg)
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST_NAME).is_file():
        msg = f"{out}: expected a new folder or one of an earlier import, got neither; name another"
        raise UsageError(msg)


def _leave_out_contradictions(found: Found) -> None:
    """Take out all films of which an identical file has the other label: `fit` refuses them."""
    by_size: dict[int, list[Film]] = defaultdict(list)
    for film in found.films:
        by_size[film.path.stat().st_size].append(film)
    labels: dict[str, set[Label]] = defaultdict(set)
    digests: dict[Path, str] = {}
    suspects = [
        film for same in by_size.values() if len({f.label for f in same}) > 1 for film in same
    ]
    for film in track(suspects, label="comparing files of equal size"):
        digests[film.path] = hashlib.sha256(film.path.read_bytes()).hexdigest()
        labels[digests[film.path]].add(film.label)
    kept = [film for film in found.films if len(labels[digests.get(film.path, "")]) < len(Label)]
    if len(kept) < len(found.films):
        found.left_out[CONTRADICTORY] += len(found.films) - len(kept)
    found.films = kept


def _earlier(out: Path) -> tuple[list[Sequence[object]], list[Sequence[object]]]:
    """Return the rows of manifest and boxes of earlier imports; none where there are none."""
    manifest, boxes = out / MANIFEST_NAME, out / BOXES_NAME
    if not manifest.is_file():
        return [], []
    return (
        [[row[c] for c in COLUMNS] for row in read_table(manifest, columns=COLUMNS)],
        [[row[c] for c in BOX_COLUMNS] for row in read_table(boxes, columns=BOX_COLUMNS)]
        if boxes.is_file()
        else [],
    )


def _bring(films: Iterable[Film], source: Path, *, to: Path, copy: bool) -> None:
    """Link the folder of the set, or copy its films, without touching it."""
    if not copy:
        try:
            to.symlink_to(source.resolve(), target_is_directory=True)
        except OSError as err:
            msg = f"{to}: cannot make a link ({err.strerror}); take copies with --copy"
            raise DataError(msg) from err
        return
    for film in track(list(films), label="copying"):
        target = to / film.path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(film.path, target)
        except OSError as err:
            msg = f"{target}: cannot copy ({err.strerror}); remove {to}, make room, import again"
            raise DataError(msg) from err


def _key(film: Film, name: str, source: Path) -> str:
    return f"{name}/{film.path.relative_to(source).as_posix()}"


def _row(film: Film, name: str, source: Path) -> Sequence[object]:
    group = f"{name}/{film.group}"
    key = _key(film, name, source)
    return (key, film.label, group, film.body_part, int(film.hardware), name)


def _box_rows(film: Film, name: str, source: Path) -> list[Sequence[object]]:
    return [
        (
            _key(film, name, source),
            f"{(box.left + box.right) / 2:.6f}",
            f"{(box.top + box.bottom) / 2:.6f}",
            f"{box.right - box.left:.6f}",
            f"{box.bottom - box.top:.6f}",
        )
        for box in film.boxes
    ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _listed(found: Found) -> str:
    """Return how many films were left out, by reason."""
    return "; ".join(f"{count} {why}" for why, count in found.left_out.items()) or "none left out"


def _terms(name: str, found: Found, *, abnormal_as_fractured: bool) -> str:
    """Return the page that stays with the images: what, from whom, on which terms."""
    this = PUBLIC_SETS[name]
    count = Counter(film.label for film in found.films)
    groups = len({film.group for film in found.films})
    with_boxes = sum(bool(film.boxes) for film in found.films)
    lines = [
        f"# {this.title}",
        "",
        f"- fractured: {count[Label.FRACTURED]}, {with_boxes} of them with boxes",
        f"- not fractured: {count[Label.NOT_FRACTURED]}",
        f"- {groups} groups in all",
        f"- labels: {this.labels}",
        f"- groups: {this.groups}",
        f"- left out: {_listed(found)}",
        f"- licence, check it at the source: {this.licence}",
        f"- cite: {this.citation}",
    ]
    if abnormal_as_fractured:
        lines.append(
            "- **abnormal films are labelled fractured, as was asked for. A network that is fitted "
            "or measured with them finds abnormal films, not fractures. Say so.**"
        )
    return "\n".join([*lines, "", NOTICE, ""])
