"""Walk the watched folder: finds every file, whether there was an event or not."""

import errno
import os
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from bonefx_edge.watch.files import Signature, error_name, signature_of
from bonefx_edge.watch.intake.ignore import is_image_folder, is_image_name


class Entry(NamedTuple):
    """A file that may be an image, or a path that cannot be read."""

    path: bytes
    """Below the watched folder."""
    signature: Signature | None
    """None if it cannot be read."""
    failure: str | None
    """Name of the error, such as EACCES; None for a file."""


def walk(
    root: bytes, start: bytes, *, enter: Callable[[bytes], None], skip: Set[bytes]
) -> Iterator[Entry]:
    """Yield every regular file in a folder and below; links, pipes and devices are ignored.

    Parameters
    ----------
    root
        The watched folder.
    start
        Folder to start at, below the root; b"" for the root.
    enter
        Called with each folder before it is listed: a watch added there misses nothing.
    skip
        Folders below the root that are not searched, such as that of the results.

    Raises
    ------
    OSError
        If the folder to start at cannot be listed.
    """
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            enter(folder)
            with os.scandir(os.path.join(root, folder)) as inside:
                for entry in inside:
                    path = os.path.join(folder, entry.name)
                    if not entry.is_dir(follow_symlinks=False):
                        yield from _stat(path, entry)
                    elif is_image_folder(entry.name) and path not in skip:
                        waiting.append(path)
        except OSError as err:
            if folder == start:
                raise
            if err.errno not in (errno.ENOENT, errno.ENOTDIR):  # removed since it was seen
                yield Entry(folder, None, error_name(err))


def _stat(path: bytes, entry: "os.DirEntry[bytes]") -> Iterator[Entry]:
    if not (is_image_name(entry.name) and entry.is_file(follow_symlinks=False)):
        return
    try:
        yield Entry(path, signature_of(entry.stat(follow_symlinks=False)), None)
    except FileNotFoundError:  # removed since it was listed
        return
    except OSError as err:
        yield Entry(path, None, error_name(err))
