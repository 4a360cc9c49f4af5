"""An archive to which results are sent."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError

from bonefx_dicom.ae_title import check_ae_title

_WRITTEN: Final = re.compile(r"(.+)@(?:\[([0-9a-fA-F:.]+)\]|([^@:\[\]\s]+)):(\d{1,5})")
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Destination:
    """An application entity with its address."""

    ae_title: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, option: str = "--to") -> "Destination":
        """Return the destination of TITLE@HOST:PORT; an IPv6 address stands in brackets.

        Raises
        ------
        UsageError
            It is written otherwise.
        """
        found = _WRITTEN.fullmatch(text)
        is_valid = found and 0 < int(found[4]) <= _MAX_PORT and _is_name(found[2] or found[3])
        if found is None or not is_valid:
            msg = f"{option}: expected TITLE@HOST:PORT such as PACS@192.168.1.30:104, got {text!r}"
            raise UsageError(msg)
        title = check_ae_title(found[1], option=option)
        return cls(title, found[2] or found[3], int(found[4]))


def _is_name(host: str) -> bool:
    """Return whether a host can have this name: `socket` raises UnicodeError for others."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files for TLS to the archives."""

    ca: Path
    """Certificates that sign those of the archives."""
    certificate: Path
    key: Path
    """Of this device."""

    def context(self) -> ssl.SSLContext:
        """Return the context of a client that checks certificate and name of the archive.

        Raises
        ------
        UsageError
            A file is missing, cannot be read, or holds something else; key and certificate differ.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as err:
            msg = f"--tls-ca, --tls-cert, --tls-key: expected PEM files, got: {err}"
            raise UsageError(msg) from err
        return context
