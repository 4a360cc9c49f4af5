"""The worker process: decodes and classifies, so that a file can crash no other process.

    python -m bonefx_edge.watch.workers.main CONFIG-AS-JSON

Reads one job per line from stdin and writes one result per line to stdout, in the same order, until
the end of input. With pictures, a second line follows. It writes no file: a killed worker leaves
nothing behind.
"""

import dataclasses
import json
import os
import platform
import resource
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import cv2
import numpy as np

from bonefx_edge import __version__
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.reader import read_file
from bonefx_edge.diagnostics.board import board
from bonefx_edge.diagnostics.departure import Reference
from bonefx_edge.errors import BonefxError, DecodeError, Reason
from bonefx_edge.finding import Analysis, Stopwatch
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.intake.hashing import identify
from bonefx_edge.watch.logs import log_uncaught
from bonefx_edge.watch.workers.protocol import JobStatus, WorkerConfig

_DETAILS: Final = {
    Reason.DECODER_CRASHED: "The file crashed the decoder. Export it again; if that does not help, "
    "report it.",
    Reason.DECODER_HUNG: "Decoding took longer than the time limit. Export the image smaller, or "
    "in another format.",
}


def main() -> None:
    """Load the model, report it, and execute jobs until the end of stdin."""
    sys.excepthook = log_uncaught
    config = WorkerConfig(**json.loads(sys.argv[1]))
    # stdout becomes stderr: output of a library must not be read as a result.
    results = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service
    resource.setrlimit(resource.RLIMIT_AS, (config.memory_limit_bytes, config.memory_limit_bytes))
    try:
        classifier = Classifier.load(
            Path(config.model),
            threads=config.threads,
            runtime=config.runtime,
            operating_point=config.operating_point,
            mode=config.mode,
            site_profile=config.site_profile,
            accept=config.accept,
        )
    except BonefxError as err:
        _send(results, {"status": JobStatus.FATAL, "message": str(err)})
        return
    reference = Reference.read(config.site_profile) if config.site_profile else None
    _send(results, {"ready": describe(classifier), "environment": _environment(classifier)})
    for line in sys.stdin:
        job = json.loads(line)
        message, analysis = _work(job, classifier, config)
        if reference and analysis is not None:
            message["departures"] = reference.departures(analysis)
        draws = config.pictures and analysis is not None and not Path(job["path"]).is_absolute()
        _send(results, message | {"draws": draws})
        if draws and analysis is not None:
            _send(results, _draw(analysis, classifier, config))


def describe(classifier: Classifier) -> str:
    """Return what identifies the predictor: model file, mode, operating point, site profile."""
    model, profile = classifier.model, classifier.site_profile
    thresholds = classifier.operating_point.name + (f" {profile.sha256}" if profile else "")
    return f"{model.name} {model.version} {model.sha256} {classifier.mode.name} {thresholds}"


def _environment(classifier: Classifier) -> str:
    """Return the libraries with versions and the machine: others may round differently."""
    runtime = classifier.runtime
    return (
        f"bonefx {__version__}, {runtime.name} {runtime.version}, OpenCV {cv2.__version__}, "
        f"NumPy {np.__version__}, {board()}, {platform.machine()}, threads {classifier.threads}"
    )


def _send(results: IO[str], message: dict[str, Any]) -> None:
    results.write(json.dumps(message, allow_nan=False) + "\n")
    results.flush()


def _work(
    job: dict[str, Any], classifier: Classifier, config: WorkerConfig
) -> tuple[dict[str, Any], Analysis | None]:
    """Return the result of a job, and what it was made from if there is a finding.

    A job has `sha256`, `path` below the watched folder, `refuse` or null.
    """
    path, sha256 = Path(job["path"]), job["sha256"]
    try:
        if job["refuse"]:
            reason = Reason(job["refuse"])
            error = DecodeError(reason, _DETAILS[reason])
            analysis: Analysis | None = _refused(path, error, classifier)
        else:
            analysis = _classify(path, sha256, classifier, config)
    except (MemoryError, cv2.error) as err:
        _raise_unless_no_memory(err)
        return {"status": JobStatus.TRANSIENT, "code": "ENOMEM"}, None
    except OSError as err:
        return {"status": JobStatus.TRANSIENT, "code": error_name(err)}, None
    except BonefxError as err:
        return {"status": JobStatus.FATAL, "message": str(err)}, None
    if analysis is None:
        return {"status": JobStatus.CHANGED}, None
    if analysis.finding.reason is Reason.UNREADABLE:
        return {"status": JobStatus.TRANSIENT, "code": "unreadable"}, None
    record = dataclasses.replace(analysis.finding, path=job["path"], sha256=sha256).to_dict()
    return {"status": JobStatus.OK, "finding": record}, analysis


def _raise_unless_no_memory(err: MemoryError | cv2.error) -> None:
    if isinstance(err, cv2.error) and err.code != cv2.Error.StsNoMem:
        raise err


def _refused(path: Path, error: DecodeError, classifier: Classifier) -> Analysis:
    """Return a refusal of a file that was not decoded."""
    return Analysis(classifier.predictor.finding(path, None, Stopwatch(), error=error))


def _classify(
    path: Path, sha256: str, classifier: Classifier, config: WorkerConfig
) -> Analysis | None:
    """Return the finding of a file and what it was made from, None if its content has changed."""
    full = Path(config.root) / path
    try:
        data = read_file(full)
    except DecodeError as err:
        if err.reason in (Reason.EMPTY, Reason.TOO_LARGE) and identify(bytes(full)) != sha256:
            return None
        return _refused(path, err, classifier)
    # The kernel ends the process after the time limit, also inside a codec, and the service sees
    # the signal. Reading is not included: a slow share is not the file's fault.
    with _time_limit(config):
        analysis = classifier.analyze_bytes(data, name=path)
    return analysis if analysis.finding.sha256 == sha256 else None


def _draw(analysis: Analysis, classifier: Classifier, config: WorkerConfig) -> dict[str, Any]:
    """Return the pictures of a film that has its result, or the cause why there are none."""
    from bonefx_edge.watch.workers.drawing import draw  # here: most services draw nothing

    pictures, code = dict[str, str](), ""
    try:
        with _time_limit(config):
            drawn = draw(analysis, classifier)
        pictures = {kind: b64encode(data).decode("ascii") for kind, data in drawn.items()}
    except (MemoryError, cv2.error) as err:
        _raise_unless_no_memory(err)
        code = "ENOMEM"
    return {"status": JobStatus.DRAWN, "pictures": pictures, "code": code}


@contextmanager
def _time_limit(config: WorkerConfig) -> Iterator[None]:
    """End the process by SIGALRM if this takes longer than the time limit."""
    signal.setitimer(signal.ITIMER_REAL, config.time_limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
