"""Write the heat map of each image as a picture into one folder."""

import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bonefx_edge.errors import OutputError, UsageError
from bonefx_edge.finding import Explanation, Finding
from bonefx_edge.inference.overlay import overlay
from bonefx_edge.watch.files import write_file

HASH_DIGITS: Final = 8
"""Of the film's sha256, in the picture's name: films of two folders may have one name."""
MAX_STEM_BYTES: Final = 200
"""File systems take names of 255 bytes; the digits, the suffix and a temporary name need some."""


def make_folder(folder: Path, what: str) -> Path:
    """Return the folder for `what`, made with those above it where they are absent.

    Raises
    ------
    UsageError
        If it cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        msg = f"{folder}: cannot create the folder for {what} ({err.strerror}). Name another."
        raise UsageError(msg) from err
    return folder


def write_picture(folder: Path, explained: Explanation) -> Finding:
    """Write the heat map into `folder`, none for a refused film, and return the finding.

    Raises
    ------
    OutputError
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


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write `picture` to `path`, all or nothing; what was there is replaced.

    Raises
    ------
    OutputError
        If the folder is absent, may not be written to, or its disk is full.
    """
    data = cv2.imencode(".png", picture)[1].tobytes()
    try:
        write_file(path, data)
    except OSError as err:
        msg = (
            f"{path}: cannot write the heat map ({err.strerror}). Free disk space, or name "
            "another folder."
        )
        raise OutputError(msg) from err
