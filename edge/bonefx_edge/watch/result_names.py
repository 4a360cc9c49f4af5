"""The results a second time under the names of their films, for people: `by-name/`.

The file of the hash is the one that counts. It is written first and names the film, so that the
other one can be found, and is removed first.
"""

import json
import logging
import os
import re
from contextlib import suppress
from typing import Any, Final

from bonefx_edge.text import printable
from bonefx_edge.watch.files import sync_descriptor

logger = logging.getLogger(__name__)

NAMES_FOLDER: Final = "by-name"
_DIGITS: Final = 16
"""Of the sha256, as in the names of moved originals: two films of one name differ in them."""
_NAME_BYTES: Final = 120
"""Of the film's name; eCryptfs takes 143 bytes in all, others 255."""
_NOT_EVERYWHERE: Final = re.compile(r'[<>:"/\\|?*]')
"""Characters that exFAT and shares of Windows refuse."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def result_name(path: str, sha256: str) -> str:
    r"""Return `NAME.<16 digits of the sha256>.json` for the path of a film.

    It is safe on every file system: control characters and undecodable bytes are escaped,
    characters that Windows refuses are replaced, and a long name is cut.

    >>> result_name("room 1/hand:left.png", "ab" * 32)
    'hand_left.png.abababababababab.json'
    """
    name = _NOT_EVERYWHERE.sub("_", printable(path.rsplit("/", 1)[-1]))
    short = name.encode()[:_NAME_BYTES].decode("utf-8", "ignore")
    return f"{short}.{sha256[:_DIGITS]}.json"


def old_name(results: int, sha256: str) -> str | None:
    """Return the name in `by-name` of the result that is on disk; None if there is none.

    `results` is a descriptor of the folder of the results.
    """
    try:
        descriptor = os.open(f"{sha256}.json", os.O_RDONLY | os.O_CLOEXEC, dir_fd=results)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        text = stream.read()
    try:
        record: dict[str, Any] = json.loads(text)
        return result_name(str(record["finding"]["path"]), sha256)
    except (ValueError, KeyError, TypeError):
        logger.warning("%s the result file is damaged: its copy by name stays", sha256[:8])
        return None


def remove_name(results: int, sha256: str) -> None:
    """Remove the copy by name of the result that is on disk, also if no more are asked for."""
    try:
        folder = os.open(NAMES_FOLDER, _FOLDER, dir_fd=results)
    except FileNotFoundError:
        return
    try:
        name = old_name(results, sha256)
        if name is not None:
            with suppress(FileNotFoundError):  # removed before a kill, or by a person
                os.unlink(name, dir_fd=folder)
                sync_descriptor(folder)
    finally:
        os.close(folder)
