"""After a walk of the whole folder: which files were removed without an event."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.intake.listed_names import ListedNames
from bonefx_edge.watch.journal.file_index import FileIndex

_PAGE: Final = 200
"""Files per transaction."""


def mark_missing(root: bytes, files: FileIndex, *, on_answer: Callable[[], None]) -> None:
    """Record the files that were removed, and the unreadable folders that can be listed again.

    `on_answer` is called before each file is checked.
    """
    last, names = b"", ListedNames(root)
    while page := files.present_files(after=last, limit=_PAGE):
        missing = []
        for path in page:
            on_answer()
            if _is_missing(root, path, names):
                missing.append(path)
        if missing:
            files.mark_missing(missing)
        last = page[-1]


def _is_missing(root: bytes, path: bytes, names: ListedNames) -> bool:
    full = os.path.join(root, path)
    try:
        if stat_signature(full) is not None:
            return path not in names
        if not os.path.islink(full):
            with suppress(FileNotFoundError, NotADirectoryError):
                os.scandir(full).close()  # a folder is in the journal only as unreadable
    except OSError:  # the walk logs it
        return False
    return True
