"""The command edge-admin config."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def print_settings(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A settings file to check. Default: the defaults."),
    ] = None,
) -> None:
    """Check and print the settings of --watch."""
    from bonefx_edge.cli.classify import app
    from bonefx_edge.cli.option_rules import check_options
    from bonefx_edge.cli.settings_file import settings_text

    command = typer.main.get_command(app)
    words = ["--config", os.fspath(file or os.devnull)]
    with command.make_context("edge-classify", words) as made:
        context: Any = made  # as a command gets it
        if file is not None:
            check_options(context, watching=context.params["watch"] is not None)
        sys.stdout.write(settings_text(context))
