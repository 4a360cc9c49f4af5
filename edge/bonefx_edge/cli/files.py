"""From the files and folders that a person names to the files to classify, in order."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class FoundFiles(NamedTuple):
    """The files to classify."""

    files: list[Path]
    """In order."""
    passed_over: int
    """Names below the folders that are never films; a folder counts once."""


def list_files(paths: Iterable[Path]) -> FoundFiles:
    """Return each file named, and every file under each folder named, sorted within a folder.

    Symbolic links to files count as files and links to folders are entered, each real folder once,
    so that a loop of links ends. Below a folder, hidden, unfinished and system files are passed
    over as `--watch` does, see `watch.intake.ignore`; a file that is named itself never is. A path
    that does not exist and a folder that cannot be listed are in the list too: the classifier
    refuses them with a reason.
    """
    files: list[Path] = []
    passed_over = 0
    for path in paths:
        for found in _walk(path):
            if found is None:
                passed_over += 1
            else:
                files.append(found)
    return FoundFiles(files, passed_over)


def _walk(top: Path) -> Iterator[Path | None]:
    """Yield the files, and None for each name that is passed over."""
    entered: set[tuple[int, int]] = set()
    waiting = [top]  # a stack of our own: folders may be nested deeper than Python's
    while waiting:
        path = waiting.pop()
        if not _is_folder(path):
            yield path
            continue
        try:
            status = path.stat()
            inside = sorted(path.iterdir())
        except OSError:
            yield path  # the classifier says why it cannot be read
            continue
        identity = (status.st_dev, status.st_ino)
        if identity not in entered:
            entered.add(identity)
            films = [each for each in inside if _may_hold_films(each)]
            yield from [None] * (len(inside) - len(films))
            waiting += reversed(films)


def _may_hold_films(path: Path) -> bool:
    # Here: a command that names one file needs no part of the service.
    from bonefx_edge.watch.intake.ignore import is_image_folder, is_image_name

    is_wanted = is_image_folder if _is_folder(path) else is_image_name
    return is_wanted(os.fsencode(path.name))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a parent that may not be searched: not ours to judge here
        return False
