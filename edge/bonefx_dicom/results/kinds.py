"""The DICOM objects that a result can become; importing this costs nothing."""

from enum import StrEnum
from typing import Final


class ObjectKind(StrEnum):
    """The values are words of the command line, and stand in file names."""

    SR = "sr"
    """Structured report: what a program reads."""
    SC = "sc"
    """Secondary Capture: the film with its regions and the answer, as a picture."""
    GSPS = "gsps"
    """Grayscale Softcopy Presentation State: the regions, drawn by the viewer over the film."""


DEFAULT_KINDS: Final = (ObjectKind.SR, ObjectKind.SC)
"""The picture too: few PACS show reports."""
