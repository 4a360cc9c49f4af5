"""What the file system says of a file: as long as it is the same, so is the content."""

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """Cheap to ask for, and changed by every write; the content's hash is the identity, not this.

    No inode number: file systems in user space (sshfs and others) make new ones at every mount.
    """

    size: int
    """Bytes."""
    mtime_ns: int
    """Last change of the content, nanoseconds since 1970; a copy may carry the original's."""
    ctime_ns: int
    """Last change of content, name or rights, nanoseconds since 1970; no program can set it."""


def signature_of(status: os.stat_result) -> Signature:
    """Return the signature in the result of a `stat`."""
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def look_at(path: bytes) -> Signature | None:
    """Return the signature of a regular file, None for anything else or where nothing is.

    Links are not followed: what they point to may be elsewhere, or come and go.

    Raises
    ------
    OSError
        If the file system would not say: no permission, share gone, disk fault.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return signature_of(status) if stat.S_ISREG(status.st_mode) else None


def error_name(err: OSError) -> str:
    """Return the system's name of an error, such as EACCES: it names no file, as its words do."""
    return errno.errorcode.get(err.errno or 0, "EUNKNOWN")


def sync_folder(folder: Path | bytes) -> None:
    """Bring new names in a folder to disk: fsync of a file does not (fsync(2), Notes)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as err:
        # Some shares cannot: CIFS before Linux 4.17 says so. Their server decides what is on disk.
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: bytes) -> None:
    """Make a folder of an absolute path and its parents, for our eyes only, unless it is there.

    Raises
    ------
    OSError
        If the file system refuses, or a file has that name.
    """
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder.rstrip(b"/"))
    make_folder(parent)
    os.mkdir(folder, 0o700)
    sync_folder(parent)
