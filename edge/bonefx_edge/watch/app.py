"""Build the watching service from the command line options, run it, and stop it."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bonefx_edge import __version__
from bonefx_edge.errors import UsageError
from bonefx_edge.text import printable
from bonefx_edge.watch.background import BackgroundTasks, PeriodicTask, drain
from bonefx_edge.watch.config import Folders, WatchOptions, disk_in_words, find_folders
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.logs import tell_error
from bonefx_edge.watch.monitoring.health import status_line
from bonefx_edge.watch.monitoring.systemd import Notifier
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import Service, Settings
from bonefx_edge.watch.workers.canary import Canary
from bonefx_edge.watch.workers.pool import Crew
from bonefx_edge.watch.workers.process import Loading, Worker
from bonefx_edge.watch.workers.protocol import Options

if TYPE_CHECKING:
    from bonefx_edge.watch.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

STATUS_EVERY_S: Final = 10.0
"""Minimum between two status lines for the service manager."""
STOP_TIMEOUT_S: Final = 20.0
"""For the images in progress at SIGTERM; the others are released to the queue."""


def watch(options: WatchOptions, reading: Options) -> int:
    """Watch until SIGTERM or SIGINT; with `once`, until everything in the folder is processed.

    Returns
    -------
    The number of images that were refused or could not be processed.

    Raises
    ------
    UsageError
        The folders cannot be used as asked.
    JournalError
        The journal is in use, damaged or of a newer version, or the disk cannot be written.
    InterpreterError
        The model cannot be used.
    """
    folders = find_folders(options)
    relay = _outbox_relay(options)
    sys.excepthook = tell_error
    threading.excepthook = _end_with_thread
    stopped = _stop_on_signals()
    with ExitStack() as held:
        with disk_in_words(folders.out):
            journal = held.enter_context(Journal.open(folders.journal, owner=True))
            _keep_to_one_folder(journal, folders.root)
            tally = _tally() if options.health_port is not None else None
            tells = relay is not None
            service = _assemble(options, folders, reading, journal, tells=tells, tally=tally)
        tasks = [task for task in (relay, _archiver(folders)) if task]
        logger.info("bonefx %s, results in %s", __version__, folders.out)
        notifier = Notifier.from_environment(os.environ)
        pulse = _Pulse(service, notifier, clock=time.monotonic)
        with (
            _health_port(options.health_port, pulse, folders, tally),
            _background([] if options.once else tasks, folders.journal),
        ):
            try:
                service.serve(lambda: bool(stopped), pulse=pulse)
            finally:
                notifier.stopping()
                service.close(patience_s=STOP_TIMEOUT_S)
        if options.once:
            drain(tasks, journal=folders.journal, stop=lambda: bool(stopped))
        return service.refused + service.failed


def _assemble(
    options: WatchOptions,
    folders: Folders,
    reading: Options,
    journal: Journal,
    *,
    tells: bool,
    tally: "Metrics | None",
) -> Service:
    """Return the service; its workers are hired by its first turn."""
    clock, wall, loading = time.monotonic, time.time, Loading()
    intake = Intake(
        os.fsencode(folders.root),
        journal,
        settle_s=options.settle_s,
        clock=clock,
        wall=wall,
        is_silent=lambda: options.poll.polls(folders.root),
        skip=folders.inside(),
        repeats=options.repeats,
    )
    crew = Crew(
        options.workers,
        hire=lambda: Worker(reading, loading=loading, clock=clock),
        canary=Canary(journal, clock=clock),
        clock=clock,
    )
    return Service(
        settings=Settings(folders.out, options.min_free_mib << 20, options.once, tells=tells),
        journal=journal,
        intake=intake,
        results=ResultFolder(folders.out),
        crew=crew,
        clock=clock,
        wall=wall,
        tally=tally,
    )


class _Pulse:
    """Tells the service manager that films are taken, that we live, and how we stand."""

    def __init__(self, service: Service, notifier: Notifier, *, clock: Callable[[], float]) -> None:
        self._service, self._notifier, self._clock = service, notifier, clock
        self._was_ready, self._said, self._next_status = False, "", clock()
        self.vitals = service.vitals()
        """Of the last turn, for the thread of the health port."""

    def __call__(self) -> None:
        self.vitals = self._service.vitals()
        if not self._was_ready and self._service.is_ready():
            self._was_ready = True
            self._notifier.ready("watching")
        self._notifier.watchdog()
        status = status_line(self.vitals)
        if status != self._said and self._clock() >= self._next_status:
            self._notifier.status(status)
            self._said, self._next_status = status, self._clock() + STATUS_EVERY_S


@contextmanager
def _health_port(
    port: int | None, pulse: _Pulse, folders: Folders, tally: "Metrics | None"
) -> Iterator[None]:
    """Have the health port answer meanwhile, if one is asked for."""
    if port is None or tally is None:
        yield
        return
    from bonefx_edge.watch.monitoring.http_server import HealthPort

    answering = HealthPort(
        port,
        vitals=lambda: pulse.vitals,
        journal=folders.journal,
        out=folders.out,
        metrics=tally,
    )
    try:
        yield
    finally:
        answering.close()


def _tally() -> "Metrics":
    """Return what counts for the health port. Late: 14 MiB that nobody else needs."""
    from bonefx_edge.watch.monitoring.metrics import Metrics

    return Metrics()


def _end_with_thread(found: threading.ExceptHookArgs) -> None:
    """End at once, as at a kill, which does no harm: without the thread we would be half a service.

    The service manager starts us again.
    """
    tell_error(found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback)
    os._exit(1)


def _stop_on_signals() -> list[int]:
    """Return a list that is empty until SIGTERM or SIGINT comes."""
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: came.append(number))
    return came


@contextmanager
def _background(tasks: list[PeriodicTask], journal: Path) -> Iterator[None]:
    """Run tasks in the background meanwhile."""
    threads = BackgroundTasks(tasks, journal=journal)
    try:
        yield
    finally:
        threads.close()


def _outbox_relay(options: WatchOptions) -> PeriodicTask | None:
    """Return the task that delivers messages, None if there is no receiver."""
    if options.on_result is not None and options.webhook is not None:
        msg = "expected --on-result or --webhook, got both; choose one"
        raise UsageError(msg)
    if options.on_result is None and options.webhook is None:
        return None
    # Imported here: urllib takes 10 MiB.
    from bonefx_edge.watch.delivery import (
        FAILURE_PAUSE_S,
        OutboxRelay,
        command_sink,
        webhook_sink,
    )

    if options.webhook is not None:
        sink = webhook_sink(options.webhook)
    else:
        sink = command_sink(options.on_result or "")
    # With `--once`, one attempt for each message, without pauses.
    return OutboxRelay(sink, wall=time.time, pause_s=0.0 if options.once else FAILURE_PAUSE_S)


def _archiver(folders: Folders) -> PeriodicTask | None:
    """Return the task that moves originals, None if they stay."""
    if not folders.targets:
        return None
    from bonefx_edge.watch.archive.archiver import Archiver

    targets = {state: os.fsencode(folder) for state, folder in folders.targets.items()}
    return Archiver(os.fsencode(folders.root), targets, clock=time.monotonic, wall=time.time)


def _keep_to_one_folder(journal: Journal, root: Path) -> None:
    """Refuse a journal that belongs to another folder: its paths would mean other images."""
    known, now = journal.fact("folder"), printable(str(root))  # SQLite takes UTF-8 only
    if known is None:
        journal.remember("folder", now)
    elif known != now:
        msg = (
            f"journal: expected the folder that it was created for, {known}, got {now}; "
            "give another --out"
        )
        raise UsageError(msg)
