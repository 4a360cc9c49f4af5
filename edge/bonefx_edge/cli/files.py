"""From the files and folders that a person names to the files to classify, in order."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def list_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file named, and every file under each folder named, sorted within a folder.

    Symbolic links to files count as files and links to folders are entered, each real folder once,
    so that a loop of links ends. Names that start with a dot are left out below a folder, never
    when named themselves. A path that does not exist and a folder that
    cannot be listed are yielded too: the classifier refuses them in words.
    """
    for path in paths:
        yield from _walk(path)


def _walk(top: Path) -> Iterator[Path]:
    entered: set[tuple[int, int]] = set()
    waiting = [top]  # a stack of our own: folders may be nested deeper than Python's
    while waiting:
        path = waiting.pop()
        if not _is_folder(path):
            yield path
            continue
        try:
            status = path.stat()
            inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        except OSError:
            yield path  # the classifier says why it cannot be read
            continue
        identity = (status.st_dev, status.st_ino)
        if identity not in entered:
            entered.add(identity)
            waiting += reversed(inside)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a parent that may not be searched: not ours to judge here
        return False
