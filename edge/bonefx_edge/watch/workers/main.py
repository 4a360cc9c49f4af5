"""The process that decodes and classifies: what a file does to it, it does to no one else.

    python -m bonefx_edge.watch.workers.main OPTIONS-AS-JSON

Reads one job a line from standard input, answers one line each, in order; ends at the end of
input. It writes nothing else and no file: a worker that is killed leaves nothing behind.
"""

import dataclasses
import json
import os
import platform
import resource
import signal
import sys
from pathlib import Path
from typing import IO, Any, Final

import cv2
import numpy as np

from bonefx_edge import __version__
from bonefx_edge.classifier import Classifier, refused_finding
from bonefx_edge.decode.reader import read_file
from bonefx_edge.diagnostics.board import board
from bonefx_edge.errors import BonefxError, DecodeError, Reason
from bonefx_edge.finding import Finding
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.intake.hashing import identify
from bonefx_edge.watch.logs import tell_error
from bonefx_edge.watch.workers.protocol import Answer, Options

_WORDS: Final = {
    Reason.DECODER_CRASHED: "expected a file that can be decoded, it ended the process that tried; "
    "export the film again, and report the file if it is whole",
    Reason.DECODER_HUNG: "expected a file that can be decoded within the time limit, it could not; "
    "export the film smaller, or as another kind of file",
}


def main() -> None:
    """Load, say what was loaded or why not, then work until standard input ends."""
    sys.excepthook = tell_error
    options = Options(**json.loads(sys.argv[1]))
    # What a library prints on standard output must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends us
    resource.setrlimit(resource.RLIMIT_AS, (options.memory_limit_bytes, options.memory_limit_bytes))
    try:
        classifier = Classifier.load(
            Path(options.model),
            threads=options.threads,
            runtime=options.runtime,
            operating_point=options.operating_point,
            views=options.views,
        )
    except BonefxError as err:
        _say(answers, {"answer": Answer.BROKEN, "message": str(err)})
        return
    _say(
        answers,
        {"ready": describe(classifier), "made_of": _made_of(classifier)},
    )
    for line in sys.stdin:
        _say(answers, _work(json.loads(line), classifier, options))


def describe(classifier: Classifier) -> str:
    """Return what decides an answer beside the film: model file, reading and operating point."""
    model = classifier.model
    return (
        f"{model.name} {model.version} {model.sha256} "
        f"{classifier.reading.name} {classifier.operating_point.name}"
    )


def _made_of(classifier: Classifier) -> str:
    """Return what computes the answer, each with its version: others may round otherwise."""
    runtime = classifier.runtime
    return (
        f"bonefx {__version__}, {runtime.name} {runtime.version}, OpenCV {cv2.__version__}, "
        f"NumPy {np.__version__}, {board()}, {platform.machine()}, threads {classifier.threads}"
    )


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message, allow_nan=False) + "\n")
    answers.flush()


def _work(job: dict[str, Any], classifier: Classifier, options: Options) -> dict[str, Any]:
    """Return the answer to one job: `sha256`, `path` below the watched folder, `refuse` or null."""
    path, sha256 = Path(job["path"]), job["sha256"]
    finding: Finding | None
    try:
        if job["refuse"]:
            reason = Reason(job["refuse"])
            finding = refused_finding(classifier, path, DecodeError(reason, _WORDS[reason]))
        else:
            finding = _classify(path, sha256, classifier, options)
    except (MemoryError, cv2.error) as err:
        if isinstance(err, cv2.error) and err.code != cv2.Error.StsNoMem:
            raise
        return {"answer": Answer.UNAVAILABLE, "code": "ENOMEM"}
    except OSError as err:
        return {"answer": Answer.UNAVAILABLE, "code": error_name(err)}
    except BonefxError as err:
        return {"answer": Answer.BROKEN, "message": str(err)}
    if finding is None:
        return {"answer": Answer.CHANGED}
    if finding.reason is Reason.UNREADABLE:
        return {"answer": Answer.UNAVAILABLE, "code": "unreadable"}
    record = dataclasses.replace(finding, path=job["path"], sha256=sha256).to_dict()
    return {"answer": Answer.FINDING, "finding": record}


def _classify(path: Path, sha256: str, classifier: Classifier, options: Options) -> Finding | None:
    """Return the finding for a file, None if its content is another one by now."""
    full = Path(options.root) / path
    try:
        data = read_file(full)
    except DecodeError as err:
        if err.reason in (Reason.EMPTY, Reason.TOO_LARGE) and identify(bytes(full)) != sha256:
            return None
        return refused_finding(classifier, path, err)
    # The kernel ends the process when the time is over, whatever a codec is doing; the service
    # sees by which signal. Reading is outside: a share that hangs is not the file's fault.
    signal.setitimer(signal.ITIMER_REAL, options.time_limit_s)
    try:
        finding = classifier.classify_bytes(data, name=path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return finding if finding.sha256 == sha256 else None


if __name__ == "__main__":
    main()
