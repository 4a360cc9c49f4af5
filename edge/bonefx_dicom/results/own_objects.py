"""Objects of bonefx are recognized, so that a result is never classified as a film."""

import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import Final

from bonefx_edge.decode.dicom.preamble import MAGIC, MAGIC_AT

MANUFACTURER: Final = "bonefx"
"""Manufacturer (0008,0070) of every object that bonefx writes."""
DEVICE_UID: Final = "2.25.252872700918435870680775283021274195642"
"""Device UID (0018,1002) of every object that bonefx writes: of the product, not of one device."""
HEAD_BYTES: Final = 1 << 16
"""Of a file, that hold both elements: they are in front of content and pixels."""
_MANUFACTURER_TAG: Final = 0x00080070
_DEVICE_UID_TAG: Final = 0x00181002


def is_own_file(path: Path | bytes) -> bool:
    """Return whether a file is an object that bonefx wrote; not for one that cannot be read."""
    try:
        # O_NONBLOCK: a pipe without a writer would wait forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # the classifier refuses the file and says why
        return False
    try:
        head = os.read(descriptor, MAGIC_AT + len(MAGIC))
        if not head.startswith(MAGIC, MAGIC_AT):
            return False
        return is_own_object(head + os.read(descriptor, HEAD_BYTES))
    except OSError:
        return False
    finally:
        os.close(descriptor)


def is_own_object(head: bytes) -> bool:
    """Return whether DICOM data, or the first `HEAD_BYTES` of them, are an object of bonefx.

    Manufacturer and Device UID must both be those of bonefx, at the top of the data set: an object
    of another maker may name bonefx deeper, for instance as contributing equipment.
    """
    if DEVICE_UID.encode("ascii") not in head or not head.startswith(MAGIC, MAGIC_AT):
        return False  # nearly all films: pydicom is not imported for them
    from bonefx_edge.decode.dicom.guard import PYDICOM_ERRORS
    from pydicom.filereader import read_partial

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns with values
        try:
            found = read_partial(
                BytesIO(head),
                stop_when=lambda tag, _vr, _length: tag > _DEVICE_UID_TAG,
                specific_tags=[_MANUFACTURER_TAG, _DEVICE_UID_TAG],
            )
            manufacturer, device = found.get("Manufacturer"), found.get("DeviceUID")
        except PYDICOM_ERRORS:
            return False  # damaged: the decoder refuses it, with a reason
    return bool(manufacturer == MANUFACTURER and device == DEVICE_UID)
