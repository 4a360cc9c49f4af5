"""One line of `edge-admin doctor`: what was looked at, how it is, what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How one check went."""

    OK = "ok"
    WARN = "warn"
    """Works, with less than there could be."""
    FAIL = "fail"
    """Classification does not work, or cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    health: Health
    found: str
    remedy: str = ""
    """The command or act that mends it; empty where nothing is to mend."""
