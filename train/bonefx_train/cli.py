"""The command bonefx-train. Exit codes: 0 done, 2 wrong command line, 3 unfit data or settings."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge import NOTICE
from bonefx_edge.errors import BonefxError, UsageError

EXIT_USAGE: Final = 2
"""The command line asks for something that is not there or not possible."""
EXIT_DATA: Final = 3
"""Data, settings or run folder are not fit for use; the message says what to do."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=f"Fit and evaluate networks on labelled radiographs. {NOTICE}",
)


@app.command()
def fit(
    data: Annotated[
        Path,
        typer.Argument(
            help="Manifest CSV, or a folder with manifest.csv or with one folder per class."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run; made here.")],
    network: Annotated[str, typer.Option(help="Name of the network.")] = "seed",
    spec: Annotated[
        str, typer.Option(help="Preprocessing: seed, seed-letterbox, area, area-letterbox.")
    ] = "seed",
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Films per step.")] = 32,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better tune AUC before the fit ends.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Splits, weights, dropout, order.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on with the interrupted run in --out.")] = False,
) -> None:
    """Fit a network on train, keep the epoch with the best tune AUC; never read test."""
    from bonefx_train.workflow import fit_run

    with _told_errors():
        fit_run(
            data,
            out=out,
            network=network,
            spec=spec,
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            resume=resume,
        )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    *,
    data: Annotated[
        Path | None, typer.Option(help="Where the run's films lie now, if they have moved.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, tune or test.")] = "test",
    operating_point: Annotated[
        str | None, typer.Option(help="balanced (default) or sensitive.")
    ] = None,
    baseline_auc: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="AUC of features without pixels, for the report."),
    ] = None,
) -> None:
    """Measure a run's network; Markdown on standard output, JSON and figures in the run."""
    from bonefx_train.run import EVALUATION_FOLDER, Run
    from bonefx_train.workflow import evaluate_run

    with _told_errors():
        evaluation = evaluate_run(
            Run.open(run, data_root=data),
            split=split,
            operating_point=operating_point,
            baseline_auc=baseline_auc,
        )
    sys.stdout.write(evaluation.to_markdown())
    sys.stderr.write(f"JSON and figures are in {run / EVALUATION_FOLDER}\n")


@contextmanager
def _told_errors() -> Iterator[None]:
    """Turn our errors into a message on standard error and exit code 2 or 3."""
    try:
        yield
    except BonefxError as err:
        sys.stderr.write(f"error: {err}\n")
        raise typer.Exit(EXIT_USAGE if isinstance(err, UsageError) else EXIT_DATA) from err


def main() -> None:
    """Run the command; what the package logs goes to standard error."""
    # Before the first import of Keras: TensorFlow's information lines hide ours; errors stay.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("bonefx_train").setLevel(logging.INFO)
    app()
