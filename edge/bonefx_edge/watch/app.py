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
from bonefx_edge.watch.config import (
    Folders,
    WatchOptions,
    create_results_folder,
    disk_errors_as_journal_error,
    find_folders,
)
from bonefx_edge.watch.heartbeat import Heartbeat
from bonefx_edge.watch.intake.filesystem import needs_polling
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.intake.thread import IntakeThread
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal_wait import JournalWait
from bonefx_edge.watch.logs import log_uncaught
from bonefx_edge.watch.monitoring.health import ServiceSnapshot
from bonefx_edge.watch.monitoring.systemd import Notifier
from bonefx_edge.watch.pictures.start import open_pictures
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import Service, Settings
from bonefx_edge.watch.workers.canary import Canary
from bonefx_edge.watch.workers.pool import WorkerPool
from bonefx_edge.watch.workers.process import CrashLoopBackoff, WorkerProcess
from bonefx_edge.watch.workers.protocol import WorkerConfig

if TYPE_CHECKING:
    from bonefx_edge.watch.monitoring.metrics import Metrics
    from bonefx_edge.watch.pictures.writer import PictureWriter

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S: Final = 20.0
"""For the images in progress at SIGTERM; the others are released to the queue."""
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What a closed terminal and log rotation send. There is no log file to open again: the log goes to
standard error. Workers inherit this, so no image is refused because its worker was signaled."""


def watch(options: WatchOptions, worker_config: WorkerConfig) -> int:
    """Watch until SIGTERM or SIGINT; with `once`, until everything in the folder is processed.

    Returns
    -------
    0, or with `once` the number of images that were refused or have no result.

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
    sys.excepthook = log_uncaught
    threading.excepthook = _end_with_thread
    stopped = _stop_on_signals()
    metrics = _new_metrics() if options.health_port is not None else None
    notifier = Notifier.from_environment(os.environ)
    with ExitStack() as held:
        relay = _outbox_relay(options, held)
        with disk_errors_as_journal_error(folders.out):
            wait = JournalWait(folders.journal, folders.marked, notifier)
            if wait.is_needed(once=options.once):
                access = JournalAccess(folders.journal)
                with _health_port(options, wait.snapshot, access, folders, metrics):
                    if not wait.run(lambda: bool(stopped)):
                        return 0
            if wait.is_first_start:
                create_results_folder(folders.out)  # the journal may be inside
            journal = held.enter_context(
                Journal.open(folders.journal, owner=True, create=wait.is_first_start)
            )
            _keep_to_one_folder(journal, folders.root)
            service = _assemble(
                options,
                folders,
                worker_config,
                journal,
                has_receiver=relay is not None,
                metrics=metrics,
                pictures=held.enter_context(open_pictures(options, folders, journal, metrics)),
            )
        tasks = [task for task in (relay, _archiver(folders)) if task]
        logger.info("bonefx %s, results in %s", __version__, folders.out)
        heartbeat = Heartbeat(service, notifier, clock=time.monotonic)
        with (
            _health_port(options, lambda: heartbeat.snapshot, journal.access, folders, metrics),
            _background([] if options.once else tasks, journal),
        ):
            try:
                service.serve(lambda: bool(stopped), heartbeat=heartbeat)
            finally:
                notifier.stopping()
                service.close(timeout_s=STOP_TIMEOUT_S)
        if not options.once:
            return 0
        drain(tasks, journal=journal.access, stop=lambda: bool(stopped))
        with disk_errors_as_journal_error(folders.out):
            unfinished = journal.count_unfinished()
        return service.refused + unfinished + (not folders.root.is_dir())


def _assemble(
    options: WatchOptions,
    folders: Folders,
    worker_config: WorkerConfig,
    journal: Journal,
    *,
    has_receiver: bool,
    metrics: "Metrics | None",
    pictures: "PictureWriter | None",
) -> Service:
    """Return the service; its first step starts the workers."""
    clock, wall, backoff = time.monotonic, time.time, CrashLoopBackoff()
    skip = folders.inside()

    def make_intake(files: FileIndex) -> Intake:
        return Intake(
            os.fsencode(folders.root),
            files,
            rest=Rest(
                options.settle_s,
                is_shared=lambda: needs_polling(folders.root),
                waits_for_writers=not options.once,
            ),
            clock=clock,
            wall=wall,
            needs_polling=lambda: options.poll.applies_to(folders.root),
            skip=skip,
            reclassify=options.reclassify_duplicates,
        )

    pool = WorkerPool(
        options.workers,
        spawn=lambda: WorkerProcess(worker_config, backoff=backoff, clock=clock),
        canary=Canary(journal, clock=clock),
        clock=clock,
    )
    return Service(
        settings=Settings(
            folders.out,
            options.min_free_mib << 20,
            options.once,
            has_receiver=has_receiver,
            message_names=options.message_names,
        ),
        journal=journal,
        intake=IntakeThread(make_intake, journal=journal.access, clock=clock),
        results=ResultFolder(folders.results, group=folders.group, by_name=options.result_names),
        pool=pool,
        clock=clock,
        wall=wall,
        metrics=metrics,
        pictures=pictures,
        archives=list(folders.archives.values()),
    )


@contextmanager
def _health_port(
    options: WatchOptions,
    snapshot: Callable[[], ServiceSnapshot],
    journal: JournalAccess,
    folders: Folders,
    metrics: "Metrics | None",
) -> Iterator[None]:
    """Run the health server meanwhile, if a port is given."""
    if options.health_port is None or metrics is None:
        yield
        return
    from bonefx_edge.watch.monitoring.http_server import HealthServer

    server = HealthServer(
        options.health_port, snapshot=snapshot, journal=journal, out=folders.out, metrics=metrics
    )
    try:
        yield
    finally:
        server.close()


def _new_metrics() -> "Metrics":
    """Return the Prometheus metrics. Imported here: the library takes 14 MiB."""
    from bonefx_edge.watch.monitoring.metrics import Metrics

    return Metrics()


def _end_with_thread(found: threading.ExceptHookArgs) -> None:
    """Exit when a thread fails: the service cannot work without it, and systemd restarts it."""
    log_uncaught(found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback)
    os._exit(1)


def _stop_on_signals() -> list[int]:
    """Return a list that is empty until SIGTERM or SIGINT is received; others stop nothing."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: received.append(number))
    return received


@contextmanager
def _background(tasks: list[PeriodicTask], journal: Journal) -> Iterator[None]:
    """Run tasks in the background meanwhile."""
    threads = BackgroundTasks(tasks, journal=journal.access)
    try:
        yield
    finally:
        threads.close()


def _outbox_relay(options: WatchOptions, held: ExitStack) -> PeriodicTask | None:
    """Return the task that delivers messages, None if there is no receiver.

    What it holds, such as a command that runs, ends with `held`.
    """
    if options.on_result is not None and options.webhook is not None:
        msg = "expected --on-result or --webhook, got both; choose one"
        raise UsageError(msg)
    files = (options.webhook_token_file, options.webhook_secret_file, options.webhook_ca_file)
    if options.webhook is None and any(files):
        msg = "--webhook-token-file, --webhook-secret-file, --webhook-ca-file: need --webhook"
        raise UsageError(msg)
    if options.on_result is None and options.webhook is None:
        if options.message_names:
            msg = "--message-names: needs --on-result or --webhook"
            raise UsageError(msg)
        return None
    from bonefx_edge.watch.delivery.relay import FAILURE_PAUSE_S, OutboxRelay

    sink: Callable[[bytes], None]
    if options.webhook is not None:
        # Imported here: urllib takes 10 MiB.
        from bonefx_edge.watch.delivery.webhook import WebhookSink

        sink = WebhookSink(
            options.webhook,
            token_file=options.webhook_token_file,
            secret_file=options.webhook_secret_file,
            ca_file=options.webhook_ca_file,
        )
    else:
        from bonefx_edge.watch.delivery.command import CommandSink

        sink = held.enter_context(CommandSink(options.on_result or ""))
    # With `--once`, one attempt for each message, without pauses.
    pause_s = 0.0 if options.once else FAILURE_PAUSE_S
    return OutboxRelay(sink, clock=time.monotonic, wall=time.time, pause_s=pause_s)


def _archiver(folders: Folders) -> PeriodicTask | None:
    """Return the task that moves originals, None if they stay."""
    if not folders.archives:
        return None
    from bonefx_edge.watch.archive.archiver import Archiver

    return Archiver(
        os.fsencode(folders.root),
        folders.archives,
        journal=folders.journal,
        clock=time.monotonic,
        wall=time.time,
    )


def _keep_to_one_folder(journal: Journal, root: Path) -> None:
    """Refuse a journal that belongs to another folder: its paths would mean other images."""
    known, now = journal.get_meta("folder"), printable(str(root))  # SQLite takes UTF-8 only
    if known is None:
        journal.set_meta("folder", now)
    elif known != now:
        msg = (
            f"journal: expected the folder that it was created for, {known}, got {now}; "
            "give another --out"
        )
        raise UsageError(msg)
