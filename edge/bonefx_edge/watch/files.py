"""File signatures, error names, and folders that survive a power cut."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

_GROUP_READS_FOLDER: Final = stat.S_IRGRP | stat.S_IXGRP


class Signature(NamedTuple):
    """Size and times: cheap to read, and changed by every write. Equal means unchanged.

    Without inode number: user-space file systems (sshfs and others) change it at every mount.
    """

    size: int
    """Bytes."""
    mtime_ns: int
    """Last change of the content, nanoseconds since 1970; a copy may keep that of the original."""
    ctime_ns: int
    """Last change of content, name or permissions, nanoseconds since 1970; cannot be set."""


def signature_of(status: os.stat_result) -> Signature:
    """Return the signature of the result of `stat`."""
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def stat_signature(path: bytes) -> Signature | None:
    """Return the signature of a regular file; None if there is none, or if it is a link.

    Raises
    ------
    OSError
        Permission denied, share not available, disk error.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return signature_of(status) if stat.S_ISREG(status.st_mode) else None


def error_name(err: OSError) -> str:
    """Return the symbol of an error, such as EACCES: its message contains the file name."""
    return errno.errorcode.get(err.errno or 0, "EUNKNOWN")


def sync_folder(folder: Path | bytes) -> None:
    """Write new names in a folder to disk: fsync of a file does not (fsync(2), Notes)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def sync_descriptor(folder: int) -> None:
    """Write new names in an open folder to disk."""
    try:
        os.fsync(folder)
    except OSError as err:
        # Not supported by some shares, such as CIFS before Linux 4.17.
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def group_may_read(folder: int) -> bool:
    """Return whether the group of an open folder may list and enter it."""
    return os.fstat(folder).st_mode & _GROUP_READS_FOLDER == _GROUP_READS_FOLDER


def share_folder(folder: int, group: int | None) -> None:
    """Let a group list and enter an open folder, if it may not yet; None: leave it as it is.

    Raises
    ------
    OSError
        EPERM: the process is no member of the group, or the file system has no permissions.
    """
    _share(folder, group, _GROUP_READS_FOLDER)


@contextmanager
def open_subfolder(folder: int, name: str, group: int | None) -> Iterator[int]:
    """Yield a descriptor of a folder in an open folder, created if it is missing.

    It is for the group that may read the open folder, and for `group`, see `share_folder`.
    """
    with suppress(FileExistsError):
        os.mkdir(name, 0o750 if group_may_read(folder) else 0o700, dir_fd=folder)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        share_folder(descriptor, group)
        yield descriptor
    finally:
        os.close(descriptor)


def share_file(descriptor: int, group: int | None) -> None:
    """Let a group read an open file, whatever the umask is; see `share_folder`."""
    _share(descriptor, group, stat.S_IRGRP)


def _share(descriptor: int, group: int | None, bits: int) -> None:
    if group is None:
        return
    status = os.fstat(descriptor)
    if status.st_gid != group:
        os.fchown(descriptor, -1, group)
    if status.st_mode & bits != bits:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | bits)


def write_file(path: Path, data: bytes) -> None:
    """Write a file with its content on disk, all or nothing; what was there is replaced.

    The name itself may be lost by a power cut; see `sync_folder`.

    Raises
    ------
    OSError
        If the file system refuses; nothing is left then.
    """
    # Same folder, so that the rename cannot cross file systems; a short name, for a long one may
    # leave no room for a suffix; a random one, for two processes may write the same file.
    temporary = path.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: bytes) -> None:
    """Create a folder and its parents with mode 0700, if missing, and sync the new names.

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
