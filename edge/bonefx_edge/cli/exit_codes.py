"""How the commands end: exit codes and error messages."""

import sys
from enum import IntEnum
from typing import Final, NoReturn

import typer

from bonefx_edge.errors import (
    BonefxError,
    JournalError,
    JournalHeldError,
    OutputError,
    PortError,
    UsageError,
)
from bonefx_edge.text import printable


class ExitCode(IntEnum):
    """Exit codes of edge-classify and edge-admin."""

    OK = 0
    """Every file was answered."""
    OUTPUT = 1
    """Standard output or the folder of pictures took no more: closed, reader gone, disk full.
    Watching: the health port is taken. Installing: a step failed."""
    USAGE = 2
    """The command line is wrong, or names no file; nothing was classified."""
    SOME_REFUSED = 3
    """At least one file was refused; the others were answered."""
    MODEL = 4
    """The model file or the interpreter cannot be used; no answer after this one is to be had."""
    JOURNAL = 5
    """Watching: the journal is in use by another service, damaged, of a newer bonefx, or away;
    a folder belongs to the service of another journal; a part of the service hangs and keeps it
    from opening the journal again."""


_CODES: Final = {
    UsageError: ExitCode.USAGE,
    OutputError: ExitCode.OUTPUT,
    PortError: ExitCode.OUTPUT,
    JournalError: ExitCode.JOURNAL,
    JournalHeldError: ExitCode.JOURNAL,
}
"""Every other error is of the model file or the interpreter."""


def fail_with(err: BonefxError) -> NoReturn:
    """Say the error on standard error and leave with its exit code."""
    fail(str(err), code=_CODES.get(type(err), ExitCode.MODEL))


def fail(message: str, *, code: ExitCode) -> NoReturn:
    """Say why on standard error and leave with `code`."""
    sys.stderr.write(f"error: {printable(message)}\n")
    raise typer.Exit(code)
