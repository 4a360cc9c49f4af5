"""Moving a decided film out of the watched folder: no byte is lost, whenever we are killed."""

import contextlib
import errno
import hashlib
import os
import sys
from typing import Final

from bonefx_edge.decode.limits import DEFAULT_LIMITS
from bonefx_edge.watch.files import Signature, look_at, make_folder, signature_of, sync_folder
from bonefx_edge.watch.intake.hashing import PIECE_BYTES, hash_file

_HASH_DIGITS: Final = 16
"""64 bits: two films of one name do not meet in them by chance."""
_NAME_BYTES: Final = 255
"""NAME_MAX of linux/limits.h."""
_EXTENSION_BYTES: Final = 16
"""A longer one is none, but a name with a dot in it; `.dicom` is long for one."""
_LATER: Final = range(0x80, 0xC0)
"""Bytes of a character of UTF-8 after its first."""


def move(source: bytes, folder: bytes, *, sha256: str, signature: Signature) -> bool:
    """Move a film to `<stem>.<16 digits of sha256><extension>` there; return whether it went.

    It did not where the film is gone, or was rewritten before or meanwhile: what lies there then
    is a new revision, and stays. Repeated after a kill, it ends as if there had been none.

    Parameters
    ----------
    source
        Absolute path of the film; a link is not followed.
    folder
        Absolute path of another folder than the film's own; made if it is not there.
    sha256
        The film's identity, see `hash_file`: above the cap, that of its beginning alone.
    signature
        What the film looked like when it was read.

    Raises
    ------
    OSError
        If a file system refuses (full, forbidden, gone), or the copy differs from the film (EIO).
    """
    if look_at(source) != signature:
        return False
    make_folder(folder)
    if os.path.samefile(folder, os.path.dirname(source)):
        # A name that had to be cut may become the film's own, which then counts as its copy.
        raise OSError(errno.EINVAL, "expected another folder than that of the film, got the same")
    target = os.path.join(folder, _name(os.path.basename(source), sha256[:_HASH_DIGITS]))
    if look_at(target) is not None:
        # Its name is not believed: disks decay, and above the cap it tells the beginning only.
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
    # In this order: after a power cut the film may have both names, never neither.
    sync_folder(folder)
    sync_folder(os.path.dirname(source))
    return _is_as_it_was(target, signature) or _give_back(target, source)


def _name(name: bytes, digits: str) -> bytes:
    stem, extension = os.path.splitext(name)
    if len(extension) > _EXTENSION_BYTES:
        stem, extension = name, b""
    ending = b"." + digits.encode() + extension
    room = _NAME_BYTES - len(ending)
    if len(stem) > room:
        # Some shares refuse half a character of UTF-8, which has 3 bytes after its first at most.
        room = next((end for end in range(room, room - 4, -1) if stem[end] not in _LATER), room)
    return stem[:room] + ending


def _set_aside(target: bytes, name: bytes) -> None:
    """Give a file that holds another content than its name says all digits of its own.

    Not written over: it may be a film that was written on after it was moved, or the beginning
    of which is the same, above the cap.
    """
    digest = read_back(target)
    if digest is None:
        raise OSError(errno.EBUSY, "expected a film at rest at the place to move to")
    aside = os.path.join(os.path.dirname(target), _name(name, digest))
    if not os.path.lexists(aside):
        os.rename(target, aside)
    elif read_back(aside) != digest:
        raise OSError(errno.EEXIST, "expected no film or the same at the place to set aside to")


def _remove(source: bytes, folder: bytes, signature: Signature) -> bool:
    """Remove a film that lies in `folder` too; return False if it is not as it was.

    One moment remains in which what is written is lost: between the look and the unlink. No
    system removes a file on a condition, so nothing else is done in between.
    """
    sync_folder(folder)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # Opened, and not just looked at: a share answers looks from memory, seconds old.
        descriptor = os.open(source, flags)
    except FileNotFoundError:
        return False
    try:
        if signature_of(os.fstat(descriptor)) != signature:
            return False
        os.unlink(source)
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(source))
    return True


def _is_as_it_was(target: bytes, signature: Signature) -> bool:
    """Return whether nobody wrote on it, up to the ctime, which renaming has changed."""
    now = look_at(target)
    return now is not None and now[:2] == signature[:2]


def _give_back(target: bytes, source: bytes) -> bool:
    """Put back a film that was written on, unless a new one lies there: then both stay.

    Its name in the folder is wrong then, which costs no byte, and `_set_aside` puts it right; to
    replace the new one would cost all of its own. Returns False, what `move` then answers.
    """
    try:
        os.link(target, source, follow_symlinks=False)  # unlike rename, it never replaces
    except FileExistsError:
        return False
    except OSError:  # FAT and some shares have no second names
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
    """Put a copy of a film in place of `target`; return False if the film is not as it was.

    It has the film's time and rights, and is `.partial-<sha256>` until it was read back and found
    the same. The name is not on disk when this returns, see `sync_folder`.

    Parameters
    ----------
    sha256
        The film's identity, see `hash_file`: above the cap, that of its beginning alone.

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
    return hash_file(path, signature, max_bytes=sys.maxsize)


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
