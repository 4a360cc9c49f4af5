"""AE titles: names of applications in DICOM networks."""

import re
from typing import Final

from bonefx_edge.errors import UsageError

_AE_TITLE: Final = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?", re.ASCII)
"""Value representation AE (PS3.5 section 6.2): 1 to 16 printable characters without backslash."""


def check_ae_title(title: str, *, option: str) -> str:
    """Return an AE title, or raise UsageError that names the option."""
    if not _AE_TITLE.fullmatch(title):
        msg = f"{option}: expected an AE title of 1 to 16 ASCII characters, got {title!r}"
        raise UsageError(msg)
    return title
