"""A commissioning in a process of its own: started, followed, canceled, and its profile taken."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.files import sync_folder, write_file

_PROGRAM: Final = (sys.executable, "-c", "from bonefx_edge.cli.admin import main; main()")
_PROFILE, _REPORT, _PAGE = "site-profile.json", "report.json", "report.html"
"""Files that `edge-admin commission` writes."""
_FILMS: Final = "films.csv"
_SAID: Final = "said.txt"
_PROGRESS: Final = re.compile(r"(\d+)/(\d+)")
_MAX_LINES: Final = 8
_NICENESS: Final = "19"
"""Results come first."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a commissioning is, or how it ended."""

    is_running: bool = False
    done: int = 0
    """Films that were classified, of `total`; both 0 until the first one."""
    total: int = 0
    report: dict[str, Any] | None = None
    """Of docs/commissioning.md; None until it is finished."""
    profile: str = ""
    """sha256 of the site profile that belongs to `report`."""
    failure: str = ""
    """What the process said, if it ended without a report."""


class Commissioning:
    """At most one at a time. Its folder is kept until the next one.

    The process holds a lock with its number as long as it lives, so that a page that was killed
    and started again knows it.
    """

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        """Store the folder for its files, and the options of `edge-admin commission` for all."""
        self._folder, self._options = folder, options
        self._lock_path = folder.with_suffix(".lock")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, source: Path | str, *, by: str, specificity: float, rule: str) -> None:
        """Start a commissioning.

        Parameters
        ----------
        source
            A folder or a CSV as `edge-admin commission` takes it, or the text of a CSV.
        by
            Who commissions.
        specificity
            Wanted share, [0.5, 0.99].
        rule
            expected or guaranteed.

        Raises
        ------
        UsageError
            There is one already; OSError if the disk cannot be written.
        """
        with self._lock, self._held() as held:
            if held is None:
                msg = "a commissioning runs already; wait for it, or cancel it"
                raise UsageError(msg)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, mode=0o700)
            if isinstance(source, str):
                (self._folder / _FILMS).write_text(source, "utf-8")
                source = self._folder / _FILMS
            words = ["--by", by, "--out", str(self._folder), "--rule", rule, "--progress"]
            words += ["--specificity", str(specificity), *self._options, "--", str(source)]
            os.ftruncate(held, 0)  # the number in it is of one that has ended
            with (self._folder / _SAID).open("wb") as said:
                self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                    ["nice", "-n", _NICENESS, *_PROGRAM, "commission", *words],  # noqa: S607
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                    pass_fds=(held,),
                )
            os.pwrite(held, str(self._process.pid).encode(), 0)

    def progress(self) -> Progress:
        """Return where it is; the last one that ended also after a restart of the page."""
        with self._lock:
            is_running = self._runs()
            try:
                lines = (self._folder / _SAID).read_text("utf-8", "replace").splitlines()
            except FileNotFoundError:
                return Progress()
            counts = [found for line in lines if (found := _PROGRESS.fullmatch(line))]
            done, total = map(int, counts[-1].groups()) if counts else (0, 0)
            if is_running:
                return Progress(is_running=True, done=done, total=total)
            if (self._folder / _PROFILE).is_file():
                report = json.loads((self._folder / _REPORT).read_text("utf-8"))
                profile = _sha256((self._folder / _PROFILE).read_bytes())
                return Progress(done=done, total=total, report=report, profile=profile)
            others = [line for line in lines if not _PROGRESS.fullmatch(line)]
            text = "\n".join(others[-_MAX_LINES:]) or "it ended without a report"
            return Progress(done=done, total=total, failure=text)

    def page(self) -> bytes | None:
        """Return the page of the report that is finished; None if there is none."""
        if self.progress().report is None:
            return None
        return (self._folder / _PAGE).read_bytes()

    def cancel(self) -> None:
        """End it with all that it started, and remove its files; one that is finished stays."""
        with self._lock:
            if self._runs():
                self._kill()
                shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """End it with all that it started: the page ends."""
        with self._lock:
            self._kill()

    def use(self, path: Path, profile: str) -> None:
        """Write the profile of the report that is finished to `path`; it is on disk then.

        Parameters
        ----------
        path
            Where the service reads it.
        profile
            sha256 of the one that a person has read about: there may be a new one since.

        Raises
        ------
        UsageError
            That one is not there any more; OSError if it cannot be written.
        """
        with self._lock:
            found = self._folder / _PROFILE
            data = found.read_bytes() if found.is_file() and not self._runs() else b""
            if not data or _sha256(data) != profile:
                msg = "there was another commissioning since; read its report, then save again"
                raise UsageError(msg)
            write_file(path, data)
            sync_folder(path.parent)

    @contextmanager
    def _held(self) -> Iterator[int | None]:
        """Yield a descriptor that holds the lock; None if a process holds it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._lock_path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
        finally:
            os.close(descriptor)

    def _runs(self) -> bool:
        if self._process is not None:
            self._process.poll()
        with self._held() as held:
            return held is None

    def _kill(self) -> None:
        if not self._runs():
            return
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(int(self._lock_path.read_text("ascii")), signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        with self._lock_path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # returns when the process has ended


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
