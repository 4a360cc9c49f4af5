"""Whether a file is being written, as far as the kernel of this machine knows."""

import fcntl
import os
import signal
from contextlib import suppress
from typing import Final

MAX_WRITER_S: Final = 600.0
MAX_HOLE_S: Final = 30.0
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def longest_wait_s(path: bytes) -> float:
    """Return for how many seconds a file that is being written must be unchanged; else 0.

    After that it is read as it is: a program that never closes its files must not keep an image
    from being classified.
    """
    if has_writer(path):
        return MAX_WRITER_S
    return MAX_HOLE_S if has_hole(path) else 0.0


def has_hole(path: bytes) -> bool:
    """Return whether a part of a file was never written: its length was set first (lseek(2)).

    False on file systems without holes. A program that copies zeros as holes (`rsync --sparse`)
    leaves them in complete files, too.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:  # the caller, which reads the file, reports it
        return False
    try:
        size = os.fstat(descriptor).st_size
        return os.lseek(descriptor, 0, os.SEEK_HOLE) < size
    except OSError:  # an empty file, a folder or a pipe
        return False
    finally:
        os.close(descriptor)


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
