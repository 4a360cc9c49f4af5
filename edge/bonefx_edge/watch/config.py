"""What `edge-classify --watch` was asked for, and the folders that it means."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.intake.filesystem import is_silent
from bonefx_edge.watch.journal.states import JOURNAL_FOLDER, FilmState

_PASSING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Of a disk as it is just now: nothing is wrong with the command line, so try again."""


class Poll(StrEnum):
    """Whether to walk the folder every second instead of listening to the kernel."""

    AUTO = "auto"
    """Where the folder lies on a file system that other machines write to."""
    ALWAYS = "always"
    NEVER = "never"

    def polls(self, folder: Path) -> bool:
        """Return whether a folder, as it is now, is to be walked every second."""
        return self is Poll.ALWAYS or (self is Poll.AUTO and is_silent(folder))


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What `edge-classify --watch` was asked for."""

    folder: Path
    out: Path | None
    """None: beside the folder, NAME-results."""
    journal: Path | None
    """Folder of the journal; None: in `out`."""
    once: bool
    settle_s: float
    """Seconds, > 0."""
    poll: Poll
    workers: int
    """Processes that classify, >= 1."""
    min_free_mib: int
    """Of the disk of `out`, MiB, below which nothing is taken."""
    health_port: int | None = None
    """On 127.0.0.1, 0 for any free one; None: no port."""
    on_result: str | None = None
    """Command that is told of each result."""
    webhook: str | None = None
    """Address that is told of each result, instead of a command."""
    move_done: Path | None = None
    """Folder that the originals of classified films go to; None: they stay."""
    move_refused: Path | None = None
    """The same for refused ones."""
    repeats: bool = False
    """Whether a content that comes again is classified again."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything is; absolute."""

    root: Path
    """The watched one; it may come later."""
    out: Path
    """Results."""
    journal: Path
    targets: dict[FilmState, Path]
    """Where the originals of films in this state go."""

    def inside(self) -> frozenset[bytes]:
        """Return those of our own folders that lie in the watched one, below it."""
        root = self.root.resolve()  # the same place may have been named through a link, or by `..`
        ours = [path.resolve() for path in (self.out, self.journal, *self.targets.values())]
        return frozenset(
            os.fsencode(path.relative_to(root)) for path in ours if path.is_relative_to(root)
        )


def find_folders(options: WatchOptions) -> Folders:
    """Return the folders that are meant; the one of results is made if it is not there.

    Raises
    ------
    UsageError
        They cannot be used as asked.
    JournalError
        The disk of the results takes nothing just now.
    """
    root = options.folder.absolute()
    if options.folder.exists() and not options.folder.is_dir():
        msg = f"{options.folder}: expected a folder to watch, got a file; name a folder"
        raise UsageError(msg)
    if options.once and not root.is_dir():
        msg = f"{options.folder}: expected a folder to deal with once, got none; mount or name it"
        raise UsageError(msg)
    out = (options.out or root.with_name(f"{root.name}-results")).absolute()
    journal = (options.journal or out / JOURNAL_FOLDER).absolute()
    if out.resolve() == root.resolve():
        msg = (
            f"{out}: expected a folder of results beside the films, got theirs; give another --out"
        )
        raise UsageError(msg)
    if is_silent(journal):
        msg = (
            f"{journal}: expected a disk of this machine for the journal, got a network file "
            "system, where SQLite's locks do not hold; give --journal a local folder"
        )
        raise UsageError(msg)
    targets = _targets(options, taken={root, out, journal})
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        if err.errno in _PASSING:
            raise JournalError(_of_disk(out, err)) from err
        msg = f"{out}: expected a folder for the results, got: {err.strerror}; give another --out"
        raise UsageError(msg) from err
    return Folders(root, out, journal, targets)


@contextmanager
def disk_in_words(out: Path) -> Iterator[None]:
    """Turn what a disk refuses at the start into a JournalError; later the service waits for it."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as err:
        raise JournalError(_of_disk(out, err)) from err


def _of_disk(out: Path, err: OSError | sqlite3.OperationalError) -> str:
    why = err.strerror if isinstance(err, OSError) else err
    return f"{out}: expected to begin journal and results, got: {why}; check disk space and rights"


def _targets(options: WatchOptions, *, taken: set[Path]) -> dict[FilmState, Path]:
    asked = {FilmState.DONE: options.move_done, FilmState.REFUSED: options.move_refused}
    targets = {state: folder.absolute() for state, folder in asked.items() if folder is not None}
    for folder in targets.values():
        if folder.resolve() in {path.resolve() for path in taken}:
            msg = f"{folder}: expected a folder of its own to move films to; give another"
            raise UsageError(msg)
    return targets
