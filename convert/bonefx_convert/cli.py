"""The command bonefx-convert.

Exit codes: 0 done, 2 wrong command line, 3 unfit data or run, 4 parity failed (no model file was
written), 5 a model file or an interpreter cannot be used.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from bonefx_edge import NOTICE
from bonefx_edge.errors import (
    BonefxError,
    InterpreterError,
    ModelFileError,
    ParityError,
    UsageError,
)
from typer.core import TyperGroup

if TYPE_CHECKING:
    from bonefx_train.run import Run

DEFAULT_COMMAND: Final = "from-run"
"""What `bonefx-convert RUN` means. Not "run" or "convert": folders have such names."""


class ExitCode(IntEnum):
    """What the shell is told."""

    USAGE = 2
    DATA = 3
    PARITY = 4
    MODEL = 5


class _DefaultCommand(TyperGroup):
    """A group that takes a first word which is no command as the argument of the default one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DefaultCommand,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=(
        "Convert a run to float, dynamic-range and full-int8 model files, each held against its "
        f"Keras original. `bonefx-convert RUN --out DIR` is short for `from-run`. {NOTICE}"
    ),
)

RunData = Annotated[
    Path | None, typer.Option("--data", help="Where the run's films lie now, if they have moved.")
]
BoundList = Annotated[
    list[str] | None,
    typer.Option(
        "--bound", metavar="NAME=NUMBER", help="Another bound, such as auc_loss=0.02; repeatable."
    ),
]


@app.command(DEFAULT_COMMAND)
def convert(
    run: Annotated[Path, typer.Argument(help="Folder that bonefx-train fit wrote.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for NAME-KIND.tflite and the report.")],
    name: Annotated[str | None, typer.Option(help="Of the model; default: the network's.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Of the model; default: today's date, UTC.")
    ] = None,
    training_data: Annotated[
        str | None, typer.Option(help="Data set, attribution and licence, as the model states it.")
    ] = None,
    data: RunData = None,
    prove_with: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PYTHON",
            help="Python of another environment with bonefx and another interpreter; repeatable.",
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help=(
                "Of float32, float16, dynamic, int8; default: float32,dynamic,int8 for a network "
                "without a map, float16,dynamic,int8 for one with a map."
            ),
        ),
    ] = None,
    bound: BoundList = None,
) -> None:
    """Convert a run; write nothing if parity fails. The report goes to standard output."""
    with _told_errors():
        from bonefx_convert.parity.tolerances import parse_bounds

        bounds = parse_bounds(bound or [])
        opened = _open_run(run, data)
        from bonefx_convert.convert_run import Options, convert_run
        from bonefx_convert.flatbuffer import parse_kinds

        settings = opened.settings
        options = Options(
            out=out,
            name=name or settings.network,
            version=version or datetime.now(UTC).strftime("%Y.%m.%d"),
            training_data=training_data or settings.data_name,
            pythons=tuple(prove_with or []),
            bounds=bounds,
            kinds=parse_kinds(kinds),
        )
        report = convert_run(opened, options=options)
    sys.stdout.write(report.to_markdown())


@app.command()
def parity(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files.")],
    *,
    keras: Annotated[Path, typer.Option(help="Folder of the run that they were made from.")],
    data: RunData = None,
    split: Annotated[str, typer.Option(help="train, tune or test.")] = "tune",
    bound: BoundList = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")] = False,
) -> None:
    """Hold model files against their run; the report goes to standard output."""
    with _told_errors():
        from bonefx_convert.parity.tolerances import parse_bounds

        bounds = parse_bounds(bound or [])
        opened = _open_run(keras, data)
        from bonefx_convert.verify import check_models

        report = check_models(models, run=opened, split=split, bounds=bounds)
        sys.stdout.write(report.to_json() if as_json else report.to_markdown())
        report.check()


def _open_run(folder: Path, data_root: Path | None) -> "Run":
    # Before TensorFlow is imported. Errors still show; what goes is its greeting about CPU flags.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    from bonefx_train.run import Run

    return Run.open(folder, data_root=data_root)


@contextmanager
def _told_errors() -> Iterator[None]:
    """Turn our errors into a message on standard error and an exit code."""
    try:
        yield
    except BonefxError as err:
        sys.stderr.write(f"error: {err}\n")
        raise typer.Exit(_exit_code(err)) from err


def _exit_code(error: BonefxError) -> ExitCode:
    match error:
        case UsageError():
            return ExitCode.USAGE
        case ParityError():
            return ExitCode.PARITY
        case ModelFileError() | InterpreterError():
            return ExitCode.MODEL
        case _:
            return ExitCode.DATA


def main() -> None:
    """Run the command; what the package logs goes to standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in ("bonefx_convert", "bonefx_train"):
        logging.getLogger(name).setLevel(logging.INFO)
    app()
