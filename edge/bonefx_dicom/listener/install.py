"""Install the listener under systemd: the steps, to print or to run as root."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.watch.install import USER, Step, check_path, step_lines, unit_lines, unit_steps

UNIT: Final = Path(__file__).with_name("bonefx-dicom.service")
"""The unit as it is in the package."""
INSTALLED_UNIT: Final = f"/etc/systemd/system/{UNIT.name}"
_PROGRAM: Final = "/opt/bonefx/bin/edge-dicom"
_FOLDER: Final = "/srv/incoming/dicom"
"""Program and folder of the films in the unit of the package."""


def unit_text(program: Path, folder: Path, words: Sequence[str]) -> str:
    """Return the unit that runs `edge-dicom listen`.

    Parameters
    ----------
    program
        An edge-dicom.
    folder
        Of the films.
    words
        Options of `listen`.

    Raises
    ------
    UsageError
        A path would need quotes, or is hidden from the service.
    """
    for path in (program, folder):
        check_path(path)
    text = UNIT.read_text("utf-8").replace(_PROGRAM, str(program)).replace(_FOLDER, str(folder))
    return text.replace("$BONEFX", f"{' '.join(map(_quoted, words))} $BONEFX", 1)


def installation(program: Path, folder: Path, words: Sequence[str]) -> list[Step]:
    """Return the steps; the user is the one of the watching service.

    Raises
    ------
    UsageError
        See `unit_text`.
    """
    text = unit_text(program, folder, words)
    owner = ("--owner", USER, "--group", USER)
    return [
        Step(
            "Create the folder of the films.",
            ("install", "--directory", "--mode", "0750", *owner, str(folder)),
        ),
        *unit_steps(text, INSTALLED_UNIT),
    ]


def describe(steps: Sequence[Step]) -> str:
    """Return the steps and the unit as text."""
    return "\n".join([*step_lines(steps), *unit_lines(steps, INSTALLED_UNIT)])


def _quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it, see systemd.service(5)."""
    escaped = word.replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if escaped.replace("-", "").isalnum() else f'"{escaped}"'
