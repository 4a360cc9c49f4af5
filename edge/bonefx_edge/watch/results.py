"""Result files: `<sha256>.json` for each image, written atomically."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.watch.files import sync_folder
from bonefx_edge.watch.result_upgrade import SCHEMA, SCHEMA_V1, upgrade

SUPERSEDED_FOLDER: Final = "superseded"
"""Results of overwritten files: kept, but apart from the current `*.json`."""
_PARTIAL: Final = ".partial-"
_GROUP_MAY_READ: Final = stat.S_IRGRP | stat.S_IXGRP


def result_record(
    finding: dict[str, Any], *, received: float, classified_at: float, predictor: str
) -> dict[str, Any]:
    """Return the JSON object of a result file, see docs/operating.md.

    Parameters
    ----------
    finding
        The record of `Finding.to_dict`.
    received, classified_at
        Seconds since 1970, by the clock of the device.
    predictor
        Model, mode and operating point, see `workers.main.describe`.
    """
    return {
        "schema": SCHEMA,
        "sha256": finding["sha256"],
        "received": _iso(received),
        "classified_at": _iso(classified_at),
        "predictor": predictor,
        "finding": finding,
    }


class ResultFolder:
    """The folder of the results. File names are content hashes, without patient data.

    The folder is created with mode 0700, its files with 0600. If an administrator lets the group
    read it (0750), new files are readable by the group (0640), as far as the umask allows (0027).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._superseded = folder / SUPERSEDED_FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shared = folder.stat().st_mode & _GROUP_MAY_READ == _GROUP_MAY_READ
        self._file_mode = 0o640 if shared else 0o600
        self._folder_mode = 0o750 if shared else 0o700
        self._superseded.mkdir(exist_ok=True, mode=self._folder_mode)

    def publish(self, sha256: str, record: dict[str, Any]) -> None:
        """Write or replace a result file; it is on disk when this returns.

        The content is on disk before the name, and the name before the journal's entry: a kill in
        between repeats the image, under the same name.
        """
        partial = self._folder / f"{_PARTIAL}{sha256}"
        text = json.dumps(record, allow_nan=False, indent=1) + "\n"
        partial.unlink(missing_ok=True)  # left by a kill, with unknown permissions
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(partial, flags, self._file_mode)
        with open(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        os.replace(partial, self._path(sha256))
        sync_folder(self._folder)

    def retire(self, sha256: str) -> None:
        """Move the result of an overwritten file to the superseded ones; idempotent."""
        if not self._path(sha256).exists():
            return  # moved before a kill, without an entry in the journal
        self._superseded.mkdir(exist_ok=True, mode=self._folder_mode)  # it may have been deleted
        os.replace(self._path(sha256), self._superseded / f"{sha256}.json")
        sync_folder(self._superseded)
        sync_folder(self._folder)

    def sweep(self) -> None:
        """Remove partial files that a kill during `publish` left."""
        for partial in self._folder.glob(f"{_PARTIAL}*"):
            partial.unlink()

    def read_all(self, *, superseded: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the records of all result files, in any order; older versions are upgraded.

        Raises
        ------
        ValueError
            A file `*.json` is not a result; OSError if it cannot be read.
        """
        for path in (self._superseded if superseded else self._folder).glob("[!.]*.json"):
            yield _read(path)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("ascii"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("schema") not in (SCHEMA, SCHEMA_V1):
        msg = f"{path}: not a result of schema {SCHEMA} or 1; move the file to another folder"
        raise ValueError(msg)
    try:
        return upgrade(record)
    except (KeyError, TypeError, AttributeError) as err:
        msg = f"{path}: the result is incomplete ({err!r}); move the file to another folder"
        raise ValueError(msg) from err


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
