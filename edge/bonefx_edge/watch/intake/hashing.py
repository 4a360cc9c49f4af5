"""The identity of a complete file: the sha256 of its content."""

import hashlib
import os
from collections.abc import Callable
from typing import Final

from bonefx_edge.decode.limits import DEFAULT_LIMITS
from bonefx_edge.watch.files import Signature, signature_of, stat_signature

CHUNK_BYTES: Final = 1 << 20
"""Bytes per read."""


def hash_file(
    path: bytes,
    expected: Signature,
    *,
    max_bytes: int = DEFAULT_LIMITS.max_bytes,
    on_chunk: Callable[[], None] = lambda: None,
) -> str | None:
    """Return the content's sha256, or None if the file changed meanwhile.

    Of a file above the cap the first `max_bytes` + 1 bytes are its identity: it is refused for its
    size whatever follows, and must not hold up the others. `on_chunk` is called after each chunk.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    # O_NOFOLLOW and O_NONBLOCK: the file may have been replaced by a link or a pipe. A link is not
    # followed, a pipe does not block; the signature differs.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        if signature_of(os.fstat(descriptor)) != expected:
            return None
        digest, left = hashlib.sha256(), max_bytes + 1
        while left > 0 and (chunk := os.read(descriptor, min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
            on_chunk()
        if signature_of(os.fstat(descriptor)) != expected:
            return None
        return digest.hexdigest()
    finally:
        os.close(descriptor)


def identify(path: bytes) -> str | None:
    """Return the identity of a file at once; None if it changed meanwhile or is no regular file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    signature = stat_signature(path)
    return None if signature is None else hash_file(path, signature)
