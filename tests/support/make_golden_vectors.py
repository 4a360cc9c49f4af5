"""Write tests/golden/*.json: what `preprocess` and `downscale` give for drawn films, as numbers.

    python tests/support/make_golden_vectors.py

The films are integer arithmetic, so every machine draws the same. Written once with OpenCV 5.0 on
x86-64; a change of these numbers is a change of every deployed model's input. On another processor
the script writes tests/golden/preprocess-MACHINE.json: the hashes of the films that differ there.
"""

import hashlib
import json
import platform
from pathlib import Path

import cv2
import numpy as np
from bonefx_edge.decode.downscale import downscale_by_mean
from bonefx_edge.decode.jpeg.reader import decode_gray, read_header
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.preprocess import SPECS, preprocess
from numpy.typing import NDArray

PATH = Path(__file__).parents[1] / "golden" / "preprocess.json"
MACHINE = platform.machine()
PATH_HERE = PATH.with_name(f"preprocess-{MACHINE}.json")
"""Absent on x86_64, and where every film is the same."""
SIZES = ((454, 373), (373, 454), (2880, 2304), (150, 150), (64, 64), (60, 900), (1, 5000))
"""(height, width): FracAtlas both ways, full size, identity, enlarging, long and thin."""
JPEG_PATH = PATH.with_name("large.jpg")
"""1600x1200, drawn; committed, as an encoder may write other bytes tomorrow."""
REDUCED_PATH = PATH.with_name("reduced.json")
GRID = 16
"""Every 16th pixel of the 150x150 result is written out: 100 numbers a film."""


def draw(height: int, width: int) -> NDArray[np.uint8]:
    """Return a drawn film with smooth and hard edges, uint8 (height, width)."""
    row = np.arange(height, dtype=np.int64)[:, np.newaxis]
    column = np.arange(width, dtype=np.int64)[np.newaxis, :]
    waves = (row * row // 7 + column * 3 + row * column // 11) % 256
    bone = np.abs(column * 10 - width * 5) < width * 2
    return np.where(bone, 255 - waves // 3, waves // 2).astype(np.uint8)


def golden(name: str, height: int, width: int) -> dict[str, object]:
    """Return the numbers for one spec and one size."""
    radiograph = Radiograph(draw(height, width), FileFormat.PNG, GrayMapping.STORED)
    x = preprocess(radiograph, spec=SPECS[name])
    sample = x[0, ::GRID, ::GRID, 0]
    record: dict[str, object] = {"spec": name, "height": height, "width": width}
    record["sample"] = [float(f"{value:.9g}") for value in sample.ravel()]
    if x.dtype == np.uint8:
        record["sha256"] = hashlib.sha256(x.tobytes()).hexdigest()
    return record


def reduced(data: bytes) -> dict[str, list[int]]:
    """Return every 64th pixel of a JPEG decoded at 1/2, 1/4 and 1/8, and of its means."""
    header, whole = read_header(data), decode(data).pixels
    numbers = {}
    for factor in (2, 4, 8):
        step = 64 // factor
        small = decode_gray(data, header=header, factor=factor)
        numbers[f"jpeg/{factor}"] = small[::step, ::step].ravel().tolist()
        mean = downscale_by_mean(whole, factor=factor)
        numbers[f"mean/{factor}"] = mean[::step, ::step].ravel().tolist()
    return numbers


def differing(rows: list[dict[str, object]]) -> dict[str, object]:
    """Return the hash of each film that is not, byte for byte, the committed one."""
    committed = [row.get("sha256") for row in json.loads(PATH.read_text())]
    return {
        f"{row['spec']}-{row['height']}x{row['width']}": row["sha256"]
        for row, known in zip(rows, committed, strict=True)
        if row.get("sha256") != known
    }


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    rows = [golden(name, *size) for name in SPECS for size in SIZES]
    if MACHINE == "x86_64":
        PATH.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        if not JPEG_PATH.exists():
            film = cv2.resize(draw(100, 75), (1200, 1600), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(JPEG_PATH), film, [cv2.IMWRITE_JPEG_QUALITY, 80])
        REDUCED_PATH.write_text(json.dumps(reduced(JPEG_PATH.read_bytes())) + "\n")
    else:
        PATH_HERE.write_text(json.dumps(differing(rows), indent=1) + "\n")
