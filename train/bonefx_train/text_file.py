"""Write a text file as a whole or not at all."""

import os
from pathlib import Path

from bonefx_train.errors import DataError


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; a failure or a kill leaves the old file, or none.

    Raises
    ------
    DataError
        It cannot be written.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as err:
        partial.unlink(missing_ok=True)
        msg = f"{path}: cannot write the file ({err.strerror}); check disk space and permissions"
        raise DataError(msg) from err
