"""From a film and its result to the DICOM objects that a site wants of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from bonefx_edge.errors import Reason

from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.encode import Reference, ResultObject
from bonefx_dicom.results.film import NoStudyError, read_film
from bonefx_dicom.results.structured_report import build_report


class ObjectKind(StrEnum):
    """The objects that a result can become."""

    SR = "sr"
    """Structured report: what a program reads."""


def build_objects(
    data: bytes,
    record: Mapping[str, Any],
    when: datetime,
    *,
    kinds: Collection[ObjectKind] = (ObjectKind.SR,),
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
        What to build. The picture needs a film that can be decoded, the regions need some.
    replaces
        The structured report of an older result for this film, or None.

    Raises
    ------
    NoStudyError
        The file is not a radiograph in DICOM, or does not name its study.
    """
    if record["reason"] == Reason.WRONG_MODALITY:
        msg = "The file is not a radiograph: nothing is added to its study."
        raise NoStudyError(msg)
    film, content = read_film(data), ResultContent.from_record(record)
    found = []
    if ObjectKind.SR in kinds:
        found.append(build_report(film, content, when, replaces=replaces))
    return found
