"""Options of `edge-dicom listen`: who may send, where films are stored, which limits hold."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError

from bonefx_dicom.ae_title import check_ae_title

ANY: Final = "*"
"""In place of a calling AE title."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Peer:
    """A sender that may open an association."""

    ae_title: str
    """Calling AE title; `ANY` for each."""
    network: Network
    """Addresses that it may have."""

    @classmethod
    def parse(cls, text: str) -> "Peer":
        """Return the peer of TITLE@ADDRESS or TITLE@NETWORK/BITS.

        Raises
        ------
        UsageError
            It is written otherwise.
        """
        title, _, address = text.rpartition("@")
        try:
            network = ipaddress.ip_network(address)
        except ValueError as err:
            msg = (
                f"--allow: expected TITLE@ADDRESS such as DX1@192.168.1.20, got {text!r} "
                f"({err}); a network is written 192.168.1.0/24"
            )
            raise UsageError(msg) from err
        return cls(title if title == ANY else check_ae_title(title, option="--allow"), network)

    def has(self, address: str) -> bool:
        """Return whether this peer may have an address."""
        return ipaddress.ip_address(address) in self.network


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; a client without a certificate of `client_ca` is refused."""

    certificate: Path
    """Certificate of this node, followed by those between it and its root."""
    key: Path
    client_ca: Path
    """Certificates that sign those of the senders."""


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Options of `edge-dicom listen`."""

    folder: Path
    """Where films are stored: the watched folder, or a folder in it."""
    ae_title: str
    """Called AE title: another one is rejected."""
    peers: tuple[Peer, ...]
    port: int = 11112
    """0 for any free one."""
    address: str = "0.0.0.0"  # noqa: S104 - senders are other machines; `peers` says which
    """Of the network card to listen on."""
    tls: TlsFiles | None = None
    min_free_mib: int = 200
    """Free space on the disk of `folder` below which no film is stored, MiB."""
    max_associations: int = 24
    """Established at a time."""
    secondary_capture: bool = False
    """Whether Secondary Capture is accepted too: some film digitizers send it."""
    health_port: int | None = None
    """Port on 127.0.0.1, 0 for any free one; None: no health server."""
