"""Finish an object: equipment, dates and UIDs; the same content always gives the same bytes."""

import hashlib
import uuid
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any, Final

from bonefx_edge import __version__
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.film import Film
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.results.own_objects import DEVICE_UID, MANUFACTURER

_NAMESPACE: Final = uuid.UUID(int=int(DEVICE_UID.removeprefix("2.25.")))
_LONG_TEXT: Final = 64
"""Characters of a value of VR LO (PS3.5 section 6.2)."""
_IMPLEMENTATION: Final = "BONEFX"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in a study, as another object names it."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One DICOM object of a result."""

    kind: ObjectKind
    reference: Reference
    data: bytes
    """A DICOM Part 10 file in Explicit VR Little Endian; the same for the same input."""


def derive_uid(*parts: str) -> str:
    """Return the UID of these texts, derived from a UUID (PS3.5 section B.2).

    >>> derive_uid("a") == derive_uid("a"), derive_uid("a", "b") == derive_uid("b", "a")
    (True, False)
    """
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(parts)).int}"


def begin_object(
    film: Film, content: ResultContent, *, sop_class_uid: str, modality: str, number: int
) -> Dataset:
    """Return an object with its patient, study, series and equipment.

    `number` is its Series Number. All results of one kind for the films of one series are in one
    series.
    """
    dataset = film.context()
    dataset.SOPClassUID = sop_class_uid
    dataset.Modality = modality
    dataset.SeriesNumber = number
    dataset.SeriesDescription = "bonefx AI result, not for diagnosis"
    dataset.SeriesInstanceUID = derive_uid("series", film.study_uid, film.series_uid, modality)
    number_text = film.text("InstanceNumber")
    dataset.InstanceNumber = number_text if number_text.isdecimal() else "1"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = f"bonefx {content.model_name}"[:_LONG_TEXT]
    dataset.DeviceSerialNumber = content.model_sha256[:_LONG_TEXT]
    dataset.SoftwareVersions = [f"bonefx {__version__}", content.model_version[:_LONG_TEXT]]
    dataset.DeviceUID = DEVICE_UID
    return dataset


def date_and_time(film: Film, when: datetime) -> tuple[str, str]:
    """Return DA and TM of a moment, in the time zone that the film names, else that of `when`."""
    if film.utc_offset is not None:
        sign = -1 if film.utc_offset.startswith("-") else 1
        hours, minutes = int(film.utc_offset[1:3]), int(film.utc_offset[3:])
        when = when.astimezone(timezone(sign * timedelta(hours=hours, minutes=minutes)))
    return when.strftime("%Y%m%d"), when.strftime("%H%M%S")


def finish_object(kind: ObjectKind, film: Film, dataset: Dataset) -> ResultObject:
    """Return the object with its SOP Instance UID: a hash of all else that is in it.

    So two objects with one UID have the same bytes, which a PACS may take twice without harm.
    """
    dataset.SOPInstanceUID = derive_uid("instance", hashlib.sha256(_encode(dataset)).hexdigest())
    reference = Reference(
        film.study_uid, dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(DEVICE_UID)
    dataset.file_meta.ImplementationVersionName = _IMPLEMENTATION
    return ResultObject(kind, reference, _encode(dataset, enforce_file_format=True))


def reference_item(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Return an item of Referenced SOP Sequence (PS3.3 section 10.8)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def evidence(reference: Reference) -> Sequence:
    """Return one object as study, series and instance (PS3.3 table C.17-3)."""
    series, study = Dataset(), Dataset()
    series.ReferencedSOPSequence = Sequence(
        [reference_item(reference.sop_class_uid, reference.sop_instance_uid)]
    )
    series.SeriesInstanceUID = reference.series_uid
    study.ReferencedSeriesSequence = Sequence([series])
    study.StudyInstanceUID = reference.study_uid
    return Sequence([study])


def _encode(dataset: Dataset, **options: Any) -> bytes:
    """Return the bytes of a data set; texts of the film as they came."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about the film's texts, with values
        dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, **options)
    return buffer.getvalue()
