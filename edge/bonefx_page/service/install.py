"""Install the page under systemd: the steps, to print or to run as root."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bonefx_edge.watch.install import USER, Step, check_path, step_lines, unit_lines, unit_steps

UNIT: Final = Path(__file__).with_name("bonefx-page.service")
"""The unit as it is in the package."""
INSTALLED_UNIT: Final = f"/etc/systemd/system/{UNIT.name}"
_PROGRAM: Final = "/opt/bonefx/bin/edge-page"
_OUT: Final = "/var/lib/bonefx"
"""Program and folder of the results in the unit of the package."""


def unit_text(program: Path, out: Path) -> str:
    """Return the unit that runs `program`, an edge-page, on the folder of the results.

    Raises
    ------
    UsageError
        A path would need quotes, or is hidden from the service.
    """
    for path in (program, out):
        check_path(path)
    return UNIT.read_text("utf-8").replace(_PROGRAM, str(program)).replace(_OUT, str(out))


def users_step(program: Path, out: Path) -> Step:
    """Return the step that lists who may sign in. As the user of the service, who owns the file."""
    return _as_service("See who may sign in.", program, "users", out)


def admin_step(program: Path, out: Path, name: str) -> Step:
    """Return the step that adds the first administrator; its output is the password."""
    return _as_service(
        "If nobody may sign in yet: add an administrator. The password is shown once.",
        *(program, "add-user", out, name, "--role", "admin"),
    )


def installation(program: Path, out: Path) -> list[Step]:
    """Return the steps that follow that of the first administrator.

    Raises
    ------
    UsageError
        See `unit_text`.
    """
    return unit_steps(unit_text(program, out), INSTALLED_UNIT)


def describe(steps: Sequence[Step]) -> str:
    """Return the steps and the unit as text."""
    return "\n".join([*step_lines(steps), *unit_lines(steps, INSTALLED_UNIT)])


def _as_service(purpose: str, *words: object) -> Step:
    return Step(purpose, ("runuser", "--user", USER, "--", *map(str, words)))
