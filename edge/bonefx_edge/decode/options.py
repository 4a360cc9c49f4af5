"""What a site may switch on in the decoder; everything is off by default."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bonefx_edge.errors import UsageError


class SiteSwitch(StrEnum):
    """A fault of the file that a site may choose to accept (docs/decisions/0029)."""

    PRESENTATION_LUT_SHAPE = "presentation-lut-shape"
    """Presentation LUT Shape contradicts Photometric Interpretation, which then counts."""
    NO_PREAMBLE = "no-preamble"
    """DICOM that begins with its file meta information, or with its data set."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What the decoder accepts beyond its rules."""

    accept: frozenset[SiteSwitch] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> "DecodeOptions":
        """Return the options with the switches of these names.

        Raises
        ------
        UsageError
            For a name that is none of `SiteSwitch`.
        """
        names = list(names)
        for name in names:
            if name not in list(SiteSwitch):
                msg = f"accept: expected one of {', '.join(SiteSwitch)}, got {name!r}"
                raise UsageError(msg)
        return cls(frozenset(map(SiteSwitch, names)))


DEFAULT_OPTIONS: Final = DecodeOptions()
"""Accepts nothing."""
