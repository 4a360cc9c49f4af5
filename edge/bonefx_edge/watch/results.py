"""Result files: `<sha256>.json` for each image, written atomically."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bonefx_edge.watch.files import (
    group_may_read,
    open_subfolder,
    share_file,
    share_folder,
    sync_descriptor,
)
from bonefx_edge.watch.marked_folder import MarkedFolder
from bonefx_edge.watch.result_names import NAMES_FOLDER, remove_name, result_name
from bonefx_edge.watch.result_upgrade import SCHEMA, SCHEMA_V1, upgrade

SUPERSEDED_FOLDER: Final = "superseded"
"""Results of overwritten files: kept, but apart from the current `*.json`."""
_PARTIAL: Final = ".partial-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


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

    def __init__(
        self, folder: MarkedFolder, *, group: int | None = None, by_name: bool = False
    ) -> None:
        """Store the parts; the folder need not be there yet. Reading needs no marker.

        Parameters
        ----------
        group
            Number of the group that may read what is written; None: as the folder says.
        by_name
            Whether each result is also written under the name of its film, see `result_names`.
        """
        self.marked, self._folder = folder, folder.path
        self._group, self._by_name = group, by_name

    def publish(self, sha256: str, record: dict[str, Any]) -> None:
        """Write or replace a result file; it is on disk when this returns.

        The content is on disk before the name, and the name before the journal's entry: a kill in
        between repeats the image, under the same name.

        Raises
        ------
        FolderAwayError
            If it is not the folder that was marked. OSError if the disk cannot be written.
        """
        partial = f"{_PARTIAL}{sha256}"
        text = json.dumps(record, allow_nan=False, indent=1) + "\n"
        with self.marked.opened() as folder:
            share_folder(folder, self._group)
            remove_name(folder, sha256)  # the film may have another name now
            self._write(folder, partial, _name(sha256), text)
            if self._by_name:
                with open_subfolder(folder, NAMES_FOLDER, self._group) as names:
                    name = result_name(str(record["finding"]["path"]), sha256)
                    self._write(names, partial, name, text)

    def _write(self, folder: int, partial: str, name: str, text: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)  # left by a kill, with unknown permissions
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        mode = 0o640 if group_may_read(folder) else 0o600
        descriptor = os.open(partial, flags, mode, dir_fd=folder)
        with open(descriptor, "w", encoding="ascii") as stream:
            share_file(descriptor, self._group)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        sync_descriptor(folder)

    def retire(self, sha256: str) -> None:
        """Move the result of an overwritten file to the superseded ones; idempotent."""
        with (
            self.marked.opened() as folder,
            open_subfolder(folder, SUPERSEDED_FOLDER, self._group) as superseded,
        ):
            remove_name(folder, sha256)
            try:
                os.replace(_name(sha256), _name(sha256), src_dir_fd=folder, dst_dir_fd=superseded)
            except FileNotFoundError:
                return  # moved before a kill, without an entry in the journal
            sync_descriptor(superseded)
            sync_descriptor(folder)

    def sweep(self) -> None:
        """Remove partial files that a kill during `publish` left."""
        with self.marked.opened() as folder:
            share_folder(folder, self._group)
            _remove_partial(folder)
            if self._by_name:
                with open_subfolder(folder, NAMES_FOLDER, self._group) as names:
                    _remove_partial(names)

    def read_all(self, *, superseded: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the records of all result files, in any order; older versions are upgraded.

        Raises
        ------
        ValueError
            A file `*.json` is not a result; OSError if it cannot be read.
        """
        folder = self._folder / SUPERSEDED_FOLDER if superseded else self._folder
        for path in folder.glob("[!.]*.json"):
            yield _read(path)


def make_result_folder(folder: Path) -> None:
    """Create the folder of the results and the one in it, if they are missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, _FOLDER)
    try:
        with open_subfolder(descriptor, SUPERSEDED_FOLDER, None):
            pass
    finally:
        os.close(descriptor)


def _remove_partial(folder: int) -> None:
    for name in os.listdir(folder):
        if name.startswith(_PARTIAL):
            os.unlink(name, dir_fd=folder)


def _name(sha256: str) -> str:
    return f"{sha256}.json"


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
