"""The DICOM objects that a result can become; importing this costs nothing."""

from enum import StrEnum
from typing import Final


class ObjectKind(StrEnum):
    """The values are words of the command line, and stand in file names."""

    SR = "sr"
    """Structured report: what a program reads."""


DEFAULT_KINDS: Final = (ObjectKind.SR,)
