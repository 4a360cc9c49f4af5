"""Result files: `<sha256>.json` for each film, whole or not there at all."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.watch.files import sync_folder

SCHEMA: Final = "bonefx.result/1"
"""Raised when a key changes its meaning or goes away; new keys do not raise it."""
SUPERSEDED_FOLDER: Final = "superseded"
"""Results of contents that were rewritten: kept, but out of the way of who reads `*.json`."""
_PARTIAL: Final = ".partial-"
_GROUP_MAY_READ: Final = stat.S_IRGRP | stat.S_IXGRP


def result_record(
    finding: dict[str, Any], *, received: float, decided: float, answered_by: str
) -> dict[str, Any]:
    """Return the JSON object of a result file, see docs/operating.md.

    Parameters
    ----------
    finding
        The record of `Finding.to_dict`.
    received, decided
        Seconds since 1970, by the clock of the device.
    answered_by
        Model, reading and operating point, see `worker.describe`.
    """
    return {
        "schema": SCHEMA,
        "sha256": finding["sha256"],
        "received": _iso(received),
        "decided": _iso(decided),
        "answered_by": answered_by,
        "finding": finding,
    }


class ResultFolder:
    """The folder of results. Names come from the content's hash: nothing of a person is in them.

    A folder that is made here is readable by its owner only, and so are its files. Where an
    administrator lets the group of the folder read it (mode 0750), the group may read what is made
    in it from then on, as far as the umask allows (0027). Others never may.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._superseded = folder / SUPERSEDED_FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shared = folder.stat().st_mode & _GROUP_MAY_READ == _GROUP_MAY_READ
        self._file_mode = 0o640 if shared else 0o600
        self._superseded.mkdir(exist_ok=True, mode=0o750 if shared else 0o700)

    def publish(self, sha256: str, record: dict[str, Any]) -> None:
        """Put a film's result in place of its old one, if any; on disk when this returns.

        The file is whole before its name is there, and the name is on disk before the journal
        hears of it: a kill in between repeats the film, under the same name.
        """
        partial = self._folder / f"{_PARTIAL}{sha256}"
        text = json.dumps(record, allow_nan=False, indent=1) + "\n"
        partial.unlink(missing_ok=True)  # of a kill: whose rights are on it is not known
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(partial, flags, self._file_mode)
        with open(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        os.replace(partial, self._path(sha256))
        sync_folder(self._folder)

    def unfile(self, sha256: str) -> None:
        """Take a superseded film's result from the current ones; done twice, it does no harm."""
        if not self._path(sha256).exists():
            return  # a kill after this and before the journal heard of it
        os.replace(self._path(sha256), self._superseded / f"{sha256}.json")
        sync_folder(self._superseded)
        sync_folder(self._folder)

    def sweep(self) -> None:
        """Remove what a kill in the middle of `publish` left."""
        for partial in self._folder.glob(f"{_PARTIAL}*"):
            partial.unlink()

    def read_all(self, *, superseded: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the record of each result file, in no order.

        Raises
        ------
        ValueError
            For a file of a result's name that is none; OSError where it cannot be read.
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
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        msg = f"{path}: expected a result of schema {SCHEMA}, got another file; move it away"
        raise ValueError(msg)
    return record


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
