"""From a film and its result to the DICOM objects that a site wants of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from bonefx_edge.decode.options import DecodeOptions
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.errors import Reason

from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.encode import Reference, ResultObject
from bonefx_dicom.results.film import Film, NoStudyError, read_film
from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind
from bonefx_dicom.results.presentation_state import build_presentation
from bonefx_dicom.results.structured_report import build_report

_VOI: Final = (GrayMapping.VOI_LUT, GrayMapping.VOI_WINDOW, GrayMapping.VOI_ALTERNATIVE)
"""Where the film has a usable VOI LUT or window."""


def build_objects(
    data: bytes,
    record: Mapping[str, Any],
    when: datetime,
    *,
    kinds: Collection[ObjectKind] = DEFAULT_KINDS,
    replaces: Reference | None = None,
) -> list[ResultObject]:
    """Return the objects of a result, in the order of `ObjectKind`.

    A refused film and one in color have no presentation state.

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
    film, content = _read(data, record)
    found: list[ResultObject | None] = []
    if ObjectKind.SR in kinds:
        found.append(build_report(film, content, when, replaces=replaces))
    if ObjectKind.SC in kinds:
        # Here: OpenCV is not loaded for a report alone.
        from bonefx_dicom.results.secondary_capture import build_capture

        options = DecodeOptions.of(record["accepted"])
        found.append(build_capture(film, content, when, data, options=options))
    if ObjectKind.GSPS in kinds:
        has_voi = record["gray_mapping"] in _VOI
        found.append(build_presentation(film, content, when, has_voi=has_voi))
    return [each for each in found if each is not None]


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
