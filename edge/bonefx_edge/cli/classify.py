"""The command edge-classify. Exit codes: 0 to 5; see `ExitCode`."""

import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from bonefx_edge import NOTICE, __version__
from bonefx_edge.cli.exit_codes import ExitCode, fail
from bonefx_edge.cli.files import list_files
from bonefx_edge.errors import BonefxError, JournalError, PortError, UsageError
from bonefx_edge.model.bundled import DEFAULT_MODEL, find_model
from bonefx_edge.parallel import threads_to_try

if TYPE_CHECKING:
    from bonefx_edge.cli.formats import Csv, JsonLines, Table
    from bonefx_edge.finding import Finding

PROGRESS_FROM_FILES: Final = 5
"""A bar for fewer files would be gone before it is read."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=f"Classify bone radiographs. {NOTICE}")
def classify(
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
    options = {"operating_point": operating_point, "runtime": runtime, "views": views}
    if watch is not None:
        if paths or heatmap or as_json or as_csv:
            msg = "expected --watch without files, --heatmap, --json or --csv; see --out"
            fail(msg, code=ExitCode.USAGE)
        words: dict[str, Any] = {"folder": watch, "out": out, "journal": journal, "once": once}
        words |= {"settle_s": settle, "workers": workers, "min_free_mib": min_free}
        words |= {"health_port": health_port, "on_result": on_result, "webhook": webhook}
        words |= {"move_done": move_done, "move_refused": move_refused}
        if duplicates not in {"known", "again"}:
            msg = f"--duplicates: expected known or again, got {duplicates!r}"
            fail(msg, code=ExitCode.USAGE)
        words |= {"repeats": duplicates == "again"}
        reading: dict[str, Any] = {"model": str(find_model(model).absolute())}
        reading |= options | {"threads": _threads_to_try(threads, processes=workers)}
        raise typer.Exit(_watch(words, poll=poll, reading=reading))
    if as_json and as_csv:
        fail("expected --json or --csv, got both; choose one", code=ExitCode.USAGE)
    _classify(
        paths or [],
        find_model(model),
        heatmap,
        threads=threads,
        jobs=jobs,
        options=options,
        kind=("json" if as_json else "csv" if as_csv else "table"),
    )


def _classify(
    names: list[str],
    model: Path,
    heatmap: str | None,
    *,
    threads: str,
    jobs: int,
    options: dict[str, str | None],
    kind: str,
) -> NoReturn:
    """Classify files and folders, print, and leave."""
    files = _find_files(names)
    if sys.stdout is None:
        msg = "expected to write the results to standard output, it is closed; open it"
        fail(msg, code=ExitCode.OUTPUT)
    # Late: --help and usage errors must not wait for numpy, OpenCV and the interpreter.
    from bonefx_edge.cli.formats import Csv, JsonLines, Table
    from bonefx_edge.parallel import LoadOptions, classify_on_several, processes_for

    processes = 1 if heatmap is not None else jobs or processes_for(len(files))
    numbers = _threads_to_try(threads, processes=processes)
    if processes == 1:
        read = _open_model(model, heatmap, threads=numbers, **options)
        findings: Iterable[Finding] = map(read, files)
    else:
        how = LoadOptions(model, threads=numbers, **options)
        findings = classify_on_several(files, how, processes=processes)
    output = JsonLines() if kind == "json" else Csv() if kind == "csv" else Table()
    try:
        refused = _write_findings(findings, len(files), output=output)
    except UsageError as err:
        # A picture that could not be written; without pictures, a model without such a reading.
        fail(str(err), code=ExitCode.USAGE if heatmap is None else ExitCode.OUTPUT)
    except BonefxError as err:
        fail(str(err), code=ExitCode.MODEL)
    except MemoryError:
        fail("expected memory for a film, there is none left; close programs", code=ExitCode.MODEL)
    except OSError as err:
        _drop_output(err)
    raise typer.Exit(ExitCode.SOME_REFUSED if refused else ExitCode.OK)


def _threads_to_try(word: str, *, processes: int) -> tuple[int, ...]:
    try:
        return threads_to_try(word, processes=processes)
    except UsageError as err:
        fail(str(err), code=ExitCode.USAGE)


def _watch(words: dict[str, Any], *, poll: str, reading: dict[str, Any]) -> ExitCode:
    """Watch a folder; return what the shell is told."""
    from bonefx_edge.watch.app import watch
    from bonefx_edge.watch.config import Poll, WatchOptions
    from bonefx_edge.watch.logs import configure_logging
    from bonefx_edge.watch.workers.protocol import Options

    if poll not in list(Poll):
        fail(f"--poll: expected auto, always or never, got {poll!r}", code=ExitCode.USAGE)
    options = WatchOptions(**words, poll=Poll(poll))
    configure_logging()
    try:
        unanswered = watch(options, Options(root=str(options.folder.absolute()), **reading))
    except UsageError as err:
        fail(str(err), code=ExitCode.USAGE)
    except JournalError as err:
        fail(str(err), code=ExitCode.JOURNAL)
    except PortError as err:
        fail(str(err), code=ExitCode.OUTPUT)
    except BonefxError as err:
        fail(str(err), code=ExitCode.MODEL)
    return ExitCode.SOME_REFUSED if options.once and unanswered else ExitCode.OK


def _find_files(names: list[str]) -> list[Path]:
    """Return the files that the names mean, at least one."""
    if "" in names:  # Path("") is the current folder: nobody means that
        fail("expected names, got an empty one (an unset variable?)", code=ExitCode.USAGE)
    files = list(list_files(Path(name) for name in names))
    if not files:
        fail("expected at least one file, found none; name files or folders", code=ExitCode.USAGE)
    return files


def _open_model(
    path: Path, heatmaps: str | None, *, threads: tuple[int, ...], **options: str | None
) -> Callable[[Path], "Finding"]:
    """Return what gives a file's finding, and writes its heat map if a folder is named."""
    from bonefx_edge.classifier import Classifier

    if heatmaps == "":
        fail("expected a folder for the heat maps, got an empty name", code=ExitCode.USAGE)
    try:
        classifier = Classifier.load(path, threads=threads, **options)
        if heatmaps is None:
            return classifier.classify
        from bonefx_edge.cli.heatmap_files import make_folder, write_picture

        classifier.check_explains()
        folder = make_folder(Path(heatmaps))
    except UsageError as err:
        fail(str(err), code=ExitCode.USAGE)
    except BonefxError as err:
        fail(str(err), code=ExitCode.MODEL)
    return lambda film: write_picture(folder, classifier.explain(film))


def _write_findings(
    findings: Iterable["Finding"],
    n_files: int,
    *,
    output: "JsonLines | Csv | Table",
) -> int:
    """Write one row a file to standard output, in order, and return how many were refused."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(output.header())
    refused = 0
    with _progress(findings, n_files) as progressing:
        for finding in progressing:
            refused += finding.reason is not None
            sys.stdout.write(output.row(finding))
            sys.stdout.flush()
    return refused


def _drop_output(err: OSError) -> NoReturn:
    """Leave in words; without this Python tries again at exit and adds its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(err, BrokenPipeError):  # `| head` has read enough, which is no fault
        raise typer.Exit(ExitCode.OUTPUT)
    msg = f"expected to write the results to standard output, got: {err.strerror}; free the disk"
    fail(msg, code=ExitCode.OUTPUT)


def _progress(
    findings: Iterable["Finding"], n_files: int
) -> AbstractContextManager[Iterable["Finding"]]:
    """Return the findings behind a progress bar on standard error, if a person is there."""
    # A table on the same terminal is its own progress; a bar would tear its lines.
    if n_files < PROGRESS_FROM_FILES or not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(findings)
    return typer.progressbar(findings, length=n_files, label="classifying", file=sys.stderr)


def main() -> None:
    """Entry point of the console script."""
    app()
