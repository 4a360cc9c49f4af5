"""One check of `edge-admin doctor`: its name, status, what was found and the remedy."""

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """Result of one check."""

    OK = "ok"
    WARN = "warn"
    """Works, but with a limitation."""
    FAIL = "fail"
    """Classification does not work, or cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check, done."""

    name: str
    status: CheckStatus
    found: str
    remedy: str = ""
    """The command or action that repairs it; empty where none is needed."""
