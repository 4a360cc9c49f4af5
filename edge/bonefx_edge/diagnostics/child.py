"""Run the checks of the doctor in a child process: what they import may end the process.

    python -m bonefx_edge.diagnostics.child MODEL CHECK...

An interpreter or OpenCV that was built for another processor ends its process by SIGILL, without a
word. The child writes a line of JSON before each import and after each check; where the lines end,
the parent knows what ended the child, and starts another one for the checks that remain.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.diagnostics.doctor import CHECKS
from bonefx_edge.errors import InterpreterError
from bonefx_edge.text import exit_cause, printable

TIMEOUT_S: Final = 120.0
"""For one child: an import from a slow SD card takes seconds."""
_REMEDIES: Final = {
    -signal.SIGILL: "this processor lacks an instruction that it was built for: install an older "
    "version of it; for the interpreter, tflite-runtime (Python 3.11)",
    -signal.SIGKILL: "memory ran out: close programs, then run it again",
}
_REINSTALL: Final = "it is damaged, or does not fit this system: pip install --force-reinstall it"
_START: Final = "\x1e"
"""Before each line of JSON (RFC 7464): what Python prints at its start is none."""
_LONGEST_LINE: Final = 200
"""Characters of an error that are shown."""


def run_in_child(model: str | Path, names: Sequence[str] = tuple(CHECKS)) -> list[Check]:
    """Return the named checks in order; one that ends its process is a check that failed."""
    found, pending = [], list(names)
    while pending:
        finished, last_import, end = _run(str(model), pending)
        found += [check for checks in finished for check in checks]
        pending = pending[len(finished) :]
        if pending:
            text, remedy = end
            found.append(Check(pending.pop(0), CheckStatus.FAIL, f"{last_import}{text}", remedy))
    return found


def _run(model: str, names: Sequence[str]) -> tuple[list[list[Check]], str, tuple[str, str]]:
    """Return the checks that were finished, the import that was not, and how it ended."""
    command = [sys.executable, "-P", "-m", __name__, model, *names]
    try:
        done = subprocess.run(  # noqa: S603 -- our own module
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT_S
        )
        output, end = done.stdout, _describe_end(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as err:
        output, end = err.stdout or b"", (f"no end after {TIMEOUT_S:g} s", _REINSTALL)
    except OSError as err:
        return [], "", (f"cannot start {sys.executable}: {err.strerror}", _REINSTALL)
    finished, last_import = [], ""
    for line in output.split(_START.encode())[1:]:
        if not line.endswith(b"\n"):
            break
        message = json.loads(line)
        if isinstance(message, str):
            last_import = f"import of {message}: "
        else:
            checks = [Check(**{**one, "status": CheckStatus(one["status"])}) for one in message]
            finished.append(checks)
            last_import = ""
    return finished, last_import, end


def try_interpreter(runtime: str | None) -> None:
    """Import the interpreter `runtime`, None for the first, in a child: it may end its process.

    Raises
    ------
    InterpreterError
        It ended by a signal, or did not end. Other faults are for whoever opens it then.
    """
    code = "from bonefx_edge.model.interpreter import import_runtime as run; run(*%r)"
    command = [sys.executable, "-P", "-c", code % ((runtime,),)]
    try:
        done = subprocess.run(  # noqa: S603 -- our own module
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as err:
        msg = f"Cannot import the interpreter: no end after {TIMEOUT_S:g} s. Cure: {_REINSTALL}."
        raise InterpreterError(msg) from err
    if done.returncode < 0:
        text, remedy = _describe_end(done.returncode, b"")
        msg = f"Cannot import the interpreter: {text}. Cure: {remedy}."
        raise InterpreterError(msg)


def _describe_end(code: int, stderr: bytes) -> tuple[str, str]:
    """Return how a child ended, and the remedy."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines() if code >= 0 else []
    error = f": {printable(lines[-1])[:_LONGEST_LINE]}" if lines else ""
    return f"the process ended with {exit_cause(code)}{error}", _REMEDIES.get(code, _REINSTALL)


def main() -> None:
    """Run the checks that the command line names, a line of JSON for each."""
    model, *names = sys.argv[1:]
    results = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not be read as a result

    def note(module: str) -> None:
        results.write(f"{_START}{json.dumps(module)}\n")
        results.flush()

    for name in names:
        checks = CHECKS[name](model, note)
        found = json.dumps([dataclasses.asdict(check) for check in checks])
        results.write(f"{_START}{found}\n")
        results.flush()


if __name__ == "__main__":
    main()
