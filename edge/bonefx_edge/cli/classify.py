"""The command edge-classify. Exit codes: 0 to 5; see `ExitCode`."""

import faulthandler
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind

from bonefx_edge import NOTICE, __version__
from bonefx_edge.cli import watch_options as opt
from bonefx_edge.cli.batch import classify_files
from bonefx_edge.cli.command import HELP_OPTIONS, Command
from bonefx_edge.cli.exit_codes import ExitCode, fail_with
from bonefx_edge.cli.option_rules import FORMATS, WATCH_ONLY, check_options
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.errors import BonefxError
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from bonefx_edge.model.native_log import show_all_lines
from bonefx_edge.parallel import threads_to_try


class _Classify(Command):
    sections: ClassVar = {"Watch a folder": ("config", "watch", *WATCH_ONLY)}


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(
    cls=_Classify,
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    help=f"Classify bone radiographs. {NOTICE}",
)
def classify(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|DIR...", help="Radiographs; folders are searched."),
    ] = None,
    *,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A bundled model, or a model file.")
    ] = DEFAULT_MODEL,
    operating_point: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's thresholds to use. Default: its first."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="whole|tiled",
            help="whole: one inference per image; tiled: also overlapping tiles (slower, more "
            "sensitive). Default: the model's first.",
        ),
    ] = None,
    views: Annotated[str | None, typer.Option("--views", hidden=True)] = None,
    site_profile: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Thresholds of this site, as edge-admin commission wrote them."
        ),
    ] = None,
    accept: Annotated[
        list[SiteSwitch] | None,
        typer.Option(
            metavar="FAULT",
            help=f"{' or '.join(SiteSwitch)}: answer files with this fault; repeatable. Read "
            "docs/operating.md first.",
        ),
    ] = None,
    heatmap: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a heat map PNG per image.")
    ] = None,
    dicom_results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the result of each DICOM image as DICOM, for its study."
        ),
    ] = None,
    dicom_object: Annotated[
        list[ObjectKind] | None,
        typer.Option(
            metavar="|".join(ObjectKind),
            help="What to write there: structured report, picture, regions; repeatable. Default: "
            f"{' and '.join(DEFAULT_KINDS)}.",
        ),
    ] = None,
    threads: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Interpreter threads; auto picks the fastest by a short benchmark.",
        ),
    ] = "1",
    jobs: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Processes for many images; 0 picks the number."),
    ] = 0,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="ai_edge_litert or tflite_runtime. Default: the installed one."
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="table for people, json (an object per line) for programs, csv for spreadsheets.",
        ),
    ] = "table",
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
    as_csv: Annotated[bool, typer.Option("--csv", hidden=True)] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what the interpreter writes, too.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    config: opt.Config = None,
    watch: opt.Watch = None,
    out: opt.Out = None,
    journal: opt.Journal = None,
    once: opt.Once = False,
    settle: opt.Settle = None,
    poll: opt.Poll = "auto",
    workers: opt.Workers = 1,
    min_free: opt.MinFree = 200,
    result_names: opt.ResultNames = "sha",
    results_group: opt.ResultsGroup = None,
    health_port: opt.HealthPort = None,
    on_result: opt.OnResult = None,
    webhook: opt.Webhook = None,
    webhook_token_file: opt.WebhookTokenFile = None,
    webhook_secret_file: opt.WebhookSecretFile = None,
    webhook_ca_file: opt.WebhookCaFile = None,
    message_names: opt.MessageNames = False,
    move_done: opt.MoveDone = None,
    move_refused: opt.MoveRefused = None,
    duplicates: opt.Duplicates = "skip",
    pictures: opt.Pictures = None,
    pictures_days: opt.PicturesDays = 30,
    pictures_mb: opt.PicturesMb = 1000,
) -> None:
    """Parse, load, classify, print."""
    if version:
        sys.stdout.write(f"bonefx {__version__}\n")
        return
    check_options(context, watching=watch is not None)
    if verbose:
        show_all_lines()
    if views is not None:  # until version 0.4
        mode = {"closer": "tiled"}.get(views, views)
    options: dict[str, Any] = {"operating_point": operating_point, "runtime": runtime, "mode": mode}
    options["accept"] = tuple(accept or ())
    options["site_profile"] = str(Path(site_profile).absolute()) if site_profile else site_profile
    try:
        if watch is not None:
            words: dict[str, Any] = {"folder": watch, "out": out, "journal": journal, "once": once}
            words |= {"settle_s": settle, "workers": workers, "min_free_mib": min_free}
            words |= {"result_names": result_names == "file", "results_group": results_group}
            words |= {"health_port": health_port, "on_result": on_result, "webhook": webhook}
            words |= {"webhook_token_file": webhook_token_file, "webhook_ca_file": webhook_ca_file}
            words |= {"webhook_secret_file": webhook_secret_file}
            words |= {"message_names": message_names}
            words |= {"move_done": move_done, "move_refused": move_refused}
            words |= {"pictures": pictures, "pictures_days": pictures_days}
            words |= {"pictures_mb": pictures_mb}
            words |= {"reclassify_duplicates": duplicates in ("reclassify", "again")}
            loading = options | {"threads": threads_to_try(threads, processes=workers)}
            code = _watch(words, poll=poll, model=model, loading=loading)
        else:
            kinds = tuple(dicom_object or DEFAULT_KINDS)
            dicom = (dicom_results, kinds) if dicom_results is not None else None
            kind = "json" if as_json else "csv" if as_csv else output_format
            code = classify_files(
                paths or [],
                model=model,
                heatmap=heatmap,
                dicom=dicom,
                threads=threads,
                jobs=jobs,
                options=options,
                output_format=kind,
            )
    except BonefxError as err:
        fail_with(err)
    raise typer.Exit(code)


def _watch(words: dict[str, Any], *, poll: str, model: str, loading: dict[str, Any]) -> ExitCode:
    """Watch a folder; return the exit code."""
    from bonefx_edge.watch.app import watch
    from bonefx_edge.watch.config import Poll, WatchOptions
    from bonefx_edge.watch.logs import configure_logging
    from bonefx_edge.watch.workers.protocol import WorkerConfig

    options = WatchOptions(**words, poll=Poll(poll))
    path = str(find_model(model).absolute())
    configure_logging()
    root, draws = str(options.folder.absolute()), options.pictures is not None
    unfinished = watch(options, WorkerConfig(root=root, model=path, pictures=draws, **loading))
    return ExitCode.SOME_REFUSED if unfinished else ExitCode.OK


def main() -> None:
    """Entry point of the console script."""
    # A library that was built for another processor, or a decoder that crashes, ends the process:
    # this names the signal and the library on standard error.
    faulthandler.enable()
    app()
