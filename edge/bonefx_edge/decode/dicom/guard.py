"""What pydicom raises on damaged files, and its log that must stay silent."""

import logging
import struct
from typing import Final

from pydicom.errors import BytesLengthException, InvalidDicomError

# pydicom quotes element values in its warnings and log records; none of them may reach a log.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

PYDICOM_ERRORS: Final = (
    # What pydicom 3.0 raises on damaged files, found by fuzzing: it promises no single type.
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    OSError,
)
