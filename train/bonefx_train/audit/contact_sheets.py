"""Pictures of what the audit suspects, side by side, so that a person decides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from bonefx_edge.decode.reader import decode, read_file
from bonefx_edge.errors import DecodeError
from numpy.typing import NDArray

from bonefx_train.audit.audit import Audit
from bonefx_train.data.sample import Sample

TILE: Final = 180
"""Pixels."""
CAPTION: Final = 32
"""Pixels below a tile: two lines of text."""
COLUMNS: Final = 6
"""Images of one set that are shown."""
ROWS: Final = 10
"""Sets on one sheet."""
MAX_SHEETS: Final = 10
"""Of one kind."""
PAPER: Final = 60
"""Gray level that no collimation has."""
INK: Final = 255
CHARACTERS: Final = 28
"""That fit below a tile."""
GAP: Final = 4


def write_sheets(audit: Audit, folder: Path) -> list[str]:
    """Write contact sheets into `folder` and return their names: one row per suspected image."""
    samples = {sample.key: sample for sample in audit.samples}
    kinds = {
        "contradictions": [cluster.keys for cluster in audit.contradictions],
        "leaks": [leak.keys for leak in audit.leaks],
        "copies": [cluster.keys for cluster in audit.clusters],
    }
    names = []
    for kind, sets in kinds.items():
        for page in range(min(MAX_SHEETS, -(-len(sets) // ROWS))):
            some = sets[page * ROWS : (page + 1) * ROWS]
            rows = [_row([samples[key] for key in keys]) for keys in some]
            name = f"{kind}-{page + 1:02}.png"
            done, encoded = cv2.imencode(".png", np.vstack(rows))
            assert done  # noqa: S101 - PNG takes any uint8 array
            (folder / name).write_bytes(encoded.tobytes())
            names.append(name)
    return names


def _row(images: Sequence[Sample]) -> NDArray[np.uint8]:
    """Return the first images of a set side by side; of both sides of a contradiction or leak."""
    shown = sorted(_first_of_each_kind(images), key=lambda image: (image.split, image.key))
    tiles = [_tile(image) for image in shown]
    empty = np.full_like(tiles[0], PAPER)
    row = np.hstack([*tiles, *[empty] * (COLUMNS - len(tiles))])
    return np.vstack([row, np.full((GAP, row.shape[1]), INK, np.uint8)])


def _first_of_each_kind(images: Sequence[Sample]) -> list[Sample]:
    """Return up to COLUMNS images, one of every split and label before a second of any."""
    seen: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, Sample]] = []
    for image in images:
        kind = (image.split, image.label.value)
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], len(ranked), image))
    return [image for _, _, image in sorted(ranked, key=lambda entry: entry[:2])[:COLUMNS]]


def _tile(image: Sample) -> NDArray[np.uint8]:
    tile = np.full((TILE + CAPTION, TILE + GAP), PAPER, np.uint8)
    pixels = _pixels(image)
    scale = TILE / max(pixels.shape)
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[::-1])
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    tile[: small.shape[0], : small.shape[1]] = small
    lines = (image.key[-CHARACTERS:], f"{image.label} {image.split}")
    for line, text in enumerate(lines):
        text_ascii = text.encode("ascii", "replace").decode()  # OpenCV's font has no more
        at = (2, TILE + 12 + 14 * line)
        cv2.putText(tile, text_ascii, at, cv2.FONT_HERSHEY_SIMPLEX, 0.34, INK, 1, cv2.LINE_AA)
    return tile


def _pixels(image: Sample) -> NDArray[np.uint8]:
    """Return the image, or an empty picture where it is refused: a name family may hold such."""
    try:
        return decode(read_file(image.path)).pixels
    except DecodeError:
        return np.full((TILE, TILE), PAPER, np.uint8)
