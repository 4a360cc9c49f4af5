"""MURA: train_image_paths.csv, valid_image_paths.csv, XR_PART/patientN/studyN_positive."""

from pathlib import Path, PurePosixPath
from typing import Final

from bonefx_train.data.importers.films import Film, Found
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError

LISTS: Final = ("train_image_paths.csv", "valid_image_paths.csv")
"""One path a line, no head: MURA-v1.1/train/XR_ELBOW/patient00011/study1_negative/image1.png."""
ABNORMAL: Final = "abnormal, which need not be a fracture"
PARTS: Final = 6
"""Of such a path."""


def find_mura(root: Path, *, abnormal_as_fractured: bool) -> Found:
    """Return the films of normal studies, as not fractured.

    `positive` means abnormal: metal, arthritis or a lesion as well as a fracture. Such films are
    left out, or taken as fractured where the caller asks for that. The label is that of the study.

    Raises
    ------
    DataError
        The layout is another one.
    """
    found = Found()
    for name in LISTS:
        for line in _lines(root / name):
            path, part, patient, is_abnormal = _parse(line, where=root / name)
            if not (root / path).is_file():
                found.left_out["not there"] += 1
            elif is_abnormal and not abnormal_as_fractured:
                found.left_out[ABNORMAL] += 1
            else:
                label = Label.FRACTURED if is_abnormal else Label.NOT_FRACTURED
                found.films.append(
                    Film(path=root / path, label=label, group=patient, body_part=part)
                )
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as err:
        msg = f"{path}: expected the list of images, got {err}; give the folder MURA-v1.1"
        raise DataError(msg) from err


def _parse(line: str, *, where: Path) -> tuple[PurePosixPath, str, str, bool]:
    """Return the path below the root, body part, patient, and whether the study is abnormal."""
    parts = PurePosixPath(line).parts
    outcome = parts[-2].rpartition("_")[2] if len(parts) == PARTS else ""
    if outcome not in {"positive", "negative"} or ".." in parts:
        msg = f"{where}: expected paths such as .../study1_negative/image1.png, got {line!r}"
        raise DataError(msg)
    body_part = parts[2].removeprefix("XR_").lower()
    return PurePosixPath(*parts[1:]), body_part, parts[3], outcome == "positive"
