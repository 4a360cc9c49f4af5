"""A labelled radiograph on disk, and which label the name of a folder or a table cell means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bonefx_edge.inference.decision import BROKEN, NOT_BROKEN

from bonefx_train.errors import DataError


class Label(StrEnum):
    """The label that a person gave one radiograph."""

    FRACTURED = "fractured"
    NOT_FRACTURED = "not_fractured"

    @property
    def class_index(self) -> int:
        """0 broken, 1 not broken, as the device prints it."""
        return BROKEN if self is Label.FRACTURED else NOT_BROKEN


FRACTURED_NAMES: Final = ("broken", "fracture", "fractured", "fractures", "injured", "positive")
"""Names of class 0, after `_plain`."""

NOT_FRACTURED_NAMES: Final = (
    "healthy",
    "intact",
    "negative",
    "no fracture",
    "no fractures",
    "non broken",
    "non fracture",
    "non fractured",
    "normal",
    "not broken",
    "not fracture",
    "not fractured",
    "stable",
    "unbroken",
    "unfractured",
)
"""Names of class 1, after `_plain`."""

AMBIGUOUS_NAMES: Final = {
    "0": "0 is `broken` in the presentation and `not fractured` in most tables",
    "1": "1 is `not broken` in the presentation and `fractured` in most tables",
    "true": "true of what?",
    "false": "false of what?",
    "yes": "yes to which question?",
    "no": "no to which question?",
    "abnormal": "abnormal may be arthritis or metal without a fracture",
}
"""Names in use that say opposite things in different sets, with the reason."""


def label_from_name(folder_name: str) -> Label:
    """Return the label that a folder or table cell names.

    Case, spaces, dashes and underscores do not matter; `NotFractured` is two words.

    Raises
    ------
    DataError
        For an ambiguous or unknown name; the message lists the known ones.

    Examples
    --------
    >>> label_from_name("Not-Fractured")
    <Label.NOT_FRACTURED: 'not_fractured'>
    """
    name = _plain(folder_name)
    if name in FRACTURED_NAMES:
        return Label.FRACTURED
    if name in NOT_FRACTURED_NAMES:
        return Label.NOT_FRACTURED
    why = AMBIGUOUS_NAMES.get(name)
    problem = f"is ambiguous ({why})" if why else "is none of them"
    msg = (
        f"class name: expected one of {', '.join(FRACTURED_NAMES)} (fractured) or "
        f"{', '.join(NOT_FRACTURED_NAMES)} (not fractured), got {folder_name!r}, which {problem}; "
        "rename it to fractured or not_fractured"
    )
    raise DataError(msg)


def describe_mapping(names: Iterable[str]) -> str:
    """Return one line per name with the class it means, for a person to confirm."""
    rows = ((name, label_from_name(name)) for name in sorted(set(names)))
    return "\n".join(f"  {name!r} -> {label.class_index} {label}" for name, label in rows)


def _plain(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # NotFractured
    return re.sub(r"[\s_-]+", " ", spaced).strip().lower()


SPLITS: Final = ("train", "tune", "test")
"""Fit / choose settings and operating points / report."""

BODY_PART_SEPARATOR: Final = "+"
"""Joins the parts of an image that shows several: `hand+shoulder`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled radiograph on disk."""

    path: Path
    """Absolute."""
    key: str
    """Path relative to the data root, with `/`; identifies the image in every report."""
    label: Label
    group: str
    """Radiographs of one patient or one underlying image share it; a split never cuts it."""
    split: str
    """train, tune or test."""
    body_part: str
    """Such as hand; several joined by `+`; empty where unknown."""
    hardware: bool
    """Whether metal (plate, screw, nail) is known to be in the image."""
    sha256: str = ""
    """Of the file's bytes, hexadecimal; empty where it was not taken."""
