"""Debian's Orthanc as an archive on loopback."""

import json
import shutil
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from dicom_node import HOST, free_port
from watch_service import wait_until

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
"""Of the package orthanc; in /usr/sbin, which is in the PATH of root only."""


class Orthanc:
    """A process that keeps its objects when it is stopped and started again."""

    def __init__(
        self, folder: Path, *, modalities: dict[str, list[Any]] | None = None, **settings: Any
    ) -> None:
        """Start it; `settings` are further ones of its configuration file."""
        assert PROGRAM, "expected Orthanc; run: apt-get install orthanc"
        folder.mkdir()
        self.port, self._http = free_port(), free_port()
        self._settings = folder / "orthanc.json"
        self._settings.write_text(json.dumps({
            "Name": "archive", "StorageDirectory": str(folder), "IndexDirectory": str(folder),
            "DicomAet": "PACS", "DicomPort": self.port, "HttpPort": self._http,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomModalities": modalities or {}, "Plugins": [], **settings,
        }))  # fmt: skip
        self.start()

    def __enter__(self) -> "Orthanc":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def name(self) -> str:
        return f"PACS@{HOST}:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, what="Orthanc answers")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def instances(self) -> list[dict]:
        """Return the tags of all objects."""
        names = self.ask("/instances")
        return [self.ask(f"/instances/{name}/simplified-tags") for name in names]

    def count(self) -> int:
        return int(self.ask("/statistics")["CountInstances"])

    def ask(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(f"http://{HOST}:{self._http}{path}", data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("/system"))
        return False
