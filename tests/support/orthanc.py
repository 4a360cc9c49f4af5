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

_SCRIPT = """
-- Orthanc keeps one object for each UID: count how often it is sent.
function ReceivedInstanceFilter(dicom, origin)
  local film = '-'
  local evidence = dicom.CurrentRequestedProcedureEvidenceSequence
  if evidence then
    local series = evidence[1].ReferencedSeriesSequence[1]
    film = series.ReferencedSOPSequence[1].ReferencedSOPInstanceUID
  end
  local file = assert(io.open('%(stores)s', 'a'))
  file:write(dicom.SOPInstanceUID, ' ', film, '\\n')
  file:close()
  return true
end

function OnStoredInstance(instance, tags, metadata)
  if %(routes)s then
    SendToModality(instance, 'bonefx')
  end
end
"""


class Orthanc:
    """A process that keeps its objects when it is stopped and started again."""

    def __init__(self, folder: Path, *, routes_to: int | None = None, **settings: Any) -> None:
        """Start it.

        It sends each object that it stores to the listener at port `routes_to`. `settings` are
        further ones of its configuration file.
        """
        assert PROGRAM, "expected Orthanc; run: apt-get install orthanc"
        folder.mkdir()
        self.port, self._http = free_port(), free_port()
        self._settings, script = folder / "orthanc.json", folder / "orthanc.lua"
        self._stores = folder / "stores.txt"
        script.write_text(
            _SCRIPT % {"stores": self._stores, "routes": "true" if routes_to else "false"}
        )
        self._settings.write_text(json.dumps({
            "Name": "archive", "StorageDirectory": str(folder), "IndexDirectory": str(folder),
            "DicomAet": "PACS", "DicomPort": self.port, "HttpPort": self._http,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomModalities": {"bonefx": ["BONEFX", HOST, routes_to]} if routes_to else {},
            "LuaScripts": [str(script)], "Plugins": [], **settings,
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

    def stores(self) -> list[tuple[str, str]]:
        """Return SOP Instance UID and UID of the film of each object, each time it was sent."""
        if not self._stores.exists():
            return []
        lines = self._stores.read_text().splitlines()
        return [(uid, film) for uid, film in (line.split() for line in lines)]

    def count(self) -> int:
        return int(self.ask("/statistics")["CountInstances"])

    def files(self) -> list[bytes]:
        """Return all objects as DICOM files."""
        return [self._get(f"/instances/{name}/file") for name in self.ask("/instances")]

    def ask(self, path: str) -> Any:
        return json.loads(self._get(path))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{HOST}:{self._http}{path}", timeout=30) as answer:
            return answer.read()

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("/system"))
        return False
