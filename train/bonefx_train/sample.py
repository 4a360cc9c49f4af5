"""One labelled radiograph on disk, before its pixels are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_train.labels import Label

SPLITS: Final = ("train", "tune", "test")
"""Fit / choose settings and operating points / report."""

BODY_PART_SEPARATOR: Final = "+"
"""Joins the parts of a film that shows several: `hand+shoulder`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled radiograph on disk."""

    path: Path
    """Absolute."""
    key: str
    """Path relative to the data root, with `/`; identifies the film in every report."""
    label: Label
    group: str
    """Radiographs of one patient or one underlying film share it; a split never cuts it."""
    split: str
    """train, tune or test."""
    body_part: str
    """Such as hand; several joined by `+`; empty where unknown."""
    hardware: bool
    """Whether metal (plate, screw, nail) is known to be in the film."""
    sha256: str = ""
    """Of the file's bytes, hexadecimal; empty where it was not taken."""
