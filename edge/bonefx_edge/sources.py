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
        if _is_folder(path):
            yield from _walk(path, entered=set())
        else:
            yield path


def _walk(folder: Path, *, entered: set[tuple[int, int]]) -> Iterator[Path]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in entered:
        return
    entered.add(identity)
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        yield folder  # the classifier says why it cannot be read
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        if _is_folder(path):
            yield from _walk(path, entered=entered)
        else:
            yield path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a parent that may not be searched: not ours to judge here
        return False
