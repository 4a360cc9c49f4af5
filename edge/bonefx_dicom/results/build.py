"""From a film and its result to the DICOM objects that a site wants of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from bonefx_edge.errors import Reason

from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.encode import Reference, ResultObject
from bonefx_dicom.results.film import Film, NoStudyError, read_film
from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind
from bonefx_dicom.results.structured_report import build_report


def build_objects(
    data: bytes,
    record: Mapping[str, Any],
    when: datetime,
    *,
    kinds: Collection[ObjectKind] = DEFAULT_KINDS,
    replaces: Reference | None = None,
) -> list[ResultObject]:
    """Return the objects of a result, in the order of `ObjectKind`.

    Parameters
    ----------
    data
        The film: content of the DICOM file whose sha256 is that of `record`.
    record
        Its finding as JSON, see docs/finding.md.
    when
        Date and time of the result, with a time zone: the same for the same result, as it is part
        of the bytes and so of the UIDs.
    kinds
        What to build.
    replaces
        The structured report of an older result for this film, or None.

    Raises
    ------
    NoStudyError
        The file is not a radiograph in DICOM, or does not name its study.
    """
    _read(data, record)
    found = []
    if ObjectKind.SR in kinds:
        found.append(build_result_report(data, record, when, replaces=replaces))
    return found


def build_result_report(
    data: bytes,
    record: Mapping[str, Any],
    when: datetime,
    *,
    replaces: Reference | None = None,
    is_3d: bool = True,
) -> ResultObject:
    """Return the structured report alone; `is_3d` as for `build_report`.

    Raises
    ------
    NoStudyError
        As `build_objects`.
    """
    film, content = _read(data, record)
    return build_report(film, content, when, replaces=replaces, is_3d=is_3d)


def _read(data: bytes, record: Mapping[str, Any]) -> tuple[Film, ResultContent]:
    if record["reason"] == Reason.WRONG_MODALITY:
        msg = "The file is not a radiograph: nothing is added to its study."
        raise NoStudyError(msg)
    return read_film(data), ResultContent.from_record(record)
