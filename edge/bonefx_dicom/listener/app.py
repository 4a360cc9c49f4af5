"""Build the listener from the command line options, run it, and stop it."""

import logging
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bonefx_edge import __version__
from bonefx_edge.errors import OutputError, UsageError
from bonefx_edge.watch.files import error_name
from bonefx_edge.watch.logs import log_uncaught
from bonefx_edge.watch.monitoring.page_server import PageServer
from bonefx_edge.watch.monitoring.systemd import Notifier

from bonefx_dicom.implementation import silence
from bonefx_dicom.listener import pynetdicom_setup
from bonefx_dicom.listener.counts import Counts
from bonefx_dicom.listener.health import Health
from bonefx_dicom.listener.incoming import IncomingFiles
from bonefx_dicom.listener.node import Node
from bonefx_dicom.listener.options import ListenOptions
from bonefx_dicom.listener.store import Store
from bonefx_dicom.listener.tls import server_context

logger = logging.getLogger(__name__)

STEP_S: Final = 1.0
STOP_TIMEOUT_S: Final = 5.0
"""For the films that are being received at SIGTERM."""
_MIB: Final = 1024 * 1024
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def listen(options: ListenOptions) -> None:
    """Receive films until SIGTERM or SIGINT.

    Raises
    ------
    UsageError
        The folder or the TLS files cannot be used.
    PortError
        The DICOM port or the health port is taken.
    OutputError
        The folder cannot be written.
    """
    sys.excepthook = log_uncaught
    threading.excepthook = _log_thread_error
    woken = _wake_on_signals()
    silence()
    files, counts = _open_files(options), Counts()
    pynetdicom_setup.receive_to_disk(files)
    tls = None if options.tls is None else server_context(options.tls)
    store = Store(options.folder, files, own_title=options.ae_title, counts=counts)
    node = Node(options, store=store, tls=tls, counts=counts)
    notifier = Notifier.from_environment(os.environ)
    health = Health(node, options.folder, min_free_mib=options.min_free_mib, counts=counts)
    try:
        with _health_port(options.health_port, health):
            kind = "TLS" if tls else "no TLS"
            logger.info(
                "bonefx %s, %s listens on port %d (%s)",
                __version__, options.ae_title, node.port, kind,
            )  # fmt: skip
            notifier.ready(f"{options.ae_title} on port {node.port}")
            while not _wait(woken, STEP_S):
                _check_port(node)
                for _ in range(files.sweep()):
                    counts.add("incomplete")
                health.note_step()
                notifier.heartbeat()
                notifier.status(f"{counts.get('stored')} films stored")
    finally:
        notifier.stopping()
        _finish(files)
        node.close()
        files.sweep()


def _open_files(options: ListenOptions) -> IncomingFiles:
    folder = options.folder
    if not folder.is_dir():
        msg = f"expected a folder for the films, got {folder}; create it, or correct the path"
        raise UsageError(msg)

    def is_low() -> bool:
        return shutil.disk_usage(folder).free < options.min_free_mib * _MIB

    try:
        return IncomingFiles(folder, is_low=is_low)
    except BlockingIOError as err:
        msg = f"{folder}: another edge-dicom listen writes into it; give each its own folder"
        raise UsageError(msg) from err
    except OSError as err:
        msg = f"{folder}: cannot be written ({error_name(err)}); correct its permissions"
        raise OutputError(msg) from err


def _check_port(node: Node) -> None:
    """Raise if the thread of the port has failed: systemd restarts the service."""
    if not node.is_listening:
        msg = "expected the thread of the DICOM port to run, it has ended; see the log"
        raise RuntimeError(msg)


def _finish(files: IncomingFiles) -> None:
    """Wait for the films that are being received."""
    end = time.monotonic() + STOP_TIMEOUT_S
    while len(files) and time.monotonic() < end:
        time.sleep(0.05)


def _wake_on_signals() -> int:
    """Return a descriptor that can be read once SIGTERM or SIGINT was received."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writable)
    return readable


def _wait(descriptor: int, timeout_s: float) -> bool:
    """Return whether a descriptor can be read within a time."""
    return bool(select.select([descriptor], [], [], timeout_s)[0])


@contextmanager
def _health_port(port: int | None, health: Health) -> Iterator[None]:
    """Serve the health pages meanwhile, if a port is given."""
    if port is None:
        yield
        return
    pages = {"/livez": health.livez, "/readyz": health.readyz, "/metrics": health.metrics}
    server = PageServer(port, pages)
    try:
        yield
    finally:
        server.close()


def _log_thread_error(found: threading.ExceptHookArgs) -> None:
    """Log the end of one association; the others go on."""
    log_uncaught(found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback)
