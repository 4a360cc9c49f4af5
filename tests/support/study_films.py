"""DICOM films with a patient and a study: DX and CR of FracAtlas pixels, with names as bytes."""

import io
from pathlib import Path

import cv2
import numpy as np
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

DEMO_FILMS = Path(__file__).parents[2] / "demo" / "radiographs"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
CR = "1.2.840.10008.5.1.4.1.1.1"
SC = "1.2.840.10008.5.1.4.1.1.7"
KINDS_OF_FILM = {
    "DX": {},
    "CR": {"sop_class": CR},
    "RG as CR": {"sop_class": CR, "Modality": "RG"},
    "RG as SC": {"sop_class": SC, "Modality": "RG", "ConversionType": "DF"},
}
"""What the listener takes. RG is a digitized film, which has no SOP class of its own."""

NAMES = {
    # Specific Character Set -> Patient's Name, each with characters that ASCII lacks.
    "ISO_IR 192": "Müller^Jürgen=山田^太郎".encode(),
    "ISO_IR 100": "Müller^Jürgen".encode("latin-1"),
    "ISO_IR 144": "Иванов^Иван".encode("iso8859-5"),
    "GB18030": "王^小东".encode("gb18030"),
    "ISO_IR 13": b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3",
    "\\ISO 2022 IR 87": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
    "\\ISO 2022 IR 149": b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
    "ISO 2022 IR 13\\ISO 2022 IR 87": b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"
    b"=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
    "\\ISO 2022 IR 58": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
}
"""The nine character sets of the bar."""


def demo_pixels(name="fractured"):
    """Return the first FracAtlas film of that folder, uint8 (height, width)."""
    path = min((DEMO_FILMS / name).glob("*.jpg"))
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def rg_film(name="RG1_UNCR"):
    """Return a digitized film from the data sets of pydicom."""
    return Path(get_testdata_file(f"{name}.dcm", download=False)).read_bytes()


def film_file(
    pixels=None, *, sop_class=DX, charset=None, name=b"Doe^Jane", identifier=b"4711", **changes
):
    """Return a DX or CR image; a change of None leaves an element out."""
    pixels = np.full((40, 56), 7, np.uint8) if pixels is None else pixels
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = sop_class, "1.2.826.0.1.3680043.8.498.1.3"
    film.StudyInstanceUID, film.SeriesInstanceUID = (
        "1.2.826.0.1.3680043.8.498.1.1",
        "1.2.826.0.1.3680043.8.498.1.2",
    )
    film.Modality = "DX" if sop_class == DX else "CR"
    film.StudyDate, film.StudyTime, film.StudyID = "20261128", "101500", "S1"
    film.AccessionNumber, film.ReferringPhysicianName = "A77", ""
    film.PatientBirthDate, film.PatientSex = "19700101", "F"
    film.InstanceNumber, film.Manufacturer = "3", "Maker"
    film.BodyPartExamined, film.ViewPosition = "WRIST", "PA"
    film.PatientOrientation = ["L", "F"]
    if sop_class == DX:
        film.ImageLaterality, film.PresentationIntentType = "L", "FOR PRESENTATION"
        film.PresentationLUTShape, film.BurnedInAnnotation = "IDENTITY", "NO"
    else:
        film.Laterality = "L"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation = 7, 0
    film.WindowCenter, film.WindowWidth = "128", "256"
    film.PixelData = pixels.tobytes()
    film["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        if value is None:
            delattr(film, keyword)
        else:
            setattr(film, keyword, value)
    texts = {"PatientName": ("PN", name), "PatientID": ("LO", identifier)}
    if charset is not None:
        texts["SpecificCharacterSet"] = ("CS", charset.encode())
    for keyword, (vr, value) in texts.items():
        value += b" " * (len(value) % 2)
        tag = Tag(keyword)
        film[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)  # noqa: FBT003
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    film.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
