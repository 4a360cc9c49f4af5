"""The folder of the pictures: `<sha256>-<kind>.jpg`, pruned by age and size.

Pictures can be drawn again from the film, so they are written without fsync: after a power cut the
last ones may be missing or empty. Empty ones are removed at the start.
"""

import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from bonefx_edge.watch.files import group_may_read, share_file, share_folder
from bonefx_edge.watch.marked_folder import MarkedFolder

logger = logging.getLogger(__name__)

KINDS: Final = ("thumb", "large", "overlay")
RESERVE_BYTES: Final = 64 << 20
"""Free space beyond that of `--min-free`: results and journal are written there."""
_NAME: Final = re.compile(rf"[0-9a-f]{{64}}-({'|'.join(KINDS)})\.jpg")
_PARTIAL: Final = ".partial-"
_DAY_S: Final = 86400.0


class NoSpaceError(Exception):
    """The disk has no more free space than the results need."""


class TooLargeError(Exception):
    """The pictures of one film are larger than all pictures may be."""


class Limits(NamedTuple):
    """When the oldest pictures are removed."""

    max_age_days: int
    """> 0."""
    max_bytes: int
    """Of all pictures, >= 0."""
    min_free_bytes: int
    """On the disk of the pictures; `RESERVE_BYTES` are added."""


class _Picture(NamedTuple):
    mtime: float
    """Seconds since 1970."""
    size: int
    """Bytes."""


class PictureFolder:
    """Writes and removes pictures; for one thread."""

    def __init__(self, folder: MarkedFolder, limits: Limits, *, group: int | None = None) -> None:
        """Store the parts; the folder must exist and be marked before pictures are written.

        `group` is the number of the group that may read them; None: as the folder says.
        """
        self._folder, self._limits, self._group = folder, limits, group
        self._kept: dict[str, _Picture] | None = None
        """By name, oldest first; None until the folder is listed."""

    @property
    def is_known(self) -> bool:
        """Whether the marker of the folder is known."""
        return self._folder.marker is not None

    def write(self, sha256: str, pictures: Mapping[str, bytes], *, now: float) -> None:
        """Write or replace the pictures of a film, each whole or not at all.

        What is too old is removed before, also for a film without pictures.

        Parameters
        ----------
        pictures
            JPEG files by kind.
        now
            Seconds since 1970.

        Raises
        ------
        TooLargeError
            The pictures of this film alone are larger than `Limits` allow; none is removed.
        NoSpaceError
            The disk has less free space than `Limits` ask for, also without pictures.
        FolderAwayError
            If it is not the folder that was marked. OSError if it cannot be written.
        """
        size = sum(len(data) for data in pictures.values())
        if size > self._limits.max_bytes:
            raise TooLargeError
        with self._folder.opened() as folder:
            share_folder(folder, self._group)
            self._prune(folder, now=now, room=size)
            if pictures and self._lacks_space(folder, size):
                raise NoSpaceError
            for kind, data in pictures.items():
                self._write(folder, picture_name(sha256, kind), data)

    def _prune(self, folder: int, *, now: float, room: int) -> None:
        """Remove pictures that are too old, then the oldest until `room` bytes fit."""
        kept = self._list(folder)
        total = sum(picture.size for picture in kept.values())
        removed = 0
        for name, picture in list(kept.items()):
            is_old = now - picture.mtime > self._limits.max_age_days * _DAY_S
            is_full = total + room > self._limits.max_bytes
            if not (is_old or is_full or self._lacks_space(folder, room)):
                break
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            del kept[name]
            total -= picture.size
            removed += 1
        if removed:
            logger.info("removed the %d oldest pictures", removed)

    def _write(self, folder: int, name: str, data: bytes) -> None:
        partial = f"{_PARTIAL}{name}"
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)  # left by a kill
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        mode = 0o640 if group_may_read(folder) else 0o600
        try:
            with open(os.open(partial, flags, mode, dir_fd=folder), "wb") as stream:
                share_file(stream.fileno(), self._group)
                stream.write(data)
                mtime = os.fstat(stream.fileno()).st_mtime
            os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):  # the disk may be away; the first error counts
                os.unlink(partial, dir_fd=folder)
            raise
        kept = self._list(folder)
        kept.pop(name, None)
        kept[name] = _Picture(mtime, len(data))

    def _list(self, folder: int) -> dict[str, _Picture]:
        """Return the pictures in the folder, read once; remove what a kill left."""
        if self._kept is not None:
            return self._kept
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(_PARTIAL):
                    os.unlink(entry.name, dir_fd=folder)
                elif _NAME.fullmatch(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_size == 0:
                        os.unlink(entry.name, dir_fd=folder)
                    else:
                        found.append((_Picture(status.st_mtime, status.st_size), entry.name))
        self._kept = {name: picture for picture, name in sorted(found)}
        return self._kept

    def _lacks_space(self, folder: int, size: int) -> bool:
        free = shutil.disk_usage(folder).free
        return free < self._limits.min_free_bytes + RESERVE_BYTES + size


def picture_name(sha256: str, kind: str) -> str:
    """Return the name of a picture in the folder, without patient data."""
    return f"{sha256}-{kind}.jpg"


def find_pictures(folder: str, sha256: str) -> list[Path]:
    """Return the pictures of a film that exist; `folder` as the journal knows it, "" for none."""
    paths = [Path(folder) / picture_name(sha256, kind) for kind in KINDS if folder]
    return [path for path in paths if path.is_file()]
