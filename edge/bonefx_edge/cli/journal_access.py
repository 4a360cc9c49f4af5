"""Open the journal of a watched folder for a command of edge-admin."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bonefx_edge.cli.exit_codes import ExitCode, fail, fail_with
from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.journal.states import JOURNAL_FOLDER

if TYPE_CHECKING:
    from bonefx_edge.watch.journal.admin import JournalAdmin

OutArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder of the results (--out of the service).")
]
JournalOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the journal, if the service has --journal."),
]


@contextmanager
def open_journal(out: Path, journal: Path | None) -> Iterator["JournalAdmin"]:
    """Yield the journal of a watched folder; turn our errors into words and an exit code."""
    from bonefx_edge.watch.journal.admin import JournalAdmin

    with reported_errors():
        admin = JournalAdmin.open(journal or out / JOURNAL_FOLDER)
        try:
            yield admin
        finally:
            admin.close()


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn the errors of a journal into words and an exit code."""
    import sqlite3  # here: most commands have no journal

    try:
        yield
    except (UsageError, JournalError) as err:
        fail_with(err)
    except BrokenPipeError:  # `| head` has read enough, which is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OUTPUT) from None
    except (OSError, sqlite3.Error) as err:
        msg = f"Cannot read and write the journal ({err}). Run this as the user of the service."
        fail(msg, code=ExitCode.JOURNAL)
