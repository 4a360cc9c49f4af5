"""Names in the watched folder that are ignored: system files and unfinished copies."""

import os
from typing import Final

_ENDINGS: Final = (
    b".part", b".partial", b".tmp", b".temp", b".crdownload", b".download", b".filepart",
    b".opdownload", b".swp", b".lock", b".lnk", b"~",
)  # fmt: skip
"""Of copies in progress, which the copying program renames at the end, and of system files."""
_NAMES: Final = frozenset(
    (b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"autorun.inf", b"dicomdir")
)
"""System files; DICOMDIR (PS3.10 section 8.6) is the index of a medium."""
_STARTS: Final = (b".", b"~$")
"""Hidden files: `.DS_Store`, `._*` of a Mac, `.nfs*`, rsync's `.name.XXXXXX`."""
_FOLDERS: Final = frozenset(
    (
        b"@eadir",
        b"#recycle",
        b"@recycle",
        b"#snapshot",
        b"$recycle.bin",
        b"system volume information",
        b"lost+found",
    )
)
"""Of network storage and file systems: thumbnails, deleted files, snapshots, repairs."""


def is_image_name(name: bytes) -> bool:
    """Return whether a file name, without folder, may be that of an image.

    >>> is_image_name(b"IMG0001"), is_image_name(b"film.png.part"), is_image_name(b"._film.png")
    (True, False, False)
    """
    low = name.lower()
    return not (low.startswith(_STARTS) or low.endswith(_ENDINGS) or low in _NAMES)


def is_image_path(path: bytes) -> bool:
    """Return the same for a path."""
    return is_image_name(os.path.basename(path))


def is_image_folder(name: bytes) -> bool:
    """Return whether a folder of this name is searched."""
    low = name.lower()
    return not low.startswith(_STARTS) and low not in _FOLDERS
