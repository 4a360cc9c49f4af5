"""The elements of a DICOM file that bonefx reads, and the kinds of image that it refuses."""

from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import Tag

from bonefx_edge.decode.dicom.layout import OVERLAY_BIT_POSITIONS
from bonefx_edge.decode.dicom.numbers import integer_value
from bonefx_edge.decode.dicom.syntaxes import JPEG_BASELINE
from bonefx_edge.decode.options import DecodeOptions, SiteSwitch
from bonefx_edge.decode.refusals import refuse_corrupt, refuse_truncated
from bonefx_edge.errors import DecodeError, Reason

MODALITIES: Final = frozenset({"CR", "DX", "RG"})
"""Computed radiography, digital radiography, digitized film: Modality (0008,0060)."""
_KEYWORDS: Final = [
    "SpecificCharacterSet",
    "SOPClassUID",
    "PresentationIntentType",
    "Modality",
    "PatientAge",
    "PatientBirthDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyDate",
    "BodyPartExamined",
    "AnatomicRegionSequence",
    "CodeValue",
    "CodeMeaning",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTFunction",
    "ModalityLUTSequence",
    "LUTDescriptor",
    "LUTData",
    "VOILUTSequence",
    "PresentationLUTShape",
    "ShutterShape",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "CenterOfCircularShutter",
    "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
    "PixelData",
]
"""All that is ever read: name and identifier of the patient never enter memory as values. Dates
give the age, see `age`, and are not kept."""
_TAGS: Final = (*(Tag(keyword) for keyword in _KEYWORDS), *OVERLAY_BIT_POSITIONS)
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""Media Storage SOP Class UID of a DICOMDIR: an index without an image."""
_RAW_X_RAY: Final = "1.2.840.10008.5.1.4.1.1.1.1.1"
"""SOP Class UID Digital X-Ray Image Storage - For Processing (PS3.4 B.5)."""
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_META_AT: Final = 132
"""Bytes before the file meta information: preamble and "DICM"."""
_GROUP_AT: Final = 144
"""Bytes before the first element that File Meta Information Group Length (0002,0000) counts."""
_META_BYTES: Final = 1 << 16
"""The file meta information is a few hundred bytes."""
_UNDEFINED: Final = 0xFFFFFFFF
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_LARGEST_VALUE_BYTES: Final = 1 << 24
"""Of an element that is looked at: a sequence of a hundred lookup tables of 65,536 entries."""
_INVERSES: Final = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
"""The only Presentation LUT Shape that fits each photometric interpretation (PS3.3 C.7.6.1)."""
_GRAY: Final = frozenset({(1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB")})
"""Samples per pixel with photometric interpretation; RGB only where all samples are equal."""
_GRAY_JPEG: Final = _GRAY | {(3, "YBR_FULL"), (3, "YBR_FULL_422")}
"""The same in baseline JPEG, whose color is luminance and chroma."""
_QUOTABLE: Final = frozenset(
    [
        "CR",
        "DX",
        "RG",
        "CT",
        "MR",
        "US",
        "MG",
        "NM",
        "PT",
        "XA",
        "RF",
        "SR",
        "PR",
        "KO",
        "OT",
        "DOC",
        "SEG",
        "IO",
        "PX",
        "ECG",
        "REG",
        "XC",
        "ES",
        "OP",
        "SM",
        "RTDOSE",
        "RTIMAGE",
        "RTPLAN",
        "RTSTRUCT",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_ICT",
        "YBR_RCT",
        "MONOCHROME1",
        "MONOCHROME2",
        "IDENTITY",
        "INVERSE",
    ]
) | {"PALETTE COLOR"}
"""Header values that may stand in a message: words of the standard, none of a person."""


def read_elements(data: bytes) -> tuple[Dataset, str]:
    """Return the elements of `_KEYWORDS` and the transfer syntax UID.

    Raises
    ------
    DecodeError
        UNSUPPORTED, TRUNCATED, CORRUPT; WRONG_MODALITY for a whole object without an image.
    """
    meta = read_dataset(
        BytesIO(data[_META_AT : _META_AT + _META_BYTES]),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >> 16 != 2,  # noqa: PLR2004 - group 0002
    )
    transfer_syntax = str(meta.get("TransferSyntaxUID", ""))
    if transfer_syntax == _DEFLATED:
        msg = "This kind of DICOM is not read (deflated as a whole). Send the file uncompressed."
        raise DecodeError(Reason.UNSUPPORTED, msg)
    group_bytes = integer_value(meta, "FileMetaInformationGroupLength", default=0)
    if _GROUP_AT + group_bytes > len(data) or (not group_bytes and not transfer_syntax):
        refuse_truncated("whole file meta information (group 0002)")
    if not transfer_syntax:
        refuse_corrupt("Transfer Syntax UID (0002,0010), it is missing")
    if meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        msg = "The file is a DICOMDIR, an index of images. Send the images."
        raise DecodeError(Reason.WRONG_MODALITY, msg)
    # Pixel data stay where they are: of what is larger, position and length are enough.
    stream, end = BytesIO(data), 0

    def note_end(_tag: object, _vr: str | None, length: int) -> bool:
        nonlocal end
        is_closed = length == _UNDEFINED and data.endswith(_SEQUENCE_END)
        end = len(data) if is_closed else stream.tell() + length
        return False

    dataset = read_partial(
        stream, note_end, defer_size=_LARGEST_VALUE_BYTES, specific_tags=[*_TAGS]
    )
    if "PixelData" not in dataset and end == len(data):
        msg = "This DICOM object holds no image: it is whole, without Pixel Data. Send the image."
        raise DecodeError(Reason.WRONG_MODALITY, msg)
    return dataset, transfer_syntax


def check_kind(dataset: Dataset, *, transfer_syntax: str) -> None:
    """Refuse everything but one gray picture of a radiograph, meant to be looked at."""
    modality = text_value(dataset, "Modality")
    # Without pixel data an unknown word may be a known one cut short, with the rest of the file.
    if modality not in MODALITIES and (modality in _QUOTABLE or "PixelData" in dataset):
        msg = f"Not a radiograph: DICOM modality {_quote(modality)}. Send CR, DX or RG images."
        raise DecodeError(Reason.WRONG_MODALITY, msg)
    # The intent is mandatory in DX images, and left out by some; the SOP class says it as well.
    raw_class = text_value(dataset, "SOPClassUID") == _RAW_X_RAY
    if raw_class or text_value(dataset, "PresentationIntentType") == "FOR PROCESSING":
        msg = "Raw detector data (FOR PROCESSING). Send the image FOR PRESENTATION."
        raise DecodeError(Reason.NOT_FOR_PRESENTATION, msg)
    if "PixelData" not in dataset:
        refuse_truncated("whole Pixel Data (7FE0,0010)")
    frames = integer_value(dataset, "NumberOfFrames", default=1)
    samples = integer_value(dataset, "SamplesPerPixel", default=1)
    photometric = text_value(dataset, "PhotometricInterpretation")
    # Some exporters write 0 frames for one, and gray films as color.
    kinds = _GRAY_JPEG if transfer_syntax == JPEG_BASELINE else _GRAY
    if frames not in (0, 1) or (samples, photometric) not in kinds:
        msg = (
            f"Not one gray image ({frames} frames, {samples} samples per pixel, "
            f"{_quote(photometric)}). Send single MONOCHROME1 or MONOCHROME2 images."
        )
        raise DecodeError(Reason.UNSUPPORTED, msg)


def check_shape(dataset: Dataset, *, options: DecodeOptions) -> tuple[SiteSwitch, ...]:
    """Refuse a Presentation LUT Shape that contradicts the photometric interpretation.

    Viewers disagree: dcm4che follows the shape, others the photometric interpretation. Where
    `options` accept the contradiction, the latter counts, and the switch is returned.
    """
    photometric = text_value(dataset, "PhotometricInterpretation")
    shape = text_value(dataset, "PresentationLUTShape")
    if shape in ("", _INVERSES.get(photometric, shape)):
        return ()
    switch = SiteSwitch.PRESENTATION_LUT_SHAPE
    advice = "Correct the header, or export it again"
    if shape in _INVERSES.values():  # not a third word, which means nothing
        if switch in options.accept:
            return (switch,)
        advice += f", or see the option --accept {switch}"
    msg = (
        f"The DICOM header contradicts itself about black and white ({photometric} with "
        f"Presentation LUT Shape {_quote(shape)}). {advice}."
    )
    raise DecodeError(Reason.UNSUPPORTED, msg)


def text_value(dataset: Dataset, keyword: str) -> str:
    """Return a text value in capitals without spaces at its ends; "" where absent."""
    return str(dataset.get(keyword) or "").strip().upper()


def read_anatomic_region(dataset: Dataset) -> tuple[str, ...]:
    """Return codes and their meanings in Anatomic Region Sequence (0008,2218), in capitals."""
    items = dataset.get("AnatomicRegionSequence") or ()
    texts = [text_value(item, name) for item in items for name in ("CodeValue", "CodeMeaning")]
    return tuple(text for text in texts if text)


def _quote(text: str) -> str:
    """Return a value for a message, or a stand-in: a damaged file may hold anything there."""
    return text if text in _QUOTABLE else "another value" if text else "none"
