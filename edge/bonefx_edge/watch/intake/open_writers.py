"""Whether a file is being written, as far as the kernel of this machine knows."""

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from bonefx_edge.watch.intake.filesystem import needs_polling

MAX_WRITER_S: Final = 600.0
MAX_HOLE_S: Final = 30.0
TAIL_BYTES: Final = 4096
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def longest_wait_s(path: bytes, *, is_shared: bool = False) -> float:
    """Return for how many seconds a file that is being written must be unchanged; else 0.

    After that it is read as it is: a program that never closes its files must not keep an image
    from being classified. Zeros at the end count only where writers cannot be seen: whole films
    with a black border have them, too.

    Parameters
    ----------
    is_shared
        Whether other machines can write to the file.
    """
    writer = None if is_shared else find_writer(path)
    if writer:
        return MAX_WRITER_S
    is_partial = has_hole(path) or (writer is None and has_zero_tail(path))
    return MAX_HOLE_S if is_partial else 0.0


def has_zero_tail(path: bytes) -> bool:
    """Return whether a file ends with `TAIL_BYTES` of zeros: its length was set first, perhaps.

    A share, or a disk without holes, shows what was not written yet like that. Whole files end so
    if their last bytes are black pixels: BMP, TIFF and DICOM without compression.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:  # the caller, which reads the file, reports it
        return False
    try:
        start = os.fstat(descriptor).st_size - TAIL_BYTES
        return start >= 0 and not any(os.pread(descriptor, TAIL_BYTES, start))
    except OSError:  # a folder or a pipe; or an error of the disk, see above
        return False
    finally:
        os.close(descriptor)


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
    """Return whether a file is open for writing; False where that cannot be found out."""
    return find_writer(path) is True


def find_writer(path: bytes) -> bool | None:
    """Return whether a file is open for writing; None where that cannot be found out.

    The kernel gives a read lease on a file only while nobody has it open or mapped for writing
    (fcntl(2), F_SETLEASE). The lease is given back at once. It needs a file of the own user or
    CAP_LEASE, and a file system with leases; writers on other machines are not seen.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except BlockingIOError:  # a file server holds a lease of its own on the file
        return True
    except OSError:  # the caller, which reads or moves the file, reports it
        return None
    try:
        # A writer that comes now ends the lease. By default the signal of that, SIGIO, would end
        # this process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with suppress(OSError):  # a writer has just ended it
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return None if _is_shared(path) else True
    except OSError:  # not permitted, or the file system has no leases
        return None
    finally:
        os.close(descriptor)
    return False


def _is_shared(path: bytes) -> bool:
    """Return whether a file is on a share; there no lease is given either if the server gives none.

    NFS 4 refuses a lease with the error of an open writer if it has no delegation, SMB if it has no
    oplock (fs/nfs/nfs4proc.c, nfs4_add_lease; fs/smb/client/cifsfs.c, cifs_setlease).
    """
    try:
        return needs_polling(Path(os.fsdecode(path)))
    except OSError:  # the mount table cannot be read
        return True
