"""What `edge-page serve` was given."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.journal.states import JOURNAL_FOLDER

DATA_FOLDER: Final = "page"
"""In the folder of results, unless another is given."""
PICTURES_FOLDER: Final = "pictures"
"""The same, for the pictures that the service writes."""
_HOST_NAME: Final = re.compile("[A-Za-z0-9._-]+")
LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders, address and who may ask."""

    out: Path
    """Folder of the results."""
    journal: Path
    """Folder of the journal."""
    data: Path
    """Folder of the users, verdicts and the audit log."""
    pictures: Path
    """Folder of the pictures that the service writes."""
    host: str = LOOPBACK[0]
    """Address to listen on."""
    port: int = 8080
    names: tuple[str, ...] = ()
    """Names under which browsers may ask, beside those of this computer."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    """Whether a proxy on this computer adds TLS."""
    health_port: int | None = None
    """Of the service, on 127.0.0.1."""
    site_profile: Path | None = None
    """That of the service; a commissioning from the page writes it."""
    commission_from: Path | None = None
    """In it, folders and CSV files with films for a commissioning."""
    commission_options: tuple[str, ...] = ()
    """Model, mode and site switches of the service, as options of `edge-admin commission`."""

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers come by TLS."""
        return self.tls_cert is not None or self.behind_proxy

    @property
    def hosts(self) -> list[str]:
        """Return the values of the Host header that are answered, without port."""
        return ["127.0.0.1", "localhost", *self.names]


def default_folders(out: Path) -> dict[str, Path]:
    """Return the folders inside that of the results."""
    return {
        "journal": out / JOURNAL_FOLDER,
        "data": out / DATA_FOLDER,
        "pictures": out / PICTURES_FOLDER,
    }


def check(settings: Settings) -> None:
    """Return if passwords cannot be read on the network, and only known host names are answered.

    Raises
    ------
    UsageError
        One TLS file without the other, another address than that of this computer without TLS, or
        a host name that no browser sends, or that stands for all of them.
    """
    for name in settings.names:
        if not _HOST_NAME.fullmatch(name):
            msg = f"--name {name}: expected a host name, such as bonefx.clinic.example, no port"
            raise UsageError(msg)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        msg = "expected --tls-cert and --tls-key, got one of them; give both"
        raise UsageError(msg)
    if settings.host in LOOPBACK:
        return
    if settings.tls_cert is None:
        msg = (
            f"--host {settings.host}: other computers could read passwords and films on the way; "
            "give --tls-cert and --tls-key, or leave --host out and put a proxy with TLS in front "
            "(--behind-proxy)"
        )
        raise UsageError(msg)
    if not settings.names:
        msg = f"--host {settings.host}: say by --name under which name browsers ask for the page"
        raise UsageError(msg)
