"""What the commands bonefx-train and bonefx-convert share: set-up, errors, exit codes."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import typer
from bonefx_edge import NOTICE
from bonefx_edge.errors import BonefxError

EXIT_USAGE: Final = 2
"""Wrong command line."""
EXIT_DATA: Final = 3
"""Data, settings or run folder cannot be used; the message says what to do."""


def make_app(description: str) -> typer.Typer:
    """Return an application without commands; `description` is its help text."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=f"{description} {NOTICE}",
    )


@contextmanager
def exit_on_error(exit_codes: Mapping[type[BonefxError], int]) -> Iterator[None]:
    """Turn an error of ours into a message on standard error and an exit code.

    Errors that `exit_codes` does not name end with `EXIT_DATA`.
    """
    try:
        yield
    except BonefxError as err:
        sys.stderr.write(f"error: {err}\n")
        raise typer.Exit(exit_codes.get(type(err), EXIT_DATA)) from err


def run_app(app: typer.Typer, *, log: tuple[str, ...]) -> None:
    """Run a command; what the packages named in `log` report goes to standard error."""
    # Before the first import of Keras: hides TensorFlow's information lines, not its errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in log:
        logging.getLogger(name).setLevel(logging.INFO)
    app()
