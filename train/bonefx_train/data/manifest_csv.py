"""Read labelled radiographs from a manifest CSV."""

import csv
from pathlib import Path, PurePosixPath
from typing import Final

from bonefx_train.data.class_folders import split_from_name
from bonefx_train.data.sample import Label, Sample, describe_mapping, label_from_name
from bonefx_train.errors import DataError

REQUIRED_COLUMNS: Final = ("path", "label")
OPTIONAL_COLUMNS: Final = ("group", "split", "body_part", "hardware")
YES: Final = frozenset({"1", "true", "yes"})
NO: Final = frozenset({"", "0", "false", "no"})


def read_manifest(manifest: Path) -> tuple[list[Sample], list[str]]:
    """Return the images that a manifest CSV lists, in its order, and notes on how they were found.

    Columns path and label; optional group, split, body_part, hardware; others are ignored.
    Paths are relative to the folder of the CSV. `split` stays empty without that column; an image
    without a group is its own group.

    Raises
    ------
    DataError
        For absent columns, no rows, a path that is absolute, listed twice or not there, a split
        or hardware value that says nothing known.
    """
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        msg = f"{manifest}: expected a CSV in UTF-8, got {err}; export it again"
        raise DataError(msg) from err
    absent = [name for name in REQUIRED_COLUMNS if name not in columns]
    if absent or not rows:
        msg = (
            f"{manifest}: expected columns {', '.join(REQUIRED_COLUMNS)} and at least one row, got "
            f"{len(rows)} rows with columns {', '.join(columns) or 'none'}; add {absent or 'rows'}"
        )
        raise DataError(msg)
    samples = [_sample(row, manifest=manifest, line=line) for line, row in enumerate(rows, 2)]
    _check_paths(samples, manifest=manifest)
    absent = [name for name in OPTIONAL_COLUMNS if name not in columns]
    mapping = describe_mapping(row["label"] or "" for row in rows)
    notes = [
        f"{len(samples)} images listed in {manifest.name}",
        f"labels, please confirm:\n{mapping}",
    ]
    if absent:
        notes.append(f"{manifest.name} has no column {', '.join(absent)}")
    return samples, notes


def _sample(row: dict[str, str | None], *, manifest: Path, line: int) -> Sample:
    cells = {name: (row.get(name) or "").strip() for name in REQUIRED_COLUMNS + OPTIONAL_COLUMNS}
    where = f"{manifest}, line {line}"
    key = PurePosixPath(cells["path"].replace("\\", "/"))
    if not cells["path"] or key.is_absolute() or ".." in key.parts:
        msg = f"{where}: expected a path below the CSV's folder, got {cells['path']!r}; rewrite it"
        raise DataError(msg)
    split = split_from_name(cells["split"]) if cells["split"] else ""
    if split is None:
        msg = f"{where}: expected split train, tune or test, got {cells['split']!r}; rename it"
        raise DataError(msg)
    hardware = cells["hardware"].lower()
    if hardware not in YES | NO:
        msg = f"{where}: expected hardware 0 or 1, got {cells['hardware']!r}; rewrite it"
        raise DataError(msg)
    return Sample(
        path=(manifest.parent / key).absolute(),
        key=key.as_posix(),
        label=_label(cells["label"], where=where),
        group=cells["group"] or key.as_posix(),
        split=split,
        body_part=cells["body_part"],
        hardware=hardware in YES,
    )


def _label(cell: str, *, where: str) -> Label:
    try:
        return label_from_name(cell)
    except DataError as err:
        msg = f"{where}: {err}"
        raise DataError(msg) from err


def _check_paths(samples: list[Sample], *, manifest: Path) -> None:
    keys = [sample.key for sample in samples]
    twice = (
        sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    )
    if twice:
        msg = f"{manifest}: expected each path once, got twice: {', '.join(twice[:5])}; remove one"
        raise DataError(msg)
    absent = [sample.key for sample in samples if not sample.path.is_file()]
    if absent:
        msg = (
            f"{manifest}: expected every listed image below {manifest.parent}, {len(absent)} are "
            f"not there, such as {', '.join(absent[:5])}; copy them or remove their rows"
        )
        raise DataError(msg)
