"""Copying a film to another file system: whole, on disk and compared, or not there at all."""

import contextlib
import errno
import hashlib
import os
import sys
from typing import Final

from bonefx_edge.limits import DEFAULT_LIMITS
from bonefx_edge.watch.identity import PIECE_BYTES, hash_at_once
from bonefx_edge.watch.signature import Signature, look_at, signature_of

_PARTIAL: Final = b".partial-"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # see hash_pieces
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: bytes, target: bytes, *, sha256: str, signature: Signature) -> bool:
    """Put a copy of a film in place of `target`; return False if the film is not as it was.

    It has the film's time and rights, and is `.partial-<sha256>` until it was read back and found
    the same. The name is not on disk when this returns, see `sync_folder`.

    Parameters
    ----------
    sha256
        The film's identity, see `hash_pieces`: above the cap, that of its beginning alone.

    Raises
    ------
    OSError
        If a file system refuses (full, forbidden, gone), or the copy differs from the film (EIO).
    """
    partial = os.path.join(os.path.dirname(target), _PARTIAL + sha256.encode())
    _forget(partial)  # of a kill: whose rights are on it is not known
    try:
        written = _write(source, partial)
        read = read_back(partial)
        if look_at(source) != signature:
            return False
        capped = signature.size > DEFAULT_LIMITS.max_bytes
        if read != written or (written != sha256 and not capped):
            msg = "expected a copy of the film's content, read another one; is a disk failing?"
            raise OSError(errno.EIO, msg)
        os.rename(partial, target)
    finally:
        _forget(partial)
    return True


def read_back(path: bytes) -> str | None:
    """Return the sha256 of a whole file, as the disk has it; None if it changed meanwhile.

    Raises
    ------
    OSError
        If the file cannot be brought to disk or read from it.
    """
    descriptor = os.open(path, _READ)
    try:
        os.fsync(descriptor)
        # Else memory would answer, which has what was written whatever the disk made of it.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        signature = signature_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return hash_at_once(path, signature, max_bytes=sys.maxsize)


def _forget(partial: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)


def _write(source: bytes, partial: bytes) -> str:
    """Return the sha256 of all that was copied."""
    digest = hashlib.sha256()
    reader = os.open(source, _READ)
    try:
        with open(os.open(partial, _WRITE, 0o600), "wb") as writer:
            while piece := os.read(reader, PIECE_BYTES):
                digest.update(piece)
                writer.write(piece)
            writer.flush()
            status = os.fstat(reader)
            with contextlib.suppress(PermissionError):  # FAT has no such rights; content counts
                os.utime(writer.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
                os.fchmod(writer.fileno(), status.st_mode & 0o777)
    finally:
        os.close(reader)
    return digest.hexdigest()
