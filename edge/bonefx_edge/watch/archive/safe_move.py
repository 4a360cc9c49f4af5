"""Move a file out of the watched folder without data loss, also if killed at any moment."""

import contextlib
import errno
import hashlib
import os
import sys
from typing import Final

from bonefx_edge.decode.limits import DEFAULT_LIMITS
from bonefx_edge.watch.files import (
    Signature,
    make_folder,
    signature_of,
    stat_signature,
    sync_folder,
)
from bonefx_edge.watch.intake.hashing import CHUNK_BYTES, hash_file
from bonefx_edge.watch.intake.open_writers import has_writer

_HASH_DIGITS: Final = 16
"""64 bits: enough to tell files of the same name apart."""
_NAME_BYTES: Final = 255
"""NAME_MAX of linux/limits.h."""
_EXTENSION_BYTES: Final = 16
"""A longer suffix is part of the name; `.dicom` is a long extension."""
_CONTINUATION: Final = range(0x80, 0xC0)
"""Bytes of a UTF-8 character after its first."""


def move(source: bytes, folder: bytes, *, sha256: str, signature: Signature) -> bool:
    """Move a file to `<stem>.<16 digits of sha256><extension>` there; return whether it moved.

    It is not moved if it was removed or overwritten: the new content is another revision, and
    stays. Nor is it while it is open for writing, where `has_writer` can find that out. A call that
    is repeated after a kill has the same result as one without a kill.

    Parameters
    ----------
    source
        Absolute path of the file; links are not followed.
    folder
        Absolute path of another folder than that of the file; created if it is missing.
    sha256
        Identity of the file, see `hash_file`: above the size limit, of its first bytes only.
    signature
        Size and times of the file when it was classified.

    Raises
    ------
    OSError
        If a file system refuses (full, not permitted, gone), or the copy differs (EIO).
    """
    if stat_signature(source) != signature or has_writer(source):
        return False
    make_folder(folder)
    if os.path.samefile(folder, os.path.dirname(source)):
        # With a shortened name, the target could be the file itself and count as its copy.
        raise OSError(errno.EINVAL, "expected another folder than that of the file, got the same")
    target = os.path.join(folder, _name(os.path.basename(source), sha256[:_HASH_DIGITS]))
    if stat_signature(target) is not None:
        # Compared by content: the name does not prove it, above the size limit least of all.
        wanted = hash_file(source, signature, max_bytes=sys.maxsize)
        if wanted is None:
            return False
        if read_back(target) == wanted:
            return _remove(source, folder, signature)
        _set_aside(target, os.path.basename(source))
    try:
        os.rename(source, target)
    except OSError as err:
        if err.errno != errno.EXDEV:
            raise
        copied = copy(source, target, sha256=sha256, signature=signature)
        return copied and _remove(source, folder, signature)
    # In this order: after a power cut the file may have both names, never neither.
    sync_folder(folder)
    sync_folder(os.path.dirname(source))
    is_complete = _is_unchanged(target, signature) and not has_writer(target)
    return is_complete or _put_back(target, source)


def _name(name: bytes, digits: str) -> bytes:
    stem, extension = os.path.splitext(name)
    if len(extension) > _EXTENSION_BYTES:
        stem, extension = name, b""
    ending = b"." + digits.encode() + extension
    room = _NAME_BYTES - len(ending)
    if len(stem) > room:
        # Some file systems refuse an incomplete UTF-8 character (up to 4 bytes).
        room = next(
            (end for end in range(room, room - 4, -1) if stem[end] not in _CONTINUATION), room
        )
    return stem[:room] + ending


def _set_aside(target: bytes, name: bytes) -> None:
    """Rename a file whose content does not match its name, by the full hash of its content.

    It is not overwritten: it may be a file that was changed after it was moved, or one above the
    size limit with the same first bytes.
    """
    digest = read_back(target)
    if digest is None:
        raise OSError(errno.EBUSY, "the file at the target is being written")
    aside = os.path.join(os.path.dirname(target), _name(name, digest))
    if not os.path.lexists(aside):
        os.rename(target, aside)
    elif read_back(aside) != digest:
        raise OSError(errno.EEXIST, "another file has the name to rename the target to")


def _remove(source: bytes, folder: bytes, signature: Signature) -> bool:
    """Remove a file that has a copy in `folder`; return False if it has changed.

    What is written between the check and the unlink is lost: no system call removes a file on a
    condition. Nothing else is done in between.
    """
    sync_folder(folder)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # Opened, not only `stat`: network file systems answer `stat` from a cache, seconds old.
        descriptor = os.open(source, flags)
    except FileNotFoundError:
        return False
    try:
        if signature_of(os.fstat(descriptor)) != signature or has_writer(source):
            return False
        os.unlink(source)
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(source))
    return True


def _is_unchanged(target: bytes, signature: Signature) -> bool:
    """Return whether size and mtime are the same; the rename has changed the ctime."""
    now = stat_signature(target)
    return now is not None and now[:2] == signature[:2]


def _put_back(target: bytes, source: bytes) -> bool:
    """Move a changed file back, unless there is a new one: then both stay. Return False.

    The name of the moved file then does not match its content, which `_set_aside` corrects later.
    """
    try:
        os.link(target, source, follow_symlinks=False)  # unlike `rename`, it never overwrites
    except FileExistsError:
        return False
    except OSError:  # no hard links on FAT and some shares
        if os.path.lexists(source):
            return False
        os.rename(target, source)
    else:
        sync_folder(os.path.dirname(source))
        os.unlink(target)
    sync_folder(os.path.dirname(source))
    sync_folder(os.path.dirname(target))
    return False


_PARTIAL: Final = b".partial-"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # see hash_file
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: bytes, target: bytes, *, sha256: str, signature: Signature) -> bool:
    """Copy a file to `target`; return False if the file has changed.

    The copy has its times and permissions, and is `.partial-<sha256>` until it was read back and
    compared. The new name is not on disk when this returns, see `sync_folder`.

    Parameters
    ----------
    sha256
        Identity of the file, see `hash_file`: above the size limit, of its first bytes only.

    Raises
    ------
    OSError
        If a file system refuses (full, not permitted, gone), or the copy differs (EIO).
    """
    partial = os.path.join(os.path.dirname(target), _PARTIAL + sha256.encode())
    _remove_if_present(partial)  # left by a kill, with unknown permissions
    try:
        written = _write(source, partial)
        read = read_back(partial)
        if stat_signature(source) != signature:
            return False
        capped = signature.size > DEFAULT_LIMITS.max_bytes
        if read != written or (written != sha256 and not capped):
            msg = "the copy differs from the original; check the disk"
            raise OSError(errno.EIO, msg)
        os.rename(partial, target)
    finally:
        _remove_if_present(partial)
    return True


def read_back(path: bytes) -> str | None:
    """Return the sha256 of a whole file, read from disk; None if it changed meanwhile.

    Raises
    ------
    OSError
        If the file cannot be written to disk or read from it.
    """
    descriptor = os.open(path, _READ)
    try:
        os.fsync(descriptor)
        # Otherwise the page cache would be read, not the disk.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        signature = signature_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return hash_file(path, signature, max_bytes=sys.maxsize)


def _remove_if_present(partial: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)


def _write(source: bytes, partial: bytes) -> str:
    """Copy a file; return the sha256 of what was copied."""
    digest = hashlib.sha256()
    reader = os.open(source, _READ)
    try:
        with open(os.open(partial, _WRITE, 0o600), "wb") as writer:
            while piece := os.read(reader, CHUNK_BYTES):
                digest.update(piece)
                writer.write(piece)
            writer.flush()
            status = os.fstat(reader)
            with contextlib.suppress(PermissionError):  # FAT has no such permissions
                os.utime(writer.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
                os.fchmod(writer.fileno(), status.st_mode & 0o777)
    finally:
        os.close(reader)
    return digest.hexdigest()
