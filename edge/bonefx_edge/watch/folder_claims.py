"""Which folder belongs to which journal: markers are made once and recognized ever after."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from bonefx_edge.errors import JournalError
from bonefx_edge.text import printable
from bonefx_edge.watch.journal.connection import JOURNAL_NAME
from bonefx_edge.watch.journal.journal_file import JOURNAL
from bonefx_edge.watch.journal.meta import (
    KnownFolder,
    known_folders,
    make_journal_id,
    set_known_folder,
)
from bonefx_edge.watch.marked_folder import (
    FolderAwayError,
    MarkedFolder,
    Marker,
    new_marker,
    open_folder,
    read_marker,
    write_marker,
)
from bonefx_edge.watch.results import SUPERSEDED_FOLDER, make_result_folder

RESULTS: Final = "results"
"""Name of the folder of the results; the others are archives."""
_FSTAB: Final = Path("/etc/fstab")
_MOUNT_POINT_FIELD: Final = 1


class KnownJournalAwayError(FolderAwayError):
    """The journal that a marker names is not there: it must not be created anew."""


def find_journal(journal: Path, folders: Iterable[MarkedFolder]) -> bool:
    """Return whether there is a journal; if not, it may be created.

    Raises
    ------
    KnownJournalAwayError
        There was one: a folder is marked by it, so its disk is not mounted.
    FolderAwayError
        A marker cannot be read, or a disk of /etc/fstab is not mounted.
    JournalError
        The results belong to the journal in another place.
    """
    if (journal / JOURNAL_NAME).is_file():
        return True
    for folder in folders:
        marker = _marker_at(folder)
        if marker is not None and marker.journal_folder == str(journal):
            raise KnownJournalAwayError(JOURNAL, "it does not exist")
        if marker is not None and folder.name == RESULTS:
            raise _taken(folder, marker)
    _refuse_unmounted(journal, JOURNAL)
    return False


def claim(connection: sqlite3.Connection, folder: MarkedFolder, *, journal: Path) -> None:
    """Learn the marker of a folder from the journal; mark a folder that is new to it.

    It does not become known while it is missing or cannot be used: a later call tries again.

    Parameters
    ----------
    journal
        Folder of the journal, which the marker names.

    Raises
    ------
    FolderAwayError
        The folder cannot be marked now.
    JournalError
        It has the results of another journal. An archive may belong to several.
    """
    own = make_journal_id(connection)
    known = known_folders(connection).get(folder.name)
    if known is not None and known.marker and known.path == str(folder.path):
        folder.marker = known.marker
        with suppress(FolderAwayError), folder.opened() as descriptor:
            marker = read_marker(descriptor, folder.name)
            if marker is not None:
                _name_journal(descriptor, marker, own=own, journal=journal)
        return
    _refuse_unmounted(folder.path, folder.name)
    if folder.name == RESULTS:
        _make_results(connection, folder, is_chosen=known is not None)
    with open_folder(folder.path, folder.name) as descriptor:
        marker = read_marker(descriptor, folder.name)
        if marker is not None and marker.journal != own and folder.name == RESULTS:
            if known is None or known.marker:  # else the user has adopted it
                raise _taken(folder, marker)
            marker = None
        if marker is None:
            marker = new_marker(own, journal)
            write_marker(descriptor, marker)
        else:
            _name_journal(descriptor, marker, own=own, journal=journal)
    set_known_folder(connection, folder.name, KnownFolder(marker.folder, str(folder.path)))
    folder.marker = marker.folder


def _name_journal(folder: int, marker: Marker, *, own: str, journal: Path) -> None:
    """Record in the marker that the journal was moved; a shared archive names its first one."""
    if marker.journal == own and marker.journal_folder != str(journal):
        write_marker(folder, marker._replace(journal_folder=str(journal)))


def _make_results(connection: sqlite3.Connection, folder: MarkedFolder, *, is_chosen: bool) -> None:
    """Create the folder of the results, unless a journal without markers had one already."""
    had_results = connection.execute("SELECT 1 FROM image WHERE published LIMIT 1").fetchone()
    if had_results and not is_chosen and not (folder.path / SUPERSEDED_FOLDER).is_dir():
        cause = f"no folder {SUPERSEDED_FOLDER} in it, so these are not the earlier results"
        raise FolderAwayError(folder.name, cause)
    make_result_folder(folder.path)


def _marker_at(folder: MarkedFolder) -> Marker | None:
    """Return the marker of a folder, None if there is no folder or no marker.

    Raises
    ------
    FolderAwayError
        It cannot be known: a marker that cannot be read is not taken for none.
    """
    try:
        with open_folder(folder.path, folder.name) as descriptor:
            return read_marker(descriptor, folder.name)
    except FolderAwayError as err:
        if isinstance(err.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def _taken(folder: MarkedFolder, marker: Marker) -> JournalError:
    msg = (
        f"{printable(str(folder.path))}: the folder belongs to the service whose journal is in "
        f"{printable(marker.journal_folder)}; give another --out, or --journal that folder; "
        "if you replaced the disk, run edge-admin adopt-folders"
    )
    return JournalError(msg)


def _refuse_unmounted(path: Path, name: str) -> None:
    """Raise `FolderAwayError` if fstab(5) has a disk for the path that is not mounted."""
    for point in _mount_points():
        under = path.is_relative_to(point) or path.resolve().is_relative_to(point)
        if under and not os.path.ismount(point):
            raise FolderAwayError(name, "its disk in /etc/fstab is not mounted")


def _mount_points() -> list[str]:
    try:
        lines = _FSTAB.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # a container has none
        return []
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    points = [each[_MOUNT_POINT_FIELD] for each in fields if len(each) > _MOUNT_POINT_FIELD]
    return [point.replace("\\040", " ") for point in points if point.startswith("/")]
