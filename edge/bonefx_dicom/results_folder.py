"""Write the objects of a result into a folder; of a report, find the one that it replaces."""

import hashlib
import warnings
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.decode.dicom.guard import PYDICOM_ERRORS
from bonefx_edge.errors import OutputError
from bonefx_edge.watch.files import write_file
from pydicom import dcmread

from bonefx_dicom.results.build import build_objects, build_result_report
from bonefx_dicom.results.encode import Reference, ResultObject
from bonefx_dicom.results.film import read_film
from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind

_HASH_DIGITS: Final = 8
"""Of the object's sha256, in its file name."""


def write_objects(
    folder: Path,
    data: bytes,
    record: Mapping[str, Any],
    when: datetime,
    *,
    kinds: Collection[ObjectKind] = DEFAULT_KINDS,
) -> list[Path]:
    """Write the objects of a result, and return their files; what is there already stays.

    The parameters are those of `build_objects`. The names begin with the SOP Instance UID of the
    film. A report for a film that has one in the folder with another content names it as its
    predecessor.

    Raises
    ------
    NoStudyError
        As `build_objects`.
    OutputError
        The folder cannot be written to, or holds a damaged report.
    """
    film_uid = read_film(data).sop_instance_uid
    replaces = None
    if ObjectKind.SR in kinds:
        replaces = _predecessor(folder, film_uid, data, record, when)
    objects = build_objects(data, record, when, kinds=kinds, replaces=replaces)
    return [_write(folder, film_uid, each) for each in objects]


def _predecessor(
    folder: Path, film_uid: str, data: bytes, record: Mapping[str, Any], when: datetime
) -> Reference | None:
    """Return the report that a new one replaces; for a report that is there, its own."""
    reports = _read_reports(folder, film_uid)
    replaced = {older.sop_instance_uid for older in reports.values() if older is not None}
    latest = [each for each in reports if each.sop_instance_uid not in replaced]
    for report in latest:
        if build_result_report(data, record, when, replaces=reports[report]).reference == report:
            return reports[report]
    return latest[-1] if latest else None


def _read_reports(folder: Path, film_uid: str) -> dict[Reference, Reference | None]:
    """Return the reports for a film in a folder, in order of their names: each with the older."""
    found: dict[Reference, Reference | None] = {}
    for path in sorted(folder.glob(f"{film_uid}-{ObjectKind.SR}-*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns with values
            try:
                report = dcmread(path)
                named = report.get("PredecessorDocumentsSequence")
                older = _reference(named[0]) if named else None
                series = report.SeriesInstanceUID
                found[
                    Reference(
                        report.StudyInstanceUID, series, report.SOPClassUID, report.SOPInstanceUID
                    )
                ] = older
            except PYDICOM_ERRORS as err:
                msg = f"{path}: cannot be read as a report of bonefx. Remove the file."
                raise OutputError(msg) from err
    return found


def _reference(study: Any) -> Reference:
    series = study.ReferencedSeriesSequence[0]
    instance = series.ReferencedSOPSequence[0]
    return Reference(
        study.StudyInstanceUID,
        series.SeriesInstanceUID,
        instance.ReferencedSOPClassUID,
        instance.ReferencedSOPInstanceUID,
    )


def _write(folder: Path, film_uid: str, result: ResultObject) -> Path:
    """Write one object, all or nothing."""
    digits = hashlib.sha256(result.data).hexdigest()[:_HASH_DIGITS]
    path = folder / f"{film_uid}-{result.kind}-{digits}.dcm"
    try:
        if not path.exists():
            write_file(path, result.data)
    except OSError as err:
        msg = (
            f"{path}: cannot write the DICOM result ({err.strerror}). Free disk space, or name "
            "another folder."
        )
        raise OutputError(msg) from err
    return path
