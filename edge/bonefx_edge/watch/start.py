"""Put the watching service together from the command line's words, run it, and take it down."""

import errno
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bonefx_edge import __version__
from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.text import printable, tell_error
from bonefx_edge.watch.crew import Worker
from bonefx_edge.watch.films import JOURNAL_FOLDER
from bonefx_edge.watch.intake import Intake
from bonefx_edge.watch.jobs import Options
from bonefx_edge.watch.journal import Journal
from bonefx_edge.watch.mounts import is_silent
from bonefx_edge.watch.notify import Notifier
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import Service, Settings

logger = logging.getLogger(__name__)

STOP_PATIENCE_S: Final = 20.0
"""For the films in hand at SIGTERM; what is not done by then is handed back."""
_PASSING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Of a disk as it is just now: nothing is wrong with the command line, so try again."""
_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Of syslog, sd-daemon(3)."""


class Poll(StrEnum):
    """Whether to walk the folder every second instead of listening to the kernel."""

    AUTO = "auto"
    """Where the folder lies on a file system that other machines write to."""
    ALWAYS = "always"
    NEVER = "never"

    def polls(self, folder: Path) -> bool:
        """Return whether a folder, as it is now, is to be walked every second."""
        return self is Poll.ALWAYS or (self is Poll.AUTO and is_silent(folder))


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What `edge-classify --watch` was asked for."""

    folder: Path
    out: Path | None
    """None: beside the folder, NAME-results."""
    journal: Path | None
    """Folder of the journal; None: in `out`."""
    once: bool
    settle_s: float
    """Seconds, > 0."""
    poll: Poll
    workers: int
    """Processes that classify, >= 1."""
    min_free_mib: int
    """Of the disk of `out`, MiB, below which nothing is taken."""


def watch(options: WatchOptions, reading: Options) -> int:
    """Watch until SIGTERM or SIGINT, with `once` until all is dealt with.

    Returns
    -------
    The number of films that were refused or could not be tried.

    Raises
    ------
    UsageError
        The folders cannot be used as asked.
    JournalError
        The journal is in use, damaged or newer, or the disk takes nothing at the start.
    InterpreterError
        The model cannot be used.
    """
    root, out, journal_folder = _folders(options)
    sys.excepthook = tell_error
    stopped = _stop_on_signals()
    with ExitStack() as held:
        with _disk_in_words(out):
            journal = held.enter_context(Journal.open(journal_folder, owner=True))
            _keep_to_one_folder(journal, root)
            intake = Intake(
                os.fsencode(root),
                journal,
                settle_s=options.settle_s,
                clock=time.monotonic,
                wall=time.time,
                is_silent=lambda: options.poll.polls(root),
                skip=_inside(root, out, journal_folder),
            )
            service = Service(
                settings=Settings(out, options.min_free_mib << 20, options.once),
                journal=journal,
                intake=intake,
                results=ResultFolder(out),
                hire=lambda: Worker(reading, clock=time.monotonic),
                workers=options.workers,
                clock=time.monotonic,
                wall=time.time,
            )
        logger.info("bonefx %s, results in %s", __version__, out)
        notifier = Notifier.from_environment(os.environ)
        pulse = _Pulse(service, notifier)
        try:
            service.serve(lambda: bool(stopped), pulse=pulse)
        finally:
            notifier.stopping()
            service.close(patience_s=STOP_PATIENCE_S)
        return service.refused + service.failed


def configure_logging() -> None:
    """Log to standard error, with the priorities that the system's journal reads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    package = logging.getLogger("bonefx_edge")
    package.addHandler(handler)
    package.setLevel(logging.INFO)


class _Lines(logging.Formatter):
    """`<priority>message` for the system's journal, which adds the time; else time and level."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if "JOURNAL_STREAM" in os.environ:
            return f"<{_PRIORITIES[record.levelname]}>{message}"
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {record.levelname:<7} {message}"


class _Pulse:
    """Tells the service manager once that films are taken, and at every turn that we live."""

    def __init__(self, service: Service, notifier: Notifier) -> None:
        self._service, self._notifier, self._was_ready = service, notifier, False

    def __call__(self) -> None:
        if not self._was_ready and self._service.is_ready():
            self._was_ready = True
            self._notifier.ready("watching")
        self._notifier.watchdog()


def _stop_on_signals() -> list[int]:
    """Return a list that is empty until SIGTERM or SIGINT comes."""
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: came.append(number))
    return came


def _folders(options: WatchOptions) -> tuple[Path, Path, Path]:
    """Return watched folder, folder of results and folder of the journal, absolute."""
    root = options.folder.absolute()
    if options.folder.exists() and not options.folder.is_dir():
        msg = f"{options.folder}: expected a folder to watch, got a file; name a folder"
        raise UsageError(msg)
    if options.once and not root.is_dir():
        msg = f"{options.folder}: expected a folder to deal with once, got none; mount or name it"
        raise UsageError(msg)
    out = (options.out or root.with_name(f"{root.name}-results")).absolute()
    journal = (options.journal or out / JOURNAL_FOLDER).absolute()
    if out.resolve() == root.resolve():
        msg = (
            f"{out}: expected a folder of results beside the films, got theirs; give another --out"
        )
        raise UsageError(msg)
    if is_silent(journal):
        msg = (
            f"{journal}: expected a disk of this machine for the journal, got a network file "
            "system, where SQLite's locks do not hold; give --journal a local folder"
        )
        raise UsageError(msg)
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        if err.errno in _PASSING:
            raise JournalError(_of_disk(out, err)) from err
        msg = f"{out}: expected a folder for the results, got: {err.strerror}; give another --out"
        raise UsageError(msg) from err
    return root, out, journal


@contextmanager
def _disk_in_words(out: Path) -> Iterator[None]:
    """Turn what a disk refuses at the start into a JournalError; later the service waits for it."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as err:
        raise JournalError(_of_disk(out, err)) from err


def _of_disk(out: Path, err: OSError | sqlite3.OperationalError) -> str:
    why = err.strerror if isinstance(err, OSError) else err
    return f"{out}: expected to begin journal and results, got: {why}; check disk space and rights"


def _inside(root: Path, *folders: Path) -> frozenset[bytes]:
    """Return those of our own folders that lie in the watched one, below it."""
    return frozenset(
        os.fsencode(folder.relative_to(root)) for folder in folders if folder.is_relative_to(root)
    )


def _keep_to_one_folder(journal: Journal, root: Path) -> None:
    """Refuse a journal that was begun for another folder: its names would mean other films."""
    known, now = journal.fact("folder"), printable(str(root))  # SQLite takes UTF-8 only
    if known is None:
        journal.remember("folder", now)
    elif known != now:
        msg = (
            f"journal: expected the folder it was begun for, {known}, got {now}; give another --out"
        )
        raise UsageError(msg)
