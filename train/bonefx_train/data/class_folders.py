"""Find labelled radiographs in class folders, with or without train/test folders above them."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bonefx_edge.text import printable

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

JUNK_NAMES: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx", "lost+found"})
"""Left behind by file managers, archivers and file systems; names with a leading dot are, too."""


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
    passed_over = _PassedOver(root)
    samples: list[Sample] = []
    for folder in in_splits:
        split = split_from_name(folder.name) or ""
        for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
            samples += _scan_class(class_folder, split=split, passed_over=passed_over)
    for class_folder in folders if not in_splits else []:
        samples += _scan_class(class_folder, split="", passed_over=passed_over)
    check_encoding(sample.key for sample in samples)
    if not samples:
        msg = f"{root}: expected class folders with images, or a manifest.csv, got neither"
        raise DataError(msg)
    loose = _loose_files([root, *in_splits], root=root)
    return _separate_restarted_names(samples), _notes(samples) + passed_over.notes() + loose


def is_junk(path: Path) -> bool:
    """Return whether the name is a file manager's or an archiver's, not an image's."""
    return path.name.startswith(".") or path.name.lower() in JUNK_NAMES


def check_encoding(names: Iterable[str]) -> None:
    """Return if all names can be written to a table or report, which is UTF-8.

    Raises
    ------
    DataError
        Lists the names that another system wrote in another encoding, such as Latin-1.
    """
    odd = [name for name in names if not _is_utf8(name)]
    if odd:
        listed = ", ".join(str(os.fsencode(name))[2:-1] for name in odd[:MAX_LISTED])
        msg = (
            f"expected file names in UTF-8, {len(odd)} are not UTF-8, such as {listed}; rename "
            "them, for example with convmv -f latin1 -t utf8"
        )
        raise DataError(msg)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@dataclass(slots=True)
class _PassedOver:
    """What is not used below class folders, for the notes."""

    root: Path
    junk: Counter[str] = field(default_factory=Counter)
    loops: list[str] = field(default_factory=list)
    """Links to folders that are being listed already."""
    empty: list[str] = field(default_factory=list)
    """Class folders without images."""

    def notes(self) -> list[str]:
        """Return a sentence for each kind."""
        junk = ", ".join(f"{count} {name}" for name, count in sorted(self.junk.items()))
        found = {
            "skipped as folder junk": junk,
            "not followed, links that lead back": _listed(self.loops),
            "class folders that are empty": _listed(self.empty),
        }
        return [f"{what}: {names}" for what, names in found.items() if names]


def walk_files(folder: Path, *, on_loop: Callable[[Path], None]) -> Iterator[Path]:
    """Yield the files below a folder, sorted by folder; links to folders are followed.

    Parameters
    ----------
    on_loop
        Called with each link to the folder, to one above it, or to one that was listed already.

    Raises
    ------
    DataError
        A folder cannot be listed: its images would be left out.
    """
    entered = {_identity(above) for above in folder.absolute().parents}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            identity = _identity(current)
            if identity in entered:
                on_loop(current)
                continue
            entered.add(identity)
            with os.scandir(current) as entries:
                found = sorted((Path(entry.path), entry.is_dir()) for entry in entries)
        except OSError as err:
            msg = f"{current}: cannot list the folder ({err.strerror}); correct its permissions"
            raise DataError(msg) from err
        waiting += [path for path, is_folder in reversed(found) if is_folder]
        yield from (path for path, is_folder in found if not is_folder)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _scan_class(folder: Path, *, split: str, passed_over: _PassedOver) -> list[Sample]:
    if is_junk(folder):
        return []
    root, label = passed_over.root, label_from_name(folder.name)

    def note_loop(path: Path) -> None:
        passed_over.loops.append(path.relative_to(root).as_posix())

    samples = []
    for path in sorted(walk_files(folder, on_loop=note_loop)):
        within = path.relative_to(folder)
        if any(is_junk(Path(part)) for part in within.parent.parts):
            continue
        if is_junk(path):
            passed_over.junk[path.name] += 1
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
    if not samples:
        passed_over.empty.append(folder.relative_to(root).as_posix())
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
    return [f"not used, outside class folders: {_listed(loose)}"] if loose else []


def _listed(names: list[str]) -> str:
    """Return the first names in one line, with their number if there are more."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return printable(", ".join(names[:MAX_LISTED])) + more


def _notes(samples: list[Sample]) -> list[str]:
    folders = (sample.key.split("/")[1 if sample.split else 0] for sample in samples)
    return [
        f"class folders, please confirm:\n{describe_mapping(folders)}",
        f"{len(samples)} files in class folders",
        "groups are the folders inside class folders, taken for patients",
        "without such folders groups are file names before -rotated…: patients may be cut",
        "a manifest with a group column says it exactly",
    ]
