"""Fill a folder with the films of the demo.

    python demo/make_films.py FOLDER

Eight radiographs of demo/radiographs, in the folders of their labels; one of them cut off, as an
upload that was interrupted leaves it; and two DICOM files of pydicom-data, computed radiographs: a
chest, which is not a limb and must be refused, and a lower leg as JPEG 2000, which the default
model refuses as unlike its training films.
"""

import shutil
import sys
from pathlib import Path

import pydicom.data

RADIOGRAPHS = Path(__file__).with_name("radiographs")
DICOM_FILES = {"chest.dcm": "RG1_UNCR.dcm", "lower-leg.dcm": "RG3_J2KR.dcm"}


def main(folder: Path) -> None:
    """Write the films; a folder of an earlier run is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    films = sorted(RADIOGRAPHS.glob("*/*.jpg"))
    for film in films:
        target = folder / film.relative_to(RADIOGRAPHS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, target)
    whole = films[0].read_bytes()
    damaged = folder / "damaged"
    damaged.mkdir()
    (damaged / "half-sent.jpg").write_bytes(whole[: len(whole) // 2])
    dicom = folder / "dicom"
    dicom.mkdir()
    for name, source_name in DICOM_FILES.items():
        source = pydicom.data.get_testdata_file(source_name, download=False)
        if source is None:
            msg = f"expected {source_name}, found none; run: pip install pydicom-data"
            raise SystemExit(msg)
        shutil.copy(str(source), dicom / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
