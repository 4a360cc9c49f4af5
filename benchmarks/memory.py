"""Peak memory of the largest film that is not refused: 100 megapixel, by kind of file.

    python -m benchmarks.memory [--pixels 100000000] [--model lite0-int8 ...] [--out FILE]

Peak memory (resident) and wall time of the whole command `edge-classify FILM`, a new process for
each kind of file; color as far as its samples are not refused. The film is the shipped canary,
enlarged, with grain. Needs the development environment and 2 GB of memory to draw it.
"""

import json
import math
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from bonefx_edge.decode.dicom.lossless_jpeg import MAX_PIXELS
from bonefx_edge.decode.limits import DEFAULT_LIMITS
from bonefx_edge.watch.workers.canary import CANARY_PATH
from numpy.typing import NDArray
from pydicom.uid import RLELossless

from benchmarks.machine import circumstances, measure, report

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support"

REPEATED_ROWS = 8
"""Of the film in lossless JPEG, whose encoder takes 4 us a pixel."""


def kinds(pixels: int) -> dict[str, Callable[[], bytes]]:
    """Return what writes each kind of file, as large as is not refused, up to so many pixels."""
    sys.path.insert(0, str(SUPPORT))
    from image_files import (
        bmp_file,
        dicom_file,
        dicom_jpeg_2000,
        jpeg_file,
        tiff_file,
        tiled_tiff,
    )
    from lossless_jpeg_files import SV1, lossless_stream

    def fitting(pixel_bytes: int) -> int:
        return min(pixels, DEFAULT_LIMITS.max_decoded_bytes // pixel_bytes)

    def png(film: NDArray[Any]) -> bytes:
        return cv2.imencode(".png", film)[1].tobytes()

    def tiff(film: NDArray[Any]) -> bytes:
        return cv2.imencode(".tif", film)[1].tobytes()  # LZW with predictor is its default

    def gray(n: int) -> NDArray[np.uint8]:
        return (draw(n) >> 4).astype(np.uint8)

    def color(n: int, film: Callable[[int], NDArray[Any]] = gray, channels: int = 3) -> Any:
        shown = np.repeat(film(n)[..., np.newaxis], channels, axis=2)
        shown[..., 3:] = np.iinfo(shown.dtype).max  # opaque
        return shown

    def wide(n: int) -> NDArray[np.uint16]:
        return draw(n) << 4

    n = pixels
    return {
        "JPEG, baseline": lambda: jpeg_file(gray(n), quality=90),
        "JPEG, progressive": lambda: jpeg_file(gray(n), quality=90, progressive=True),
        "JPEG, color 4:4:4, progressive": lambda: jpeg_file(
            color(n), quality=90, progressive=True, subsampling=0
        ),
        "PNG, 8 bit": lambda: png(gray(n)),
        "PNG, 16 bit": lambda: png(wide(n)),
        "PNG, color, 8 bit": lambda: png(color(n)),
        "PNG, color, 16 bit": lambda: png(color(fitting(6), wide)),
        "PNG, color and alpha, 16 bit": lambda: png(color(fitting(8), wide, 4)),
        "BMP, color": lambda: bmp_file(color(min(n, DEFAULT_LIMITS.max_bytes // 3 - 100_000))),
        "TIFF, 16 bit": lambda: tiff_file(wide(n)),
        "TIFF, 16 bit, one strip": lambda: tiff_file(wide(n), rows_per_strip=n),
        "TIFF, 16 bit, big-endian": lambda: tiff_file(wide(n), order=">"),
        "TIFF, 16 bit, Deflate": lambda: tiff_file(wide(n), compression=8),
        "TIFF, 16 bit, one strip, Deflate": lambda: tiff_file(
            wide(n), compression=8, rows_per_strip=n
        ),
        # The tiles at its edges count as a whole.
        "TIFF, 16 bit, tiles": lambda: tiled_tiff(wide(n * 9 // 10), tile=(256, 256)),
        "TIFF, 16 bit, tiles, Deflate": lambda: tiled_tiff(
            wide(n * 9 // 10), tile=(256, 256), compression=8, predictor=2
        ),
        # Like this the film takes 0.9 packed bytes a pixel, which is what is capped.
        "TIFF, 16 bit, LZW": lambda: tiff(wide(min(n, DEFAULT_LIMITS.max_lzw_bytes))),
        "TIFF, color, 16 bit, Deflate": lambda: tiff_file(
            color(fitting(6), wide), photometric=2, compression=8
        ),
        "DICOM, 16 bit, plain": lambda: dicom_file(draw(n), bits=12),
        "DICOM, 16 bit, RLE": lambda: dicom_file(
            draw(n), bits=12, syntax=RLELossless, stream=literal_rle(draw(n))
        ),
        "DICOM, 16 bit, lossless JPEG": lambda: dicom_file(
            repeated(min(n, MAX_PIXELS)),
            bits=12,
            syntax=SV1,
            stream=lossless_stream(
                repeated(min(n, MAX_PIXELS)), bits=12, rows_per_interval=REPEATED_ROWS
            ),
        ),
        "DICOM, 16 bit, JPEG 2000": lambda: dicom_jpeg_2000(draw(n), bits=12),
    }


def literal_rle(film: NDArray[np.uint16]) -> bytes:
    """Return an RLE frame without repeats (PS3.5 annex G): each 128 bytes behind their number."""
    planes = film.reshape(-1, 1).view(np.uint8)
    segments = []
    for column in (1, 0):  # the high byte first
        runs, rest = np.split(planes[:, column], [len(planes) // 128 * 128])
        counted = np.insert(runs.reshape(-1, 128), 0, 127, axis=1).tobytes()
        tail = bytes([len(rest) - 1]) + rest.tobytes() if len(rest) else b""
        segments.append(counted + tail + b"\0" * (len(counted + tail) % 2))
    return struct.pack("<16I", 2, 64, 64 + len(segments[0]), *[0] * 13) + b"".join(segments)


def repeated(pixels: int) -> NDArray[np.uint16]:
    """Return the first rows of the film again and again: their code is the same."""
    film = draw(pixels)
    times = len(film) // REPEATED_ROWS
    return np.tile(film[len(film) // 2 :][:REPEATED_ROWS], (times, 1))


def draw(pixels: int) -> NDArray[np.uint16]:
    """Return the canary, enlarged to at most so many pixels, with 12 bits and two bits of grain."""
    small = cv2.imread(str(CANARY_PATH), cv2.IMREAD_GRAYSCALE).astype(np.uint16) << 4
    factor = math.sqrt(pixels / small.size)
    size = (int(small.shape[1] * factor), int(small.shape[0] * factor))
    large = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint16)
    grain = np.random.default_rng(0).integers(0, 4, (512, large.shape[1]), np.uint16)
    for top in range(0, len(large), len(grain)):
        band = large[top : top + len(grain)]
        band |= grain[: len(band)]
    return large


def main(
    pixels: Annotated[int, typer.Option(help="Of the film.")] = DEFAULT_LIMITS.max_pixels,
    model: Annotated[list[str] | None, typer.Option(help="Model files or names.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure and print."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        film = Path(scratch) / "film"
        for kind, write in kinds(pixels).items():
            film.write_bytes(write())
            for name in model or ["lite0-int8", "seed-int8"]:
                peak_mib, took_s, said = measure(str(film), "--format", "json", "--model", name)
                row: dict[str, object] = {"kind": kind, "model": name}
                row |= {"file_mib": round(film.stat().st_size / (1 << 20), 1)}
                row |= {"peak_mib": round(peak_mib), "s": round(took_s, 2)}
                rows.append(row | {"answer": json.loads(said)["reason"] or "answered"})
    report({**circumstances(), "pixels": pixels, "rows": rows}, out)


if __name__ == "__main__":
    typer.run(main)
