"""Whether a process of this machine has a file open for writing."""

import fcntl
import os
import signal
from contextlib import suppress
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def has_writer(path: bytes) -> bool:
    """Return whether a file is open for writing; False where that cannot be found out.

    The kernel gives a read lease on a file only while nobody has it open or mapped for writing
    (fcntl(2), F_SETLEASE). The lease is given back at once. It needs a file of the own user or
    CAP_LEASE, and a file system with leases; writers on other machines are not seen.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except BlockingIOError:  # a file server holds a lease of its own on the file
        return True
    except OSError:  # the caller, which reads or moves the file, reports it
        return False
    try:
        # A writer that comes now ends the lease. By default the signal of that, SIGIO, would end
        # this process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with suppress(OSError):  # a writer has just ended it
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # not permitted, or the file system has no leases
        return False
    finally:
        os.close(descriptor)
    return False
