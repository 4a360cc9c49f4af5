"""Folders whose names are on disk, and not in memory alone, when we go on."""

import errno
import os
from pathlib import Path


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
