"""The pictures that the service writes; see `--pictures` of edge-classify."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

_SHA256: Final = re.compile("[0-9a-f]{64}")


class Kind(StrEnum):
    """What a picture shows."""

    THUMB = "thumb"
    """96 px, for the list."""
    LARGE = "large"
    """1024 px."""
    OVERLAY = "overlay"
    """The same size, with heat map and regions."""


def is_sha256(text: str) -> bool:
    """Return whether a text can name a film."""
    return _SHA256.fullmatch(text) is not None


class Pictures:
    """The folder of the pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, sha256: str, kind: Kind) -> bytes | None:
        """Return a JPEG; None if the service did not write it, or removed it."""
        try:
            return self._path(sha256, kind).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, sha256: str, kind: Kind) -> bool:
        """Return whether there is a picture."""
        return self._path(sha256, kind).is_file()

    def _path(self, sha256: str, kind: Kind) -> Path:
        return self._folder / f"{sha256}-{kind}.jpg"
