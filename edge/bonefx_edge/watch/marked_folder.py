"""Folders that the service writes to: each is recognized by a hidden file with a random id.

A path does not say which folder is mounted there. Whatever is written goes through a descriptor of
the folder whose marker was read through the same descriptor, so that it cannot end up in another
folder, or below a mount point, whenever the disk goes away. The folder is not kept open: its disk
could then not be unmounted.
"""

import errno
import json
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from bonefx_edge.watch.files import error_name, sync_descriptor

logger = logging.getLogger(__name__)

MARKER_NAME: Final = ".bonefx-folder"
WARNING_INTERVAL_S: Final = 60.0
"""Between two warnings that a folder is away."""
_ABOUT: Final = "bonefx writes to this folder and recognizes it by this file: do not remove it"
_MAX_BYTES: Final = 65536
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class FolderAwayError(OSError):
    """The folder at a path is not the one that was marked: not mounted, or replaced."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(errno.ENODEV, f"the folder of the {name} is away ({cause})")
        self.name, self.cause = name, cause


class Marker(NamedTuple):
    """The content of the hidden file."""

    folder: str
    """Random id of the folder."""
    journal: str
    """Id of the journal whose service writes there; no other may."""
    journal_folder: str
    """Where that journal was at its last start."""


def new_marker(journal: str, journal_folder: Path) -> Marker:
    """Return a marker with a new id."""
    return Marker(os.urandom(8).hex(), journal, str(journal_folder))


def read_marker(folder: int, name: str) -> Marker | None:
    """Return the marker in a folder, given by its descriptor; None if there is none.

    Raises
    ------
    FolderAwayError
        If it cannot be read, or is damaged; `name` is that of the folder.
    """
    try:
        descriptor = os.open(MARKER_NAME, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise FolderAwayError(name, error_name(err)) from err
    try:
        found = json.loads(os.read(descriptor, _MAX_BYTES))
        return Marker(*(str(found[key]) for key in Marker._fields))
    except (ValueError, KeyError, TypeError) as err:
        cause = f"{MARKER_NAME} is damaged: remove it, run edge-admin adopt-folders"
        raise FolderAwayError(name, cause) from err
    except OSError as err:
        raise FolderAwayError(name, error_name(err)) from err
    finally:
        os.close(descriptor)


def write_marker(folder: int, marker: Marker) -> None:
    """Write or replace the marker; it is on disk when this returns."""
    partial = f"{MARKER_NAME}.part"
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=folder)  # left by a kill or a full disk
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(partial, flags, 0o600, dir_fd=folder), "w", encoding="ascii") as stream:
        stream.write(json.dumps({"about": _ABOUT} | marker._asdict()) + "\n")
        stream.flush()
        if os.geteuid() == 0:  # started by hand as root: the user of the service must read it
            owner = os.fstat(folder)
            os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
        os.fsync(stream.fileno())
    os.rename(partial, MARKER_NAME, src_dir_fd=folder, dst_dir_fd=folder)
    sync_descriptor(folder)


@contextmanager
def open_folder(path: Path, name: str) -> Iterator[int]:
    """Yield a descriptor of the folder at a path, whatever it is.

    Raises
    ------
    FolderAwayError
        If there is none, or it cannot be opened.
    """
    try:
        descriptor = os.open(path, _FOLDER)
    except OSError as err:
        raise FolderAwayError(name, error_name(err)) from err
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class MarkedFolder:
    """A folder that is recognized before it is used."""

    def __init__(self, path: Path, name: str, marker: str | None = None) -> None:
        """Store the parts; nothing is read.

        Parameters
        ----------
        name
            What is written there, for messages: results, done, refused.
        marker
            Id of the folder; None if it is not known yet, and the folder cannot be used.
        """
        self.path, self.name, self.marker = path, name, marker
        self.away: str | None = None
        """Why it could not be used the last time, None if it could."""

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Yield a descriptor of the folder after its marker was read.

        Raises
        ------
        FolderAwayError
            If it is not the folder that was marked.
        """
        with open_folder(self.path, self.name) as descriptor:
            self._recognize(descriptor)
            yield descriptor

    def check(self) -> None:
        """Raise `FolderAwayError` if it is not the folder that was marked; keep why in `away`."""
        try:
            with self.opened():
                self.away = None
        except FolderAwayError as err:
            self.away = err.cause
            raise

    def _recognize(self, descriptor: int) -> None:
        found = read_marker(descriptor, self.name)
        if found is None or found.folder != self.marker:
            what = "no marker" if found is None else "the marker of another folder"
            raise FolderAwayError(self.name, what)


class AwayLog:
    """Logs that a folder is away: at once, then every minute, and when it is back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}

    def report(self, err: FolderAwayError) -> None:
        """Log it, unless that was done within the last minute."""
        now = self._clock()
        if now >= self._next.get(err.name, -math.inf):
            logger.warning("%s: waiting for it, nothing is written there", err.strerror)
            self._next[err.name] = now + WARNING_INTERVAL_S

    def clear(self) -> None:
        """Log what is back."""
        for name in self._next:
            logger.warning("the folder of the %s is back", name)
        self._next.clear()
