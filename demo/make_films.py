"""Fill a folder with films for the demo: drawn ones, and the CR DICOM files of pydicom-data.

    python demo/make_films.py FOLDER

The drawn films show what the table looks like; what a network says of a drawing means nothing. The
DICOM files are real computed radiographs: a chest (out of scope, must be refused) and a lower leg,
MONOCHROME1, each uncompressed and as JPEG 2000.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pydicom.data
from numpy.typing import NDArray

HEIGHT, WIDTH = 900, 600
"""Pixels of a drawn film."""
DICOM_FILES = ("RG1_UNCR.dcm", "RG1_J2KR.dcm", "RG3_UNCR.dcm", "RG3_J2KR.dcm")


def draw_forearm(*, gap_px: int, seed: int) -> NDArray[np.uint8]:
    """Return a drawn forearm, (900, 600) uint8; `gap_px` shifts the lower half of one bone."""
    film = np.full((HEIGHT, WIDTH), 12, np.uint8)
    cv2.ellipse(film, (WIDTH // 2, HEIGHT // 2), (170, 520), 0, 0, 360, 70, -1)  # soft tissue
    for center, shift in ((230, 0), (360, gap_px)):
        middle = HEIGHT // 2
        cv2.rectangle(film, (center - 38, 30), (center + 38, middle - shift // 3), 190, -1)
        cv2.rectangle(
            film, (center - 38 + shift, middle), (center + 38 + shift, HEIGHT - 30), 190, -1
        )
        cv2.rectangle(film, (center - 14, 30), (center + 14, middle - shift // 3), 140, -1)
    film = cv2.GaussianBlur(film, (0, 0), 6)
    grain = np.random.default_rng(seed).normal(0, 4, film.shape)
    return np.clip(film + grain, 0, 255).astype(np.uint8)


def main(folder: Path) -> None:
    """Write the films; what is there already is written again."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = draw_forearm(gap_px=0, seed=1)
    cv2.imwrite(str(folder / "drawn-forearm.png"), whole)
    cv2.imwrite(str(folder / "drawn-forearm-gap.jpg"), draw_forearm(gap_px=45, seed=2))
    cv2.imwrite(str(folder / "drawn-blank.png"), np.full((HEIGHT, WIDTH), 30, np.uint8))
    half = cv2.imencode(".jpg", whole)[1].tobytes()
    (folder / "drawn-half-sent.jpg").write_bytes(half[: len(half) // 2])
    for name in DICOM_FILES:
        source = pydicom.data.get_testdata_file(name, download=False)
        if source is None:
            msg = f"expected {name} from pydicom-data, found none; run: pip install pydicom-data"
            raise SystemExit(msg)
        (folder / name).write_bytes(Path(str(source)).read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
