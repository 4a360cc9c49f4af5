"""What the commands of bonefx-convert share: exit codes and options."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge.errors import BonefxError, InterpreterError, ModelFileError, UsageError
from bonefx_train.command_line import EXIT_USAGE, import_keras
from bonefx_train.errors import ParityError

EXIT_PARITY: Final = 4
"""A converted network is out of tolerance."""
EXIT_MODEL: Final = 5
"""A model file or an interpreter cannot be used."""
EXIT_CODES: Final[dict[type[BonefxError], int]] = {
    UsageError: EXIT_USAGE,
    ParityError: EXIT_PARITY,
    ModelFileError: EXIT_MODEL,
    InterpreterError: EXIT_MODEL,
}

OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for NAME-KIND.tflite and the report.")
]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="VERSION", help="Model version; default: today, UTC."),
]
TrainingDataOption = Annotated[
    str | None,
    typer.Option(
        "--training-data",
        metavar="TEXT",
        help="Data set, attribution and licence, kept in the model.",
    ),
]
VerifyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--verify-with",
        metavar="PYTHON",
        help="Also run the model in this Python (another interpreter version); repeatable.",
    ),
]
KindsOption = Annotated[
    str | None,
    typer.Option(
        "--kinds",
        metavar="KIND,...",
        help="Any of float32, float16, dynamic, int8; default: float16,dynamic,int8 for "
        "lite0, float32,dynamic,int8 for others.",
    ),
]
RunData = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of the images, if it has moved."),
]
ToleranceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="NAME=NUMBER",
        help="Replace a default tolerance, such as auc_loss=0.02; repeatable.",
    ),
]
OldToleranceOption = Annotated[list[str] | None, typer.Option("--bound", hidden=True)]


def today() -> str:
    """Return today's date, UTC, as a version."""
    return datetime.now(UTC).strftime("%Y.%m.%d")


def import_exact_keras() -> None:
    """Import Keras for the first time so that the original is computed without oneDNN."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import_keras()
