"""Outcomes of a folder of DICOM files, by modality, transfer syntax and reason.

    python -m benchmarks.corpus DIR... [--model NAME] [--pictures DIR] [--out FILE]

A table of counts, without names of files or values that could name a patient. With `--pictures`
each refused CR, DX or RG file becomes a PNG there, if it can be shown, to be looked at; its name is
that of the file, so this folder stays where the films are. Needs the development environment.
"""

import json
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pydicom
import typer
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode import decode
from bonefx_edge.decode.dicom.guard import PYDICOM_ERRORS
from bonefx_edge.decode.dicom.header import MODALITIES
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Finding
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from benchmarks.machine import circumstances

_UNKNOWN = "none or unknown"
_LONGEST_CODE = 16
"""Of Modality (0008,0060), PS3.5 table 6.2-1: what is longer is no code."""


def dicom_files(folders: list[Path]) -> Iterator[tuple[Path, Dataset]]:
    """Yield every file with the header of a DICOM object, Part 10 or not."""
    for path in sorted(file for folder in folders for file in folder.rglob("*") if file.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        except PYDICOM_ERRORS:
            continue  # no DICOM
        if "SOPClassUID" in header or "Modality" in header:
            yield path, header


def modality_of(header: Dataset) -> str:
    """Return the modality, or a stand-in for a text that is no code."""
    text = str(header.get("Modality") or "").strip().upper()
    return text if text.isalpha() and len(text) <= _LONGEST_CODE else _UNKNOWN


def syntax_of(header: Dataset) -> str:
    """Return the name of the transfer syntax."""
    uid = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    return UID(uid).name if uid else _UNKNOWN


def outcome_of(finding: Finding) -> str:
    """Return "answered" or why not."""
    return "answered" if finding.reason is None else str(finding.reason)


def save_picture(path: Path, *, folder: Path) -> None:
    """Write the picture as bonefx decodes it; if it does not, what pydicom makes of the pixels."""
    try:
        gray = decode(path.read_bytes()).pixels
    except DecodeError:
        gray = _by_pydicom(path)
    if gray is not None:
        cv2.imwrite(str(folder / f"{path.name}.png"), gray)


def _by_pydicom(path: Path) -> NDArray[np.uint8] | None:
    """Return the middle 99 % of the stored values, or None where there is no gray picture."""
    try:
        pixels = np.asarray(pydicom.dcmread(path, force=True).pixel_array, np.float64)
    except (*PYDICOM_ERRORS, RuntimeError) as err:  # RuntimeError: of its decoders
        print(f"no picture of {path.name}: {type(err).__name__}", file=sys.stderr)
        return None
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of DICOM files.", exists=True)],
    model: Annotated[str, typer.Option(help="Model file or name.")] = "lite0-int8",
    pictures: Annotated[Path | None, typer.Option(help="Folder for refused radiographs.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Classify and count."""
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    classifier = Classifier.load(model)
    counts: Counter[tuple[str, str, str]] = Counter()
    for path, header in dicom_files(folders):
        finding = classifier.classify(path)
        kind = modality_of(header)
        counts[kind, syntax_of(header), outcome_of(finding)] += 1
        if pictures and kind in MODALITIES and finding.reason is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            print(f"{path.name}: {finding.reason}: {finding.detail}")
            save_picture(path, folder=pictures)
    rows = [
        {"modality": modality, "transfer_syntax": syntax, "outcome": outcome, "files": count}
        for (modality, syntax, outcome), count in sorted(counts.items())
    ]
    print("| modality | transfer syntax | outcome | files |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    found = {**circumstances(), "model": model, "files": counts.total(), "rows": rows}
    if out:
        out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
