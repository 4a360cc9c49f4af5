"""Kinds of files that people send and that are not read, by their first bytes."""

import re
from typing import Final, NamedTuple


class OtherKind(NamedTuple):
    """A kind of file, and how to get a radiograph out of it."""

    name: str
    advice: str


_HEAD_BYTES: Final = 1024
"""A PDF may begin within so many bytes."""
_SAVE: Final = "Save the radiograph as PNG, or send the DICOM file."
_UNPACK: Final = "Unpack it and send the images."
_EXPORT: Final = "Export the radiograph as DICOM or PNG."
_KINDS: Final = (
    (rb"RIFF....WEBP", "WebP picture", _SAVE),
    (rb"....ftypavi[fs]", "AVIF picture", _SAVE),
    (rb"....ftyp(hei|hev|mif1|msf1)", "HEIC picture", _SAVE),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL picture", _SAVE),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000 picture", _SAVE),
    (rb"II\xbc\x01", "JPEG XR picture", _SAVE),
    (rb"GIF8[79]a", "GIF picture", _SAVE),
    (rb"8BPS", "Photoshop picture", _SAVE),
    (rb"P[1-7]\s", "PNM picture", _SAVE),
    (rb"\0\0[\x01\x02]\0.\0", "Windows icon", _SAVE),
    (rb".{0,1000}%PDF-", "PDF document", _EXPORT),
    (rb"%!PS", "PostScript document", _EXPORT),
    (rb"\xd0\xcf\x11\xe0", "Office document", _EXPORT),
    (rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|word/|ppt/|xl/)", "Office document", _EXPORT),
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "zip archive", _UNPACK),
    (rb"\x1f\x8b", "gzip archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "RAR archive", _UNPACK),
    (rb"BZh[1-9]", "bzip2 archive", _UNPACK),
    (rb"\xfd7zXZ\0", "xz archive", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "Zstandard archive", _UNPACK),
    (rb".{257}ustar", "tar archive", _UNPACK),
    (rb"....ftyp|RIFF....AVI |\x1a\x45\xdf\xa3", "video", _EXPORT),
    (rb".{344}(n\+1|ni1)\0", "NIfTI volume", _EXPORT),
    (rb"NRRD0", "NRRD volume", _EXPORT),
    (
        rb"(\xef\xbb\xbf)?\s*(<\?xml|<svg|<!(doctype|DOCTYPE)|<html|<HTML)",
        "web page or XML text",
        _EXPORT,
    ),
)
"""Pattern of the first bytes, name, advice; the first that fits."""


def find_other_kind(data: bytes) -> OtherKind | None:
    """Return the kind of a file that no decoder reads, or None where it is not known."""
    head = data[:_HEAD_BYTES]
    for pattern, name, advice in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            return OtherKind(name, advice)
    return None
