"""Which reports were sent for a film: a new one names the one that it replaces."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bonefx_edge.watch.files import write_file

from bonefx_dicom.results.encode import Reference

_FOLDER: Final = "dicom-reports"
"""In the folder of the results: UIDs only, no patient data."""


@dataclass(frozen=True, slots=True)
class Version:
    """One result of a film: its content, and when it was classified."""

    sha256: str
    classified_at: str


class History:
    """The reports of one SOP class for one film, oldest first."""

    def __init__(self, results: Path, *, film_uid: str, sop_class: str) -> None:
        name = hashlib.sha256(f"{film_uid}/{sop_class}".encode()).hexdigest()
        self._path = results / _FOLDER / f"{name}.json"

    def predecessor(self, version: Version) -> Reference | None:
        """Return the report before that of a version; the same before and after `note`."""
        older = None
        for known, reference in self._read():
            if known == version:
                break
            older = reference
        return older

    def note(self, version: Version, reference: Reference) -> None:
        """Add the report of a version; it may be there already."""
        entries = self._read()
        if any(known == version for known, _ in entries):
            return
        lines = [asdict(known) | asdict(each) for known, each in [*entries, (version, reference)]]
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        write_file(self._path, json.dumps(lines, indent=1).encode("ascii"))

    def _read(self) -> list[tuple[Version, Reference]]:
        try:
            entries: list[dict[str, Any]] = json.loads(self._path.read_text("ascii"))
        except FileNotFoundError:
            return []
        return [
            (
                Version(each.pop("sha256"), each.pop("classified_at")),
                Reference(**each),
            )
            for each in entries
        ]
