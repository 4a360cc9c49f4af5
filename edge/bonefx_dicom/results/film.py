"""The header of a film, and what a result object copies from it, byte for byte."""

import copy
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from bonefx_edge.decode.dicom.guard import PYDICOM_ERRORS
from bonefx_edge.decode.dicom.preamble import add_preamble, lacks_preamble
from bonefx_edge.errors import BonefxError
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag, Tag

COPIED: Final = (
    *("SpecificCharacterSet", "TimezoneOffsetFromUTC"),
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""Patient and study, PS3.3 C.7.1.1, C.7.2.1, C.7.2.2: what puts an object into a study."""
_ALWAYS: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
"""Type 2: present in every object, empty where the film does not say."""
_OF_THE_FILM: Final = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber", "Modality"),
    *("Laterality", "ImageLaterality", "PatientOrientation", "BodyPartExamined", "ViewPosition"),
    *("BurnedInAnnotation", "LossyImageCompression", "LossyImageCompressionRatio"),
    *("LossyImageCompressionMethod", "Rows", "Columns", "PixelRepresentation"),
    *("PhotometricInterpretation", "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"),
    *("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
    *("VOILUTSequence", "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge"),
    *("ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge", "CenterOfCircularShutter"),
    *("RadiusOfCircularShutter", "VerticesOfThePolygonalShutter"),
)
_SIDES: Final = ("ImageLaterality", "Laterality")
"""Of the image, of the series; one of them is enough."""
_READ: Final = (*COPIED, *_OF_THE_FILM)
_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
"""In the order of the fields of `Film`."""
_UID: Final = re.compile(r"[0-9.]{1,64}")
_OFFSET: Final = re.compile(r"[+-][0-9]{4}")


class NoStudyError(BonefxError):
    """A file has no study to which a result could be added; `code` says it for logs."""

    code = "no_study"


@dataclass(frozen=True, slots=True)
class Film:
    """The elements of a film that result objects need; texts are not decoded."""

    header: Dataset
    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str

    def text(self, keyword: str) -> str:
        """Return a value of ASCII characters, without spaces at its ends; "" where absent."""
        raw = raw_value(self.header, keyword)
        return raw.decode("ascii", "replace").strip(" \0")

    @property
    def utc_offset(self) -> str | None:
        """Timezone Offset From UTC (0008,0201), such as +0100; None where absent or wrong."""
        found = self.text("TimezoneOffsetFromUTC")
        return found if _OFFSET.fullmatch(found) else None

    def copy(self, keywords: Iterable[str]) -> Dataset:
        """Return those elements that the film has, with its bytes and the standard's VR."""
        found: dict[BaseTag, DataElement | RawDataElement] = {}
        for keyword in keywords:
            tag = Tag(keyword)
            if tag in self.header:
                found[tag] = _explicit(self.header.get_item(tag))
        return Dataset(found)

    def body_part(self) -> Dataset:
        """Return body part and side of the film; an empty side alone if it names none.

        A paired part requires a side, any other forbids it (PS3.3 C.7.3.1): without side, a list
        of paired parts would have to decide.
        """
        for side in _SIDES:
            if self.text(side):
                return self.copy((side, "BodyPartExamined"))
        unknown = Dataset()
        unknown.Laterality = None
        return unknown

    def sequences(self, keywords: Iterable[str]) -> Dataset:
        """Return those sequences of lookup tables that the film has, with explicit VRs."""
        found = Dataset()
        for keyword in keywords:
            if keyword in self.header:
                found[keyword] = copy.deepcopy(self.header[keyword])
        # Whether a table begins at a negative value depends on the pixels of the film.
        found.PixelRepresentation = self.header.get("PixelRepresentation", 0)
        found = correct_ambiguous_vr(found, is_little_endian=True)
        del found.PixelRepresentation
        return found

    def context(self) -> Dataset:
        """Return a data set with the patient and study of the film."""
        dataset = self.copy(COPIED)
        for keyword in _ALWAYS:
            if keyword not in dataset:
                setattr(dataset, keyword, None)
        return dataset


def read_film(data: bytes) -> Film:
    """Return the header of the film in `data`, the content of a DICOM file.

    Raises
    ------
    NoStudyError
        The data are not DICOM, or lack one of the four UIDs that name study, series and film.
    """
    if lacks_preamble(data):
        data = add_preamble(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns with values
        try:
            header = dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=[*_READ])
            uids = [raw_value(header, keyword).decode("ascii").strip(" \0") for keyword in _UIDS]
        except PYDICOM_ERRORS as err:
            msg = "The file is not DICOM that can be read: no result can be added to its study."
            raise NoStudyError(msg) from err
    if not all(map(_UID.fullmatch, uids)):
        msg = (
            "The DICOM header lacks the UID of study, series or image: no result can be added to "
            "its study. Export it again from the PACS."
        )
        raise NoStudyError(msg)
    return Film(header, *uids)


def raw_value(dataset: Dataset, keyword: str) -> bytes:
    """Return the undecoded value of an element; empty where it is absent."""
    tag = Tag(keyword)
    if tag not in dataset:
        return b""
    value: bytes | None = dataset.get_item(tag).value
    return value or b""


def _explicit(element: DataElement | RawDataElement) -> DataElement | RawDataElement:
    """Return an element as read, with the VR that an implicit film leaves out, of even length."""
    if not isinstance(element, RawDataElement):
        return element
    value = element.value or b""
    padded = value + b" " * (len(value) % 2)
    return element._replace(
        VR=dictionary_VR(element.tag),
        value=padded,
        length=len(padded),
        is_implicit_VR=False,
        is_little_endian=True,
    )
