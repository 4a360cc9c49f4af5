"""Options of `edge-dicom send`."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from bonefx_dicom.results.kinds import DEFAULT_KINDS, ObjectKind
from bonefx_dicom.sender.destination import Destination


@dataclass(frozen=True, slots=True)
class SendOptions:
    """Options of `edge-dicom send`."""

    results: Path
    """Folder of the results: --out of the service."""
    films: tuple[Path, ...]
    """The watched folder, and folders to which films are moved."""
    destinations: tuple[Destination, ...]
    calling: str
    """Own AE title."""
    kinds: tuple[ObjectKind, ...] = DEFAULT_KINDS
    """What to send."""
    tls: ssl.SSLContext | None = None
