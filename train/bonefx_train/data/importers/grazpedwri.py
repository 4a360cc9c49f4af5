"""GRAZPEDWRI-DX: dataset.csv, images_part1 to images_part4, folder_structure/yolov5/labels."""

from pathlib import Path
from typing import Final

from bonefx_train.data.importers.films import Film, Found, files_by_stem, read_table, read_yolo
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError

COLUMNS: Final = (
    *("filestem", "patient_id", "fracture_visible", "diagnosis_uncertain"),
    *("ao_classification", "metal"),
)
IMAGES: Final = (*(f"images_part{part}" for part in range(1, 5)), "images")
"""As the four archives are unpacked: each to its folder, or all to one."""
LABELS: Final = ("folder_structure/yolov5/labels", "yolov5/labels", "labels")
FRACTURE_CLASS: Final = 3
"""boneanomaly, bonelesion, foreignbody, fracture, metal, periostealreaction, pronatorsign,
softtissue, text: counted from 0."""


def find_grazpedwri(root: Path) -> Found:
    """Return the films whose label is sure.

    Fractured: `fracture_visible`. Left out: an uncertain diagnosis, and films without a visible
    fracture that have a fracture class (AO) or a box around a fracture. Such a film may show a
    healed fracture, or one that another view shows.

    Raises
    ------
    DataError
        The layout is another one.
    """
    images = files_by_stem([root / name for name in IMAGES], suffixes=(".png",))
    labels = files_by_stem([root / name for name in LABELS], suffixes=(".txt",))
    for what, files, where in (("images", images, IMAGES), ("boxes", labels, LABELS)):
        if not files:
            msg = f"{root}: expected {what} in {' or '.join(where)}, got none; unpack the archives"
            raise DataError(msg)
    found = Found()
    for row in read_table(root / "dataset.csv", columns=COLUMNS):
        stem = row["filestem"]
        if stem not in images:
            found.left_out["not there"] += 1
            continue
        boxes = read_yolo(labels[stem], box_class=FRACTURE_CLASS) if stem in labels else ()
        is_fractured = _is_one(row["fracture_visible"])
        why = _why_unsure(row, is_fractured=is_fractured, has_boxes=bool(boxes))
        if why:
            found.left_out[why] += 1
            continue
        found.films.append(
            Film(
                path=images[stem],
                label=Label.FRACTURED if is_fractured else Label.NOT_FRACTURED,
                group=row["patient_id"],
                body_part="wrist",
                hardware=_is_one(row["metal"]),
                boxes=boxes,
            )
        )
    return found


def _why_unsure(row: dict[str, str], *, is_fractured: bool, has_boxes: bool) -> str:
    if _is_one(row["diagnosis_uncertain"]):
        return "the set says: diagnosis uncertain"
    if not is_fractured and has_boxes:
        return "a box around a fracture, but no visible fracture"
    if not is_fractured and row["ao_classification"]:
        return "a fracture class (AO), but no visible fracture"
    return ""


def _is_one(cell: str) -> bool:
    """Return whether a flag is set: `1`, or `1.0` as some exports write it."""
    return cell in {"1", "1.0"}
