"""The command bonefx-train.

Exit codes: 0 done, 1 audit found leaks, contradictions or one class only, 2 wrong command line,
3 data or run cannot be used.
"""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from bonefx_edge.cli.command import Command
from bonefx_edge.errors import BonefxError, UsageError

from bonefx_train.command_line import EXIT_USAGE, exit_on_error, import_keras, make_app, run_app

EXIT_FOUND: Final = 1
"""The audit is written and found errors in the data, as a linter's 1 does."""
EXIT_CODES: Final[dict[type[BonefxError], int]] = {UsageError: EXIT_USAGE}

app = make_app("Audit, split, train and evaluate on labelled radiographs.")

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Manifest CSV, or a folder with manifest.csv or with one subfolder per class.",
    ),
]


@app.command(cls=Command)
def fit(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Run folder to create.")],
    network: Annotated[str, typer.Option(metavar="NAME", help="seed or lite0.")] = "seed",
    spec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Preprocessing: seed, seed-letterbox, area, area-letterbox or "
            "stretch-letterbox; default: the network's.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Maximum epochs; default: the network's."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images per step.")] = 32,
    patience: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="seed: stop after N epochs without a higher tune AUC."
        ),
    ] = 8,
    patches: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="lite0: patches per epoch (8000).")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="lite0: fracture boxes; default: boxes.csv in DATA."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="lite0: start from this float16 model file; default: ImageNet weights.",
        ),
    ] = None,
    weight_average: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.99,
            metavar="SHARE",
            help="With --start-from: share of the start model in the averaged weights (0.5); "
            "0 keeps the new weights alone.",
        ),
    ] = None,
    whole_share: Annotated[
        float | None, typer.Option(metavar="SHARE", help="lite0: of patches are whole (0.35).")
    ] = None,
    style_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="lite0: of patches look as from another detector (0)."),
    ] = None,
    peak_rate: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="lite0: highest learning rate (0.001, later 0.0005)."),
    ] = None,
    ema_momentum: Annotated[
        float | None,
        typer.Option(metavar="M", help="lite0: of the moving mean of the weights; 0: none (0)."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed of splits, weights, dropout and order.")
    ] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    views: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
    start_share: Annotated[float | None, typer.Option(min=0, max=0.99, hidden=True)] = None,
) -> None:
    """Train a network.

    Keeps the epoch with the highest tune AUC (lite0: the last epoch). Never reads the test split.
    """
    import_keras()
    from bonefx_train.fit.command import fit_run
    from bonefx_train.run import PatchRecipe

    with exit_on_error(EXIT_CODES):
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
            patches_per_epoch=views if patches is None else patches,
            boxes=boxes,
            start_from=start_from,
            weight_average=start_share if weight_average is None else weight_average,
            recipe=PatchRecipe(whole_share, style_share, peak_rate, ema_momentum),
        )


@app.command(cls=Command)
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images, if it has moved.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="train, tune or test.")] = "test",
    operating_point: Annotated[
        str | None, typer.Option(metavar="NAME", help="balanced (default) or sensitive.")
    ] = None,
    baseline_auc: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="AUC", help="AUC without pixels (see audit), for the report."
        ),
    ] = None,
) -> None:
    """Measure a trained network.

    Markdown on standard output, JSON, plots and a CSV with each film in the run folder.
    """
    import_keras()
    from bonefx_train.evaluation.command import evaluate_run
    from bonefx_train.run import EVALUATION_FOLDER, Run

    with exit_on_error(EXIT_CODES):
        evaluation = evaluate_run(
            Run.open(run, data_root=data),
            split=split,
            operating_point=operating_point,
            baseline_auc=baseline_auc,
        )
    sys.stdout.write(evaluation.to_markdown())
    sys.stderr.write(f"JSON and plots are in {run / EVALUATION_FOLDER}\n")


@app.command("compare", cls=Command)
def compare_predictions(
    a: Annotated[Path, typer.Argument(metavar="A", help="predictions.csv of a network.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="That of another, on the same films.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Also write the figures to this file.")
    ] = None,
) -> None:
    """Compare two networks on the same films.

    Difference of AUC with a 95 % interval and p, by a paired bootstrap of whole groups.
    Markdown on standard output.
    """
    from bonefx_train.evaluation.compare import compare
    from bonefx_train.text_file import write_text

    with exit_on_error(EXIT_CODES):
        comparison = compare(a, b)
        if out is not None:
            write_text(out, comparison.to_json())
    sys.stdout.write(comparison.to_markdown())


@app.command("import", cls=Command)
def import_public_set(
    name: Annotated[
        str, typer.Argument(metavar="SET", help="fracatlas, grazpedwri, mura or rsna-boneage.")
    ],
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with the unpacked set; only read.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DATA",
            help="New folder, or one of an earlier import that this set is added to.",
        ),
    ],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images; default: a link to DIR.")
    ] = False,
    abnormal_as_fractured: Annotated[
        bool,
        typer.Option(
            "--abnormal-as-fractured",
            help="mura: label abnormal films as fractured, which is wrong for many of them; "
            "default: leave them out.",
        ),
    ] = False,
) -> None:
    """Make a manifest of a public set that you downloaded.

    Writes manifest.csv, boxes.csv where the set has boxes, and licence and citation.
    """
    from bonefx_train.data.importers.command import import_set

    with exit_on_error(EXIT_CODES):
        import_set(
            name,
            source,
            out=out,
            copy=copy,
            abnormal_as_fractured=abnormal_as_fractured,
        )
    sys.stderr.write(f"Next: bonefx-train audit {out}\n")


@app.command(cls=Command)
def audit(
    data: Data,
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for audit.md, audit.json, contact sheets."),
    ] = None,
) -> None:
    """Find duplicates, leaks and shortcuts.

    Also contradictory labels and damaged files. Markdown on standard output.
    Exit code 1 for leaks, contradictory labels or one class only.
    """
    from bonefx_train.audit.command import audit_data

    with exit_on_error(EXIT_CODES):
        found, markdown = audit_data(data, out=out)
    sys.stdout.write(markdown)
    if not found.is_clean:
        raise typer.Exit(EXIT_FOUND)


@app.command(cls=Command)
def split(
    data: Data,
    *,
    out: Annotated[
        Path, typer.Option(metavar="CSV", help="Manifest to write, in DATA or a folder above it.")
    ],
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Order of groups of equal size.")
    ] = 1,
    shares: Annotated[
        str, typer.Option(metavar="A,B,C", help="Shares of train, tune and test in each class.")
    ] = "0.7,0.15,0.15",
) -> None:
    """Divide images into train, tune and test.

    A patient and all duplicates of an image stay in one split.
    Groups are the given ones, joined where the audit finds duplicates or copies by file name.
    """
    from bonefx_train.audit.command import parse_shares, split_data

    with exit_on_error(EXIT_CODES):
        split_data(data, out=out, seed=seed, shares=parse_shares(shares))
    sys.stderr.write(f"Next: bonefx-train fit {out} --out RUN\n")


def main() -> None:
    """Run the command."""
    run_app(app, extra="train", log=("bonefx_train",))
