"""The command bonefx-train.

Exit codes: 0 done, 1 audit found leaks, contradictions or one class only, 2 wrong command line,
3 unfit data.
"""

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

EXIT_FOUND: Final = 1
"""The audit is written and says that the data must be mended, as a linter's 1 does."""
EXIT_USAGE: Final = 2
"""The command line asks for something that is not there or not possible."""
EXIT_DATA: Final = 3
"""Data, settings or run folder are not fit for use; the message says what to do."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=f"Audit, split, fit and evaluate on labelled radiographs. {NOTICE}",
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
    network: Annotated[str, typer.Option(help="seed (the original's) or lite0.")] = "seed",
    spec: Annotated[
        str | None,
        typer.Option(
            help="Preprocessing: seed, seed-letterbox, area, area-letterbox, stretch-letterbox; "
            "by itself what suits the network."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most; by itself what suits the network.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Films per step.")] = 32,
    patience: Annotated[
        int, typer.Option(min=1, help="seed: epochs without a better tune AUC before the fit ends.")
    ] = 8,
    views: Annotated[
        int | None,
        typer.Option(min=1, help="Views per epoch, for networks fitted on views (lite0: 8000)."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="CSV of fracture boxes; boxes.csv beside the films is found by itself."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(help="float16 model file of lite0 to go on with; by itself ImageNet weights."),
    ] = None,
    start_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.99,
            help="Of that model's weights in the mean that is kept (0.5); 0 keeps the fit alone.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Splits, weights, dropout, order.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on with the interrupted run in --out.")] = False,
) -> None:
    """Fit a network on train, never read test; keep the best epoch on tune (lite0: the last)."""
    from bonefx_train.fit.command import fit_run

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
            views_per_epoch=views,
            boxes=boxes,
            start_from=start_from,
            start_share=start_share,
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
    from bonefx_train.evaluation.command import evaluate_run
    from bonefx_train.run import EVALUATION_FOLDER, Run

    with _told_errors():
        evaluation = evaluate_run(
            Run.open(run, data_root=data),
            split=split,
            operating_point=operating_point,
            baseline_auc=baseline_auc,
        )
    sys.stdout.write(evaluation.to_markdown())
    sys.stderr.write(f"JSON and figures are in {run / EVALUATION_FOLDER}\n")


@app.command()
def audit(
    data: Annotated[
        Path,
        typer.Argument(
            help="Manifest CSV, or a folder with manifest.csv or with one folder per class."
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="New folder for audit.md, audit.json and contact sheets of suspects."),
    ] = None,
) -> None:
    """Look for copies, leaks across splits, contradictory labels, damaged files and shortcuts.

    Markdown on standard output. Exit code 1 for leaks, contradictory labels or one class only.
    """
    from bonefx_train.audit.command import audit_data

    with _told_errors():
        found, markdown = audit_data(data, out=out)
    sys.stdout.write(markdown)
    if not found.is_clean:
        raise typer.Exit(EXIT_FOUND)


@app.command()
def split(
    data: Annotated[Path, typer.Argument(help="As for audit.")],
    *,
    out: Annotated[
        Path, typer.Option(help="New manifest CSV, in the folder of the films or above it.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Order of groups of equal size.")] = 1,
    shares: Annotated[
        str, typer.Option(help="Of train, tune and test, within each class.")
    ] = "0.7,0.15,0.15",
) -> None:
    """Divide films into train, tune and test so that no patient and no copy is on two sides.

    Groups are the given ones, joined where the audit finds copies or name families.
    """
    from bonefx_train.audit.command import parse_shares, split_data

    with _told_errors():
        split_data(data, out=out, seed=seed, shares=parse_shares(shares))
    sys.stderr.write(f"fit it with: bonefx-train fit {out} --out RUN\n")


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
