"""The command bonefx-convert.

Exit codes: 0 done, 2 wrong command line, 3 data or run cannot be used, 4 no kind is within its
tolerances (no model file was written), 5 a model file or an interpreter cannot be used.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bonefx_edge.cli.command import Command
from bonefx_edge.errors import UsageError
from bonefx_train.command_line import exit_on_error, import_keras, make_app, run_app

from bonefx_convert.convert_options import (
    EXIT_CODES,
    KindsOption,
    OldToleranceOption,
    OutOption,
    RunData,
    ToleranceOption,
    TrainingDataOption,
    VerifyOption,
    VersionOption,
    import_exact_keras,
    today,
)
from bonefx_convert.keras_command import FileOrCommand, convert_keras

if TYPE_CHECKING:
    from bonefx_train.run import Run

app = make_app(
    "Convert a trained network to model files and compare them with the original.",
    group=FileOrCommand,
)
app.command("keras", cls=Command)(convert_keras)


@app.command("run", cls=Command)
def convert(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of bonefx-train fit.")],
    *,
    out: OutOption,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model name; default: the network's name.")
    ] = None,
    version: VersionOption = None,
    training_data: TrainingDataOption = None,
    data: RunData = None,
    verify_with: VerifyOption = None,
    kinds: KindsOption = None,
    tolerance: ToleranceOption = None,
    bound: OldToleranceOption = None,
    prove_with: Annotated[list[Path] | None, typer.Option(hidden=True)] = None,
) -> None:
    """Convert a run to model files.

    Prints the parity report. Each kind is judged by itself: those within tolerance are written, the
    others are named with the reason. Exit code 4 if none is.
    """
    with exit_on_error(EXIT_CODES):
        from bonefx_convert.parity.tolerances import parse_tolerances

        tolerances = parse_tolerances([*(tolerance or []), *(bound or [])])
        opened = _open_run(run, data)
        from bonefx_convert.convert_run import convert_run
        from bonefx_convert.flatbuffer import parse_kinds
        from bonefx_convert.pack import Options

        settings = opened.settings
        options = Options(
            out=out,
            name=name or settings.network,
            version=version or today(),
            training_data=training_data or settings.data_name,
            pythons=(*(verify_with or []), *(prove_with or [])),
            tolerances=tolerances,
            kinds=parse_kinds(kinds),
        )
        report = convert_run(opened, options=options)
    sys.stdout.write(report.to_markdown())


@app.command(cls=Command)
def refit(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Files of one model, the most precise first."),
    ],
    *,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The films that it was fitted on, with their splits."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the new model files.")],
    version: Annotated[str, typer.Option(metavar="VERSION", help="New version of the model.")],
    verify_with: Annotated[
        list[Path] | None,
        typer.Option(metavar="PYTHON", help="Also run the model in this Python; repeatable."),
    ] = None,
) -> None:
    """Write model files of an older version anew; the networks stay as they are.

    Tiles, weights and thresholds become those of this version, fitted on the tune films.
    """
    with exit_on_error(EXIT_CODES):
        import_keras()
        from bonefx_convert.refit import RefitOptions
        from bonefx_convert.refit import refit as write_anew

        options = RefitOptions(data, data.resolve().name, out, version, tuple(verify_with or ()))
        for path in write_anew(models, options=options):
            typer.echo(path)


@app.command(cls=Command)
def familiarity(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files.")],
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the sets, fracatlas and others.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the new model files.")],
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="New version of the model; default: as it is."),
    ] = None,
) -> None:
    """Write model files that answer `uncertain` on films unlike those they were made with.

    Also at ages of the patient at which they call too many normal films fractured. Their figures
    are measured again, as states.
    """
    with exit_on_error(EXIT_CODES):
        import_keras()
        from bonefx_convert.cautions.write import write_familiar

        for path in write_familiar(models, data=data, out=out, version=version):
            typer.echo(path)


@app.command(cls=Command)
def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Model files.")],
    *,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Labelled images with splits, or the run of the models."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the report: JSON, page, PNG.")
    ],
    split: Annotated[str, typer.Option(metavar="SPLIT", help="train, tune or test.")] = "test",
    mode: Annotated[
        str | None,
        typer.Option(metavar="whole|tiled", help="Of each model; default: its own."),
    ] = None,
) -> None:
    """Compare model files on labelled images, as the device classifies them.

    AUC, sensitivity and specificity of each, with intervals; change against the float file of the
    same network, and every image whose state differs.
    """
    with exit_on_error(EXIT_CODES):
        from bonefx_train.data.sample import SPLITS
        from bonefx_train.studies.quantization_cost import compare_files

        if split not in SPLITS:
            msg = f"--split: expected one of {', '.join(SPLITS)}, got {split!r}"
            raise UsageError(msg)
        compare_files(models, data=data, split=split, mode=mode, baseline_auc=None, out=out)


@app.command(cls=Command)
def parity(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files.")],
    *,
    keras: Annotated[
        Path, typer.Option(metavar="RUN", help="Run folder that the models were made from.")
    ],
    data: RunData = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="train, tune or test.")] = "tune",
    tolerance: ToleranceOption = None,
    bound: OldToleranceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not Markdown.")] = False,
) -> None:
    """Compare model files with their run.

    Prints the parity report; exit code 4 if a model is out of tolerance.
    """
    with exit_on_error(EXIT_CODES):
        from bonefx_convert.parity.tolerances import parse_tolerances

        tolerances = parse_tolerances([*(tolerance or []), *(bound or [])])
        opened = _open_run(keras, data)
        from bonefx_convert.verify import check_models

        report = check_models(models, run=opened, split=split, tolerances=tolerances)
        sys.stdout.write(report.to_json() if as_json else report.to_markdown())
        report.check()


def _open_run(folder: Path, data_root: Path | None) -> "Run":
    import_exact_keras()
    from bonefx_train.run import Run

    return Run.open(folder, data_root=data_root)


def main() -> None:
    """Run the command."""
    run_app(app, extra="convert", log=("bonefx_convert", "bonefx_train"))
