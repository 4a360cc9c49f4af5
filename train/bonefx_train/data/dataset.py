"""From a path that a person gives to labelled images with groups and splits."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError

from bonefx_train.data.class_folders import check_encoding, scan_folders
from bonefx_train.data.manifest_csv import read_manifest
from bonefx_train.data.sample import SPLITS, Label, Sample
from bonefx_train.data.split import (
    SHARES,
    TUNE_SHARE_OF_TRAIN,
    assign_splits,
    check_both_classes,
    check_no_group_is_cut,
)
from bonefx_train.errors import DataError

MANIFEST_NAME: Final = "manifest.csv"
SPLIT_COLUMNS: Final = ("key", "label", "group", "split", "body_part", "hardware", "sha256")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images with groups and splits."""

    root: Path
    """Folder that the keys are relative to, absolute."""
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]
    """What a person should know about how they were found, one sentence each."""
    stated_splits: frozenset[str]
    """Splits that the data set itself names; the others were made here and hang on the seed."""

    def of(self, split: str) -> tuple[Sample, ...]:
        """Return the images of one split."""
        return tuple(sample for sample in self.samples if sample.split == split)


def load_dataset(data: Path, *, seed: int) -> Dataset:
    """Return the labelled images that `data` holds, each group in exactly one split.

    `data` is a manifest CSV, a folder with a manifest.csv, or a folder of class folders with or
    without split folders. Given splits are kept; train and test without tune: tune is carved out
    of train; none: 70/15/15, by group, both classes alike.

    Raises
    ------
    UsageError
        If there is nothing at `data`.
    DataError
        If the images cannot be found, labelled or divided, or the given splits cut a group.
    """
    samples, notes, root = find_samples(data)
    samples = _join_identical(
        [replace(sample, sha256=_sha256(sample.path)) for sample in samples], notes=notes
    )
    check_contradictions(samples)
    stated = frozenset(sample.split for sample in samples) - {""}
    samples = _divide(samples, seed=seed, notes=notes)
    check_no_group_is_cut(samples)
    check_both_classes(samples)
    notes += _census(samples)
    return Dataset(root=root, samples=tuple(samples), notes=tuple(notes), stated_splits=stated)


def find_samples(data: Path) -> tuple[list[Sample], list[str], Path]:
    """Return the labelled images, notes on how they were found, and the data root, nothing checked.

    `data` as for `load_dataset`. Splits are as given, empty where none are; sha256 is empty.

    Raises
    ------
    UsageError
        If there is nothing at `data`.
    DataError
        If the images cannot be found or labelled.
    """
    data = data.absolute()
    check_encoding([str(data)])
    if data.is_file():
        samples, notes = read_manifest(data)
        return samples, notes, data.parent
    if not data.is_dir():
        msg = f"{data}: no such folder or manifest CSV; check the path"
        raise UsageError(msg)
    manifest = data / MANIFEST_NAME
    if manifest.is_file():
        samples, notes = read_manifest(manifest)
        return samples, [f"the folder holds {MANIFEST_NAME}: it decides", *notes], data
    samples, notes = scan_folders(data)
    return samples, notes, data


def check_contradictions(samples: Sequence[Sample]) -> None:
    """Return if no two files of the same bytes carry different labels.

    Raises
    ------
    DataError
        Lists the pairs.
    """
    first: dict[str, Sample] = {}
    pairs = []
    for sample in samples:
        other = first.setdefault(sample.sha256, sample)
        if other.label is not sample.label:
            pairs.append(f"{other.key} ({other.label}), {sample.key} ({sample.label})")
    if pairs:
        msg = (
            f"expected one label per image, got {len(pairs)} pairs of identical files with both "
            f"labels, such as {'; '.join(pairs[:5])}; remove the wrong one of each"
        )
        raise DataError(msg)


def check_unchanged(samples: Sequence[Sample]) -> None:
    """Return if the files still hold the bytes that were split.

    Raises
    ------
    DataError
        Lists the files that differ, or names one that is not there.
    """
    changed = [sample.key for sample in samples if _sha256(sample.path) != sample.sha256]
    if changed:
        msg = (
            f"expected the images of the fit, {len(changed)} have other bytes now, such as "
            f"{', '.join(changed[:5])}; give the original folder with --data"
        )
        raise DataError(msg)


def split_csv(samples: Sequence[Sample]) -> str:
    """Return the images as CSV text without absolute paths; the run keeps it as split.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SPLIT_COLUMNS)
    for s in samples:
        hardware = int(s.hardware)
        writer.writerow([s.key, s.label, s.group, s.split, s.body_part, hardware, s.sha256])
    return text.getvalue()


def read_split_csv(text: str, *, root: Path) -> tuple[Sample, ...]:
    """Return the images of `split_csv` text, their paths below `root`."""
    return tuple(
        Sample(
            path=root / row["key"],
            key=row["key"],
            label=Label(row["label"]),
            group=row["group"],
            split=row["split"],
            body_part=row["body_part"],
            hardware=row["hardware"] == "1",
            sha256=row["sha256"],
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as err:
        msg = f"{path}: expected a readable file, got {err.strerror}; is this the data folder?"
        raise DataError(msg) from err


def _join_identical(samples: list[Sample], *, notes: list[str]) -> list[Sample]:
    """Return the samples with groups that share a file of the same bytes joined into one."""
    parent = {sample.group: sample.group for sample in samples}

    def leader(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for sample in samples:
        one, other = sorted(
            (leader(sample.group), leader(first.setdefault(sample.sha256, sample.group)))
        )
        parent[other] = one
    copies = len(samples) - len(first)
    if copies:
        notes.append(f"{copies} files repeat another file's bytes; their groups are joined")
    return [replace(sample, group=leader(sample.group)) for sample in samples]


def _divide(samples: list[Sample], *, seed: int, notes: list[str]) -> list[Sample]:
    """Return the samples with a split each; given ones are kept."""
    given = {sample.split for sample in samples}
    if given == {""}:
        notes.append(f"no splits given: divided by group, seed {seed}, shares {SHARES}")
        return assign_splits(samples, shares=SHARES, seed=seed)
    if "" in given:
        without = [sample.key for sample in samples if not sample.split]
        msg = (
            f"expected a split for every image or for none, got none for {len(without)}, such as "
            f"{', '.join(without[:5])}; fill the column or remove it"
        )
        raise DataError(msg)
    if "tune" in given or "train" not in given:
        notes.append("splits as given")
        return samples
    check_no_group_is_cut(samples)
    shares = {"train": 1 - TUNE_SHARE_OF_TRAIN, "tune": TUNE_SHARE_OF_TRAIN}
    notes.append(f"train and test as given; tune carved out of train by group, seed {seed}")
    train = [sample for sample in samples if sample.split == "train"]
    carved = {sample.key: sample for sample in assign_splits(train, shares=shares, seed=seed)}
    return [carved.get(sample.key, sample) for sample in samples]


def _census(samples: Sequence[Sample]) -> list[str]:
    images = Counter((sample.split, sample.label) for sample in samples)
    groups = {split: len({s.group for s in samples if s.split == split}) for split in SPLITS}
    return [
        f"{split}: {images[split, Label.FRACTURED]} fractured, "
        f"{images[split, Label.NOT_FRACTURED]} not fractured, {groups[split]} groups"
        for split in SPLITS
    ]
