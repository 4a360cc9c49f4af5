"""Start and stop the pictures of a service as its options ask."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bonefx_edge.text import printable
from bonefx_edge.watch.config import Folders, WatchOptions
from bonefx_edge.watch.folder_claims import claim
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import PICTURE_FAILURE, PICTURES
from bonefx_edge.watch.marked_folder import MarkedFolder

if TYPE_CHECKING:  # see `service`
    from bonefx_edge.watch.monitoring.metrics import Metrics
    from bonefx_edge.watch.pictures.writer import PictureWriter

STOP_TIMEOUT_S: Final = 5.0
"""For pictures that wait for the disk when the service ends."""


@contextmanager
def open_pictures(
    options: WatchOptions, folders: Folders, journal: Journal, metrics: "Metrics | None"
) -> Iterator["PictureWriter | None"]:
    """Yield the writer of the pictures, None if there is no folder for them.

    The journal knows the folder, for `edge-admin`.
    """
    folder = folders.pictures
    journal.set_meta(PICTURES, printable(str(folder.path)) if folder else "")
    journal.set_meta(PICTURE_FAILURE, "")
    if folder is None:
        yield None
        return
    from bonefx_edge.watch.pictures.folder import Limits, PictureFolder
    from bonefx_edge.watch.pictures.writer import PictureWriter

    limits = Limits(
        options.pictures_days, options.pictures_mb * 1_000_000, options.min_free_mib << 20
    )
    writer = PictureWriter(
        PictureFolder(folder, limits, group=folders.group),
        claim=lambda: _claim(folder, journal),
        wall=time.time,
        note=lambda failure: journal.set_meta(PICTURE_FAILURE, failure),
        count=metrics.count_pictures if metrics else None,
    )
    try:
        yield writer
    finally:
        writer.close(timeout_s=STOP_TIMEOUT_S)


def _claim(folder: MarkedFolder, journal: Journal) -> None:
    """Learn the marker of the folder, on a connection for the thread that calls."""
    with journal.access.connect("pictures") as connection:
        claim(connection, folder, journal=journal.folder)
