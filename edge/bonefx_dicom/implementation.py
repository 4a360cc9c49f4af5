"""How bonefx names itself in DICOM networks; what is the same for listener and sender."""

import logging
from typing import Final

from pydicom.uid import UID
from pynetdicom import _config

IMPLEMENTATION_CLASS_UID: Final = UID("2.25.188584355546537990157873879646013585668")
"""Of bonefx as a DICOM implementation (PS3.7 annex D.3.3.2); derived from a UUID (PS3.5 B.2)."""
IMPLEMENTATION_VERSION_NAME: Final = "BONEFX_DICOM_1"
"""Changes only when the file meta information changes: it is part of each film's sha256."""


def silence() -> None:
    """Switch off the logs of pynetdicom and pydicom: they quote values of data sets."""
    _config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
