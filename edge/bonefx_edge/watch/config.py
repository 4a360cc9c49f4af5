"""Options of `edge-classify --watch`, and the folders that they name."""

import grp
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.folder_claims import RESULTS
from bonefx_edge.watch.intake.filesystem import needs_polling
from bonefx_edge.watch.journal.connection import is_temporary
from bonefx_edge.watch.journal.states import JOURNAL_FOLDER, ImageState
from bonefx_edge.watch.marked_folder import MarkedFolder
from bonefx_edge.watch.results import make_result_folder


class Poll(StrEnum):
    """Whether to list the folder every second instead of waiting for inotify events."""

    AUTO = "auto"
    """On network file systems only: events do not report what other machines write."""
    ALWAYS = "always"
    NEVER = "never"

    def applies_to(self, folder: Path) -> bool:
        """Return whether to list a folder every second, as it is mounted now."""
        return self is Poll.ALWAYS or (self is Poll.AUTO and needs_polling(folder))


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Options of `edge-classify --watch`."""

    folder: Path
    out: Path | None
    """Folder of the results; None: NAME-results beside `folder`."""
    journal: Path | None
    """Folder of the journal; None: inside `out`."""
    once: bool
    settle_s: float | None
    """Seconds, > 0; None: see `intake.rest.Rest`."""
    poll: Poll
    workers: int
    """Processes that classify, >= 1."""
    min_free_mib: int
    """Free space on the disk of `out` below which classification pauses, MiB."""
    health_port: int | None = None
    """Port on 127.0.0.1, 0 for any free one; None: no health server."""
    on_result: str | None = None
    """Command that gets a message for each result."""
    webhook: str | None = None
    """URL that gets a message for each result, instead of a command."""
    webhook_token_file: Path | None = None
    """See `delivery.webhook.WebhookSink`, as for the next two."""
    webhook_secret_file: Path | None = None
    webhook_ca_file: Path | None = None
    message_names: bool = False
    """Whether messages contain the path of the file, relative to `folder`."""
    move_done: Path | None = None
    """Target folder for originals of classified images; None: they stay."""
    move_refused: Path | None = None
    """Target folder for originals of refused images; None: they stay."""
    result_names: bool = False
    """Whether results are also written under the names of their films."""
    results_group: str | None = None
    """Group that may read results and pictures; None: as the folders say."""
    reclassify_duplicates: bool = False
    """Whether content that arrives again is classified again."""
    pictures: Path | None = None
    """Folder of the pictures of films; None: there are none."""
    pictures_days: int = 30
    """Age at which pictures are removed, > 0."""
    pictures_mb: int = 1000
    """Size of all pictures above which the oldest are removed, megabytes, > 0."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Absolute paths."""

    root: Path
    """The watched folder; it may be mounted later."""
    out: Path
    """Folder of the results."""
    journal: Path
    results: MarkedFolder
    """The same as `out`."""
    archives: dict[ImageState, MarkedFolder]
    """Target folder for originals of images in this state."""
    pictures: MarkedFolder | None = None
    group: int | None = None
    """Number of the group that may read results and pictures."""

    @property
    def marked(self) -> list[MarkedFolder]:
        """The folder of the results and the archives."""
        return [self.results, *self.archives.values()]

    def inside(self) -> frozenset[bytes]:
        """Return the folders of this object below the watched folder, relative to it."""
        root = self.root.resolve()  # paths may contain symbolic links and `..`
        own = [path.resolve() for path in (self.out, self.journal)]
        own += [each.path.resolve() for each in self.archives.values()]
        own += [self.pictures.path.resolve()] if self.pictures else []
        return frozenset(
            os.fsencode(path.relative_to(root)) for path in own if path.is_relative_to(root)
        )


def find_folders(options: WatchOptions) -> Folders:
    """Return the folders of the options; none is created.

    Raises
    ------
    UsageError
        They cannot be used.
    """
    root = options.folder.absolute()
    if options.folder.exists() and not options.folder.is_dir():
        msg = f"{options.folder}: expected a folder to watch, got a file"
        raise UsageError(msg)
    if options.once and not root.is_dir():
        msg = f"{options.folder}: --once needs an existing folder; mount it, or check its name"
        raise UsageError(msg)
    out = (options.out or root.with_name(f"{root.name}-results")).absolute()
    journal = (options.journal or out / JOURNAL_FOLDER).absolute()
    if out.resolve() == root.resolve():
        msg = f"{out}: results cannot be written to the watched folder; give another --out"
        raise UsageError(msg)
    if needs_polling(journal):
        msg = (
            f"{journal}: the journal needs a local disk, got a network file system, where locks of "
            "SQLite do not work; give --journal a local folder"
        )
        raise UsageError(msg)
    targets = _targets(options, taken={root, out, journal})
    archives = {state: MarkedFolder(path, f"archive {state}") for state, path in targets.items()}
    pictures = _pictures(options, taken={root, out, journal, *targets.values()})
    results, group = MarkedFolder(out, RESULTS), _group(options.results_group)
    return Folders(root, out, journal, results, archives, pictures, group)


def create_results_folder(out: Path) -> None:
    """Create the folder of the results for a first start; a full disk is left to the service.

    Raises
    ------
    UsageError
        It cannot be created.
    """
    try:
        make_result_folder(out)
    except OSError as err:
        if is_temporary(err):
            return
        msg = f"{out}: cannot create the results folder ({err.strerror}); give another --out"
        raise UsageError(msg) from err


@contextmanager
def disk_errors_as_journal_error(out: Path) -> Iterator[None]:
    """Raise disk errors at the start as JournalError; later the service waits for the disk."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as err:
        raise JournalError(_disk_message(out, err)) from err


def _disk_message(out: Path, err: OSError | sqlite3.OperationalError) -> str:
    cause = err.strerror if isinstance(err, OSError) else err
    return f"{out}: cannot write results or journal ({cause}); check disk space and permissions"


def _pictures(options: WatchOptions, *, taken: set[Path]) -> MarkedFolder | None:
    """Return the folder of the pictures, created if it is missing."""
    if options.pictures is None:
        return None
    folder = options.pictures.absolute()
    if folder.resolve() in {path.resolve() for path in taken}:
        msg = f"{folder}: pictures need a folder of their own; give another --pictures"
        raise UsageError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        msg = f"{folder}: cannot create the folder of --pictures ({err.strerror}); give another"
        raise UsageError(msg) from err
    return MarkedFolder(folder, "pictures")


def _group(name: str | None) -> int | None:
    """Return the number of a group that this process may give files to."""
    if name is None:
        return None
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        msg = f"--results-group {name}: this device has no such group; create it with groupadd"
        raise UsageError(msg) from None
    if os.geteuid() != 0 and number not in {os.getegid(), *os.getgroups()}:
        msg = (
            f"--results-group {name}: the user of the service is not a member of this group; add "
            "it with usermod, or give the unit Group= this group"
        )
        raise UsageError(msg)
    return number


def _targets(options: WatchOptions, *, taken: set[Path]) -> dict[ImageState, Path]:
    asked = {ImageState.DONE: options.move_done, ImageState.REFUSED: options.move_refused}
    targets = {state: folder.absolute() for state, folder in asked.items() if folder is not None}
    for folder in targets.values():
        if folder.resolve() in {path.resolve() for path in taken}:
            msg = f"{folder}: files cannot be moved to the folder of the images, results or journal"
            raise UsageError(msg)
    return targets
