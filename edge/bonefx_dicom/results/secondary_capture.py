"""The picture of a result as Secondary Capture, for a PACS that shows no reports."""

from datetime import datetime
from typing import Final

from bonefx_edge.decode.options import DecodeOptions
from bonefx_edge.decode.radiograph import Radiograph
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError
from pydicom.sequence import Sequence
from pydicom.uid import SecondaryCaptureImageStorage

from bonefx_dicom.results.codes import SOURCE_IMAGE, coded
from bonefx_dicom.results.content import WARNING, ResultContent
from bonefx_dicom.results.encode import (
    ResultObject,
    begin_object,
    date_and_time,
    finish_object,
    reference_item,
)
from bonefx_dicom.results.film import Film
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.results.picture import draw_picture

_SERIES_NUMBER: Final = 9802
_COPIED: Final = (
    *("BurnedInAnnotation", "LossyImageCompression", "LossyImageCompressionRatio"),
    "LossyImageCompressionMethod",
)


def build_capture(
    film: Film, content: ResultContent, when: datetime, data: bytes, *, options: DecodeOptions
) -> ResultObject:
    """Return the picture of a result; `data` is the film, `options` those that it needs.

    Its Modality is OT: a rule of a PACS that sends all DX to bonefx must not send it back.
    """
    dataset = begin_object(
        film,
        content,
        sop_class_uid=SecondaryCaptureImageStorage,
        modality="OT",
        number=_SERIES_NUMBER,
    )
    dataset.update(film.copy(_COPIED))
    dataset.update(film.body_part())
    dataset.PatientOrientation = None
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = WARNING
    source = reference_item(film.sop_class_uid, film.sop_instance_uid)
    source.PurposeOfReferenceCodeSequence = coded(SOURCE_IMAGE)
    dataset.SourceImageSequence = Sequence([source])
    dataset.ContentDate, dataset.ContentTime = date_and_time(film, when)
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = date_and_time(film, when)
    dataset.ImageComments = f"{WARNING}. {content.headline}. {content.explanation}"
    radiograph = _decode(data, options)
    picture = draw_picture(
        radiograph.pixels if radiograph else None,
        content,
        film_shape=radiograph.shape if radiograph else (1, 1),
    )
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = picture.shape
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = picture.tobytes()
    dataset.PixelData = pixels + bytes(len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
    return finish_object(ObjectKind.SC, film, dataset)


def _decode(data: bytes, options: DecodeOptions) -> Radiograph | None:
    """Return the film as shown, at a size for a screen; None if it cannot be decoded."""
    try:
        return decode(data, allow_downscale=True, options=options)
    except DecodeError:  # the picture says why, as the result does
        return None
