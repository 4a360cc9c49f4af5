"""File names that say they are copies of one image: `82-rotated2-rotated3.jpg` is a copy of 82."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from bonefx_train.data.sample import Sample

COPY_WORDS: Final = "rotat(?:ed|ion)?|flip(?:ped)?|[hv]flip|mirror(?:ed)?|aug(?:mented|mentation)"
"""What augmentation scripts append to the name of the image that they copied."""

ROBOFLOW: Final = r"[._](?:jpe?g|png)\.rf\.[0-9a-f]{8,}$"
"""`82_jpg.rf.<hash>`."""

AUG: Final = (
    r"[-_ ]aug(?:[-_ ]?\d{1,3}(?:[-_.]\d{1,3})?)?"
    rf"(?=$| ?\(\d|[-_ ](?:{COPY_WORDS}|aug)(?![a-z])|{ROBOFLOW})"
)
"""`aug` is also a month: it counts at the end of the name (or before a further mark) with at most
two short numbers, `aug12`, `aug_0_5`; with a year of four digits behind it, it is a date.
`17-aug-21` might be both and is taken for a copy: a family too many is seen in the report."""

COPY_MARK: Final = re.compile(
    rf"(?:[-_ ](?:{COPY_WORDS})[-_ ]?[\d.]*(?=$|[-_ (.])|{AUG}|{ROBOFLOW}).*$",
    re.IGNORECASE,
)
"""From the first such word to the end."""

FILE_MANAGER_MARK: Final = re.compile(
    r"(?: ?\(\d{1,3}\)|[-_ ]+cop(?:y|ie)(?:[-_ ]?\(?\d{1,3}\)?)?)$", re.IGNORECASE
)
"""`82 (1)`, `82 - Copy`: what a file manager makes of a second 82."""


def base_name(stem: str) -> str:
    """Return a file name (without extension) before the first mark of a copy, or all of it.

    Examples
    --------
    >>> base_name("82-rotated2-rotated3"), base_name("IMG0000019")
    ('82', 'IMG0000019')
    """
    return COPY_MARK.sub("", stem) or stem


def is_marked(stem: str) -> bool:
    """Return whether the name says that it is a copy."""
    return base_name(stem) != stem


def find_filename_groups(samples: Sequence[Sample]) -> list[tuple[Sample, ...]]:
    """Return the sets of images, two or more each, whose names say that they are copies of one.

    A family lies within one label, since sets number each class from 1 on, and needs a member with
    a mark: `train/1.jpg` and `test/1.jpg` are different images. A file manager's `(1)` counts only
    beside a file without it: renaming a whole folder at once numbers different images `image (1)`.
    """
    families: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    plain = {(sample.label.value, base_name(_stem(sample))) for sample in samples}
    for sample in samples:
        base = base_name(_stem(sample))
        original = FILE_MANAGER_MARK.sub("", base)
        if (sample.label.value, original) in plain:
            base = original
        families[sample.label.value, base].append(sample)
    return [
        tuple(family)
        for (_, base), family in families.items()
        if len(family) > 1 and any(_stem(sample) != base for sample in family)
    ]


def _stem(sample: Sample) -> str:
    return PurePosixPath(sample.key).stem
