"""Send the result of one message of the outbox to the archives.

The service runs this for each message (`--on-result`), keeps the order for each film, and repeats
what failed with growing pauses. Repeating does no harm: the same result has the same UIDs.
"""

import ctypes
import os
import select
import signal
import sys
from typing import Final

from bonefx_edge.watch.delivery import SERVICE_PID

from bonefx_dicom.sender.options import SendOptions
from bonefx_dicom.sender.progress import Progress
from bonefx_dicom.sender.result import ResultMessage

_PR_SET_PDEATHSIG: Final = 1
"""Linux: a signal when the process that started this one ends, see prctl(2)."""


def end_with_service() -> bool:
    """Let the system kill this process when the service is killed; False: it has ended already.

    A sender that is left over could send a content after the next service sent its successor.

    Raises
    ------
    OSError
        The system does not do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    service = os.environ.get(SERVICE_PID)  # none: a person runs the command
    return service is None or _runs(int(service))


def _runs(process: int) -> bool:
    """Return whether a process runs; one that has ended and is not waited for does not."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        return not select.select([descriptor], [], [], 0.0)[0]
    finally:
        os.close(descriptor)


def send(options: SendOptions, body: bytes) -> bool:
    """Send the result that a message is about; return False if it must be repeated.

    Raises
    ------
    UsageError
        The message is none.
    """
    message = ResultMessage.parse(body)
    progress = Progress(options.results, message)
    try:
        waiting = progress.waiting(options.destinations) if message.is_current else []
        if waiting:
            if all(progress.is_paused(each) for each in waiting):
                return False
            # Imported here: an archive that is down is asked again and again, by each message.
            from bonefx_dicom.sender.sending import Sending

            if not Sending(options, message, progress).run():
                return False
        progress.clear()
    except OSError as err:
        # Film or result: a share that is gone, a result that is being replaced; or a full disk.
        sys.stderr.write(f"film or result cannot be read, or progress noted: {err.strerror}\n")
        return False
    return True
