"""The command edge-classify. Exit codes: 0 to 5; see `ExitCode`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bonefx_edge import NOTICE, __version__
from bonefx_edge.cli.batch import Batch, classify_files
from bonefx_edge.cli.exit_codes import ExitCode, fail, fail_with
from bonefx_edge.errors import BonefxError
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from bonefx_edge.model.native_log import show_all_lines
from bonefx_edge.parallel import threads_to_try

FILES_ONLY: Final = ("paths", "heatmap", "jobs", "as_json", "as_csv")
"""Parameters of the command that do nothing with `--watch`."""
WATCH_ONLY: Final = (
    *("out", "journal", "once", "settle", "poll", "workers", "min_free", "health_port"),
    *("on_result", "webhook", "move_done", "move_refused", "duplicates"),
)
"""Parameters of the command that do nothing without `--watch`."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=f"Classify bone radiographs. {NOTICE}")
def classify(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|DIR...", help="Films; folders are searched recursively."),
    ] = None,
    *,
    model: Annotated[
        str, typer.Option(help="A model file, or the name of one that comes with the package.")
    ] = DEFAULT_MODEL,
    operating_point: Annotated[
        str | None, typer.Option(help="One of the model's operating points.")
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(help="whole: one pass; closer: tiles of the film too. Default: the model's."),
    ] = None,
    heatmap: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write where the network looked, a PNG a film: an aid."),
    ] = None,
    threads: Annotated[
        str,
        typer.Option(metavar="N|auto", help="Of the interpreter; auto: as many as pay, measured."),
    ] = "1",
    jobs: Annotated[
        int, typer.Option(min=0, help="Processes, for many films; 0: as many cores as pay.")
    ] = 0,
    runtime: Annotated[
        str | None, typer.Option(help="ai_edge_litert or tflite_runtime; default: installed one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what the interpreter writes, too.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    watch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Classify what arrives in a folder, until stopped."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Watching: folder of results. Default: DIR-results."),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Watching: folder of the journal. Default: in --out."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Watching: end when all that is there is dealt with.")
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0.1, help="Watching: seconds a file must be unchanged.")
    ] = 2.0,
    poll: Annotated[
        str,
        typer.Option(metavar="auto|always|never", help="Watching: walk the folder every second."),
    ] = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="Watching: processes that decode and classify.")
    ] = 1,
    min_free: Annotated[
        int, typer.Option(min=0, help="Watching: MiB free, below which nothing is taken.")
    ] = 200,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Watching: /livez, /readyz, /metrics on 127.0.0.1; 0: any port."
        ),
    ] = None,
    on_result: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Watching: run for each result, told as JSON."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Watching: post each result there, instead of a command."),
    ] = None,
    move_done: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Watching: move classified originals there."),
    ] = None,
    move_refused: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Watching: move refused originals there."),
    ] = None,
    duplicates: Annotated[
        str,
        typer.Option(metavar="known|again", help="Watching: classify a content that comes again?"),
    ] = "known",
) -> None:
    """Parse, load, classify, print."""
    if version:
        sys.stdout.write(f"bonefx {__version__}\n")
        return
    _check_mode(context, watching=watch is not None)
    if verbose:
        show_all_lines()
    options = {"operating_point": operating_point, "runtime": runtime, "views": views}
    try:
        if watch is not None:
            words: dict[str, Any] = {"folder": watch, "out": out, "journal": journal, "once": once}
            words |= {"settle_s": settle, "workers": workers, "min_free_mib": min_free}
            words |= {"health_port": health_port, "on_result": on_result, "webhook": webhook}
            words |= {"move_done": move_done, "move_refused": move_refused}
            words |= {"repeats": duplicates == "again"}
            loading = options | {"threads": threads_to_try(threads, processes=workers)}
            code = _watch(words, poll=poll, model=model, loading=loading)
        else:
            kind = "json" if as_json else "csv" if as_csv else "table"
            batch = Batch(model, heatmap, threads=threads, jobs=jobs, options=options, kind=kind)
            code = classify_files(paths or [], batch)
    except BonefxError as err:
        fail_with(err)
    raise typer.Exit(code)


def _check_mode(context: typer.Context, *, watching: bool) -> None:
    """Leave if a parameter is named that would do nothing, or two that exclude each other."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name == "DEFAULT" or context.params[name] == ():
            continue
        shown = "FILE|DIR" if name == "paths" else parameter.opts[0]
        if watching and name in FILES_ONLY:
            msg = f"{shown}: does nothing with --watch; leave it out"
            fail(msg, code=ExitCode.USAGE)
        if not watching and name in WATCH_ONLY:
            msg = f"{shown}: needs --watch; add --watch DIR, or leave {shown} out"
            fail(msg, code=ExitCode.USAGE)
    if context.params["as_json"] and context.params["as_csv"]:
        fail("expected --json or --csv, got both; choose one", code=ExitCode.USAGE)
    for name, choices in (
        ("duplicates", ("known", "again")),
        ("poll", ("auto", "always", "never")),
    ):
        if context.params[name] not in choices:
            msg = f"--{name}: expected one of {', '.join(choices)}, got {context.params[name]!r}"
            fail(msg, code=ExitCode.USAGE)


def _watch(words: dict[str, Any], *, poll: str, model: str, loading: dict[str, Any]) -> ExitCode:
    """Watch a folder; return the exit code."""
    from bonefx_edge.watch.app import watch
    from bonefx_edge.watch.config import Poll, WatchOptions
    from bonefx_edge.watch.logs import configure_logging
    from bonefx_edge.watch.workers.protocol import Options

    options = WatchOptions(**words, poll=Poll(poll))
    path = str(find_model(model).absolute())
    configure_logging()
    root = str(options.folder.absolute())
    unanswered = watch(options, Options(root=root, model=path, **loading))
    return ExitCode.SOME_REFUSED if options.once and unanswered else ExitCode.OK


def main() -> None:
    """Entry point of the console script."""
    app()
