"""Classify the files and folders that a person named: print a row each, draw heat maps."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from bonefx_edge.cli.exit_codes import ExitCode, fail
from bonefx_edge.cli.files import list_files
from bonefx_edge.errors import OutputError, UsageError
from bonefx_edge.model.bundled import find_model
from bonefx_edge.parallel import threads_to_try

if TYPE_CHECKING:
    from bonefx_dicom.results.kinds import ObjectKind

    from bonefx_edge.cli.dicom_files import DicomResultFolder
    from bonefx_edge.cli.formats import Csv, JsonLines, Table
    from bonefx_edge.finding import Finding

PROGRESS_FROM_FILES: Final = 5
"""A bar for fewer files would be gone before it is read."""


def classify_files(
    names: list[str],
    *,
    model: str,
    heatmap: str | None,
    dicom: tuple[Path, tuple["ObjectKind", ...]] | None,
    threads: str,
    jobs: int,
    options: dict[str, Any],
    output_format: str,
) -> ExitCode:
    """Classify files and folders, print a row each to standard output, return the exit code.

    `jobs` is the number of processes, 0: as many as are faster; `dicom` is the folder of DICOM
    results and what they are; `options` are further arguments of `Classifier.load`.

    Raises
    ------
    BonefxError
        UsageError before any file is read, OutputError for a heat map, else of the model.
    """
    files = _find_files(names)
    if sys.stdout is None:
        msg = "Cannot write the results: standard output is closed."
        raise OutputError(msg)
    # Late: --help and usage errors must not wait for numpy, OpenCV and the interpreter.
    from bonefx_edge.cli.formats import Csv, JsonLines, Table
    from bonefx_edge.parallel import LoadOptions, classify_parallel, processes_for

    path = find_model(model)
    processes = 1 if heatmap is not None else jobs or processes_for(len(files))
    numbers = threads_to_try(threads, processes=processes)
    if processes == 1:
        classify = _open_model(path, heatmap, threads=numbers, **options)
        findings: Iterable[Finding] = map(classify, files)
    else:
        loading = LoadOptions(path, threads=numbers, **options)
        findings = classify_parallel(files, loading, processes=processes)
    findings = _pass_over_own(findings)
    results = _open_dicom_folder(dicom)
    if results is not None:
        findings = map(results.write, findings)
    kinds: dict[str, Callable[[], JsonLines | Csv | Table]]
    kinds = {"json": JsonLines, "csv": Csv, "table": Table}
    try:
        refused = _write_findings(findings, len(files), output=kinds[output_format]())
    except MemoryError:
        fail("Not enough memory to decode an image. Close other programs.", code=ExitCode.MODEL)
    except OSError as err:
        _drop_output(err)
    if results is not None:
        results.report()
    return ExitCode.SOME_REFUSED if refused else ExitCode.OK


def _find_files(names: list[str]) -> list[Path]:
    """Return the files that the names mean, at least one."""
    found = list_files(Path(name) for name in names)
    if found.passed_over:
        sys.stderr.write(
            f"{found.passed_over} name{'' if found.passed_over == 1 else 's'} passed over: hidden, "
            "unfinished or system files such as .DS_Store, Thumbs.db, *.part\n"
        )
    if not found.files:
        msg = "Found no file. Name files, or folders that contain some."
        raise UsageError(msg)
    return found.files


def _open_model(
    path: Path, heatmaps: str | None, *, threads: tuple[int, ...], **options: Any
) -> Callable[[Path], "Finding"]:
    """Return what gives a file's finding, and writes its heat map if a folder is named."""
    from bonefx_edge.classifier import Classifier

    classifier = Classifier.load(path, threads=threads, **options)
    if heatmaps is None:
        return classifier.classify
    from bonefx_edge.cli.heatmap_files import make_folder, write_picture

    classifier.manifest.require_heatmap()
    folder = make_folder(Path(heatmaps), "heat maps")
    return lambda film: write_picture(folder, classifier.explain(film))


def _open_dicom_folder(
    dicom: tuple[Path, tuple["ObjectKind", ...]] | None,
) -> "DicomResultFolder | None":
    if dicom is None:
        return None
    from bonefx_edge.cli.dicom_files import DicomResultFolder  # here: imports pydicom, 0.2 s

    return DicomResultFolder(*dicom)


def _pass_over_own(findings: Iterable["Finding"]) -> Iterator["Finding"]:
    """Yield the findings without those of DICOM results of bonefx, which are no films."""
    from bonefx_dicom.results.own_objects import is_own_file

    from bonefx_edge.errors import Reason

    passed_over = 0
    for finding in findings:
        # Nothing else is read a second time: our results are always of another modality.
        if finding.reason is Reason.WRONG_MODALITY and is_own_file(Path(finding.path)):
            passed_over += 1
        else:
            yield finding
    if passed_over:
        are = "result of bonefx was" if passed_over == 1 else "results of bonefx were"
        sys.stderr.write(f"{passed_over} DICOM {are} passed over\n")


def _write_findings(
    findings: Iterable["Finding"],
    n_files: int,
    *,
    output: "JsonLines | Csv | Table",
) -> int:
    """Write one row a file to standard output, in order, and return how many were refused."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not end the run.
        sys.stdout.reconfigure(encoding=output.encoding, errors="backslashreplace")
    sys.stdout.write(output.header())
    refused = 0
    with _progress(findings, n_files) as progressing:
        for finding in progressing:
            refused += finding.reason is not None
            sys.stdout.write(output.row(finding))
            sys.stdout.flush()
    sys.stdout.write(output.footer())
    sys.stdout.flush()
    return refused


def _drop_output(err: OSError) -> NoReturn:
    """Leave in words; without this Python tries again at exit and adds its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(err, BrokenPipeError):  # `| head` has read enough, which is no fault
        raise typer.Exit(ExitCode.OUTPUT)
    msg = f"Cannot write the results to standard output ({err.strerror}). Free disk space."
    fail(msg, code=ExitCode.OUTPUT)


def _progress(
    findings: Iterable["Finding"], n_files: int
) -> AbstractContextManager[Iterable["Finding"]]:
    """Return the findings behind a progress bar on standard error, if a person is there."""
    # A table on the same terminal is its own progress; a bar would tear its lines.
    if n_files < PROGRESS_FROM_FILES or not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(findings)
    return typer.progressbar(findings, length=n_files, label="classifying", file=sys.stderr)
