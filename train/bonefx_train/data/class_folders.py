"""Find labelled radiographs in class folders, with or without train/test folders above them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from bonefx_train.data.filename_groups import base_name, is_marked
from bonefx_train.data.sample import Label, Sample, describe_mapping, label_from_name
from bonefx_train.errors import DataError

SPLIT_NAMES: Final = {
    "train": "train",
    "training": "train",
    "tune": "tune",
    "val": "tune",
    "valid": "tune",
    "validation": "tune",
    "dev": "tune",
    "test": "test",
    "testing": "test",
}
"""What people call their splits -> what we call them (glossary: train / tune / test)."""

JUNK_NAMES: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""Left behind by file managers and archivers; names with a leading dot are junk too."""


PATIENT: Final = "patient"
"""First part of the group of images in a folder inside a class folder."""

MAX_LISTED: Final = 5
"""Files named in one note."""


def split_from_name(name: str) -> str | None:
    """Return train, tune or test for a split's folder or table name, None for another name."""
    return SPLIT_NAMES.get(name.strip().lower())


def scan_folders(root: Path) -> tuple[list[Sample], list[str]]:
    """Return the images under `root` and notes on how they were found.

    The images lie in class folders, directly or below split folders; `split` stays empty where
    there is no split folder. `group` is the folder inside the class folder where there is one, else
    the name before `-rotated…`.

    Raises
    ------
    DataError
        For a folder that is neither a class nor a split, for both kinds side by side, and for
        a root without images.
    """
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not is_junk(path)]
    in_splits = [folder for folder in folders if split_from_name(folder.name)]
    if in_splits and len(in_splits) < len(folders):
        odd = ", ".join(sorted({f.name for f in folders} - {f.name for f in in_splits}))
        msg = f"{root}: expected only train/tune/test folders side by side, got also {odd}; move it"
        raise DataError(msg)
    junk: Counter[str] = Counter()
    samples: list[Sample] = []
    for folder in in_splits:
        split = split_from_name(folder.name) or ""
        for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
            samples += _scan_class(class_folder, root=root, split=split, junk=junk)
    for class_folder in folders if not in_splits else []:
        samples += _scan_class(class_folder, root=root, split="", junk=junk)
    if not samples:
        msg = f"{root}: expected class folders with images, or a manifest.csv, got neither"
        raise DataError(msg)
    loose = _loose_files([root, *in_splits], root=root)
    return _separate_restarted_names(samples), _notes(samples, junk) + loose


def is_junk(path: Path) -> bool:
    """Return whether the name is a file manager's or an archiver's, not an image's."""
    return path.name.startswith(".") or path.name.lower() in JUNK_NAMES


def _scan_class(folder: Path, *, root: Path, split: str, junk: Counter[str]) -> list[Sample]:
    if is_junk(folder):
        return []
    label = label_from_name(folder.name)
    samples = []
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        if path.is_dir() or any(is_junk(Path(part)) for part in within.parent.parts):
            continue
        if is_junk(path):
            junk[path.name] += 1
            continue
        samples.append(
            Sample(
                path=path.absolute(),
                key=path.relative_to(root).as_posix(),
                label=label,
                group=_group(within, label=label),
                split=split,
                body_part="",
                hardware=False,
            )
        )
    return samples


def _group(within: Path, *, label: Label) -> str:
    """Return the group of an image at `within` its class folder.

    A folder inside a class folder is taken for a patient, wherever it turns up: if it is something
    else the split gets coarse, if it were ignored one patient would lie in train and test.
    """
    if len(within.parts) > 1:
        return f"{PATIENT}/{within.parts[0]}"
    return f"{label}/{base_name(within.stem)}"


def _separate_restarted_names(samples: list[Sample]) -> list[Sample]:
    """Return the samples with plain names grouped within their split folder only.

    train/…/1.jpg and test/…/1.jpg are different images where numbering restarts in each folder;
    `1-rotated2.jpg` on either side says that they are copies of one.
    """
    rotated = {sample.group for sample in samples if is_marked(sample.path.stem)}
    return [
        sample
        if not sample.split or sample.group in rotated or sample.group.startswith(f"{PATIENT}/")
        else replace(sample, group=f"{sample.split}/{sample.group}")
        for sample in samples
    ]


def _loose_files(folders: list[Path], *, root: Path) -> list[str]:
    """Return a note that lists the files which lie beside class folders, none without any."""
    loose = [
        path.relative_to(root).as_posix()
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and not is_junk(path)
    ]
    if not loose:
        return []
    more = f" and {len(loose) - MAX_LISTED} more" if len(loose) > MAX_LISTED else ""
    return [f"not used, outside class folders: {', '.join(loose[:MAX_LISTED])}{more}"]


def _notes(samples: list[Sample], junk: Counter[str]) -> list[str]:
    folders = (sample.key.split("/")[1 if sample.split else 0] for sample in samples)
    notes = [
        f"class folders, please confirm:\n{describe_mapping(folders)}",
        f"{len(samples)} files in class folders",
        "groups are the folders inside class folders, taken for patients",
        "without such folders groups are file names before -rotated…: patients may be cut",
        "a manifest with a group column says it exactly",
    ]
    if junk:
        listed = ", ".join(f"{count} {name}" for name, count in sorted(junk.items()))
        notes.append(f"skipped as folder junk: {listed}")
    return notes
