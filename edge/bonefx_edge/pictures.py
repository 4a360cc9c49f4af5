"""Write the heat map of each film as a picture into one folder."""

import os
from pathlib import Path
from typing import Final

from bonefx_edge.classifier import Explained
from bonefx_edge.errors import UsageError
from bonefx_edge.finding import Finding
from bonefx_edge.heatmap import overlay, write_png

HASH_DIGITS: Final = 8
"""Of the film's sha256, in the picture's name: films of two folders may have one name."""
MAX_STEM_BYTES: Final = 200
"""File systems take names of 255 bytes; the digits, the suffix and a temporary name need some."""


def make_folder(folder: Path) -> Path:
    """Return the folder of the pictures, made with those above it where they are absent.

    Raises
    ------
    UsageError
        If it cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        msg = (
            f"{folder}: expected a folder for the heat maps, got: {err.strerror}; "
            "name another, or make it"
        )
        raise UsageError(msg) from err
    return folder


def write_picture(folder: Path, explained: Explained) -> Finding:
    """Write the heat map into `folder`, none for a refused film, and return the finding.

    Raises
    ------
    UsageError
        If the picture cannot be written.
    """
    if explained.heat_map and explained.radiograph:
        picture = overlay(explained.radiograph.pixels, explained.heat_map)
        write_png(folder / picture_name(explained.finding), picture)
    return explained.finding


def picture_name(finding: Finding) -> str:
    """Return the name of the picture of an answered film: the same for the same film only."""
    stem = os.fsdecode(os.fsencode(Path(finding.path).stem)[:MAX_STEM_BYTES])
    return f"{stem}-{(finding.sha256 or '')[:HASH_DIGITS]}.png"
