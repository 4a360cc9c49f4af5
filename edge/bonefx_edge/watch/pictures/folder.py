"""The folder of the pictures: `<sha256>-<kind>.jpg`, pruned by age and size.

Pictures can be drawn again from the film, so they are written without fsync: after a power cut the
last ones may be missing or empty. Empty ones are removed at the start.
"""

import logging
import os
import re
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

KINDS: Final = ("thumb", "large", "overlay")
RESERVE_BYTES: Final = 64 << 20
"""Free space beyond that of `--min-free`: results and journal are written there."""
_NAME: Final = re.compile(rf"[0-9a-f]{{64}}-({'|'.join(KINDS)})\.jpg")
_PARTIAL: Final = ".partial-"
_GROUP_MAY_READ: Final = stat.S_IRGRP | stat.S_IXGRP
_DAY_S: Final = 86400.0


class NoSpaceError(Exception):
    """The disk has no more free space than the results need."""


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

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Store the parts; the folder must exist before pictures are written."""
        self._folder, self._limits = folder, limits
        self._kept: dict[str, _Picture] | None = None
        """By name, oldest first; None until the folder is listed."""

    def write(self, sha256: str, pictures: Mapping[str, bytes], *, now: float) -> None:
        """Write or replace the pictures of a film, each whole or not at all.

        Parameters
        ----------
        pictures
            JPEG files by kind.
        now
            Seconds since 1970.

        Raises
        ------
        NoSpaceError
            The disk has less free space than `Limits` ask for, also without pictures.
        OSError
            The folder cannot be written.
        """
        size = sum(len(data) for data in pictures.values())
        self.prune(now=now, room=size)
        if self._lacks_space(size):
            raise NoSpaceError
        mode = (
            0o640 if os.stat(self._folder).st_mode & _GROUP_MAY_READ == _GROUP_MAY_READ else 0o600
        )
        for kind, data in pictures.items():
            self._write(picture_name(sha256, kind), data, mode=mode)

    def prune(self, *, now: float, room: int = 0) -> None:
        """Remove pictures that are too old, then the oldest until `room` bytes fit.

        Raises
        ------
        OSError
            The folder cannot be read or written.
        """
        kept = self._list()
        total = sum(picture.size for picture in kept.values())
        removed = 0
        for name, picture in list(kept.items()):
            is_old = now - picture.mtime > self._limits.max_age_days * _DAY_S
            if not (is_old or total + room > self._limits.max_bytes or self._lacks_space(room)):
                break
            (self._folder / name).unlink(missing_ok=True)
            del kept[name]
            total -= picture.size
            removed += 1
        if removed:
            logger.info("removed the %d oldest pictures", removed)

    def _write(self, name: str, data: bytes, *, mode: int) -> None:
        partial = self._folder / f"{_PARTIAL}{name}"
        partial.unlink(missing_ok=True)  # left by a kill
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with open(os.open(partial, flags, mode), "wb") as stream:
                stream.write(data)
                mtime = os.fstat(stream.fileno()).st_mtime
            os.replace(partial, self._folder / name)
        except OSError:
            with suppress(OSError):  # the disk may be away; the first error counts
                partial.unlink(missing_ok=True)
            raise
        kept = self._list()
        kept.pop(name, None)
        kept[name] = _Picture(mtime, len(data))

    def _list(self) -> dict[str, _Picture]:
        """Return the pictures in the folder, read once; remove what a kill left."""
        if self._kept is not None:
            return self._kept
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(_PARTIAL):
                    os.unlink(entry)
                elif _NAME.fullmatch(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_size == 0:
                        os.unlink(entry)
                    else:
                        found.append((_Picture(status.st_mtime, status.st_size), entry.name))
        self._kept = {name: picture for picture, name in sorted(found)}
        return self._kept

    def _lacks_space(self, size: int) -> bool:
        free = shutil.disk_usage(self._folder).free
        return free < self._limits.min_free_bytes + RESERVE_BYTES + size


def picture_name(sha256: str, kind: str) -> str:
    """Return the name of a picture in the folder, without patient data."""
    return f"{sha256}-{kind}.jpg"


def find_pictures(folder: str, sha256: str) -> list[Path]:
    """Return the pictures of a film that exist; `folder` as the journal knows it, "" for none."""
    paths = [Path(folder) / picture_name(sha256, kind) for kind in KINDS if folder]
    return [path for path in paths if path.is_file()]
