"""What the commands bonefx-train and bonefx-convert share: set-up, errors, exit codes."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from bonefx_edge.cli import command
from bonefx_edge.errors import BonefxError
from bonefx_edge.model.native_log import LITERT_INFORMATION, show_all_lines, without_lines
from typer.core import TyperGroup

EXIT_USAGE: Final = 2
"""Wrong command line."""
EXIT_DATA: Final = 3
"""Data, settings or run folder cannot be used; the message says what to do."""

_EXTRAS: Final = ("keras", "tensorflow", "matplotlib", "jinja2")
"""Packages that the extras train and convert install and a device does not have."""
_TENSORFLOW_INFORMATION: Final = (
    *(LITERT_INFORMATION, b"I0000 ", b"To enable the following instructions"),
    b"WARNING: All log messages before absl::InitializeLog() is called",
)
"""Beginnings of lines that TensorFlow writes when it is imported, whatever its log level."""


def make_app(description: str, *, group: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return an application with `--verbose`; `description` is its help text."""
    app = command.make_app(description, group=group)

    @app.callback()
    def options(
        *,
        verbose: Annotated[
            bool, typer.Option("--verbose", help="Show what TensorFlow and LiteRT write, too.")
        ] = False,
    ) -> None:
        if verbose:
            show_all_lines()

    return app


def import_keras() -> None:
    """Import Keras and TensorFlow for the first time, without the lines that they write then."""
    with without_lines(*_TENSORFLOW_INFORMATION):
        import keras  # noqa: F401


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


def run_app(app: typer.Typer, *, extra: str, log: tuple[str, ...]) -> None:
    """Run a command; what the packages named in `log` report goes to standard error.

    Where a package of the extra `extra` is missing, one line says so, and the exit code is 2.
    """
    # Before the first import of Keras: hides TensorFlow's information lines, not its errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in log:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        app()
    except ModuleNotFoundError as err:
        package = (err.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        sys.stderr.write(
            f"error: bonefx-{extra} needs {package}, which is not installed; install bonefx with "
            f"the extra {extra}, in a checkout: pip install '.[{extra}]'\n"
        )
        sys.exit(EXIT_USAGE)
