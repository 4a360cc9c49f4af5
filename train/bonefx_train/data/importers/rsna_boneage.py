"""RSNA bone age 2017: boneage-training-dataset.csv and boneage-training-dataset/ID.png."""

from pathlib import Path
from typing import Final

from bonefx_train.data.importers.films import Film, Found, files_by_stem, read_table
from bonefx_train.data.sample import Label
from bonefx_train.errors import DataError

TABLE: Final = "boneage-training-dataset.csv"
IMAGES: Final = "boneage-training-dataset"


def find_rsna_boneage(root: Path) -> Found:
    """Return the hands of the training part, taken as not fractured.

    Nobody read them for fractures: they were taken to estimate an age. The set has no patients;
    each film is its own group.

    Raises
    ------
    DataError
        The layout is another one.
    """
    images = files_by_stem([root / IMAGES], suffixes=(".png",))
    if not images:
        msg = f"{root}: expected images in {IMAGES}, got none; unpack the archive there"
        raise DataError(msg)
    found = Found()
    for row in read_table(root / TABLE, columns=("id", "boneage")):
        path = images.get(row["id"])
        if path is None:
            found.left_out["not there"] += 1
        else:
            found.films.append(
                Film(path=path, label=Label.NOT_FRACTURED, group=row["id"], body_part="hand")
            )
    return found
