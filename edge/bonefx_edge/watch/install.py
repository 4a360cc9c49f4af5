"""Install the watching service under systemd: the steps, to print or to run as root."""

import os
import pwd
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError

UNIT: Final = Path(__file__).with_name("bonefx-watch.service")
"""The unit as it is in the package."""
INSTALLED_UNIT: Final = f"/etc/systemd/system/{UNIT.name}"
USER: Final = "bonefx"
"""Of the service; its group of the same name may read the results."""
_PROGRAM: Final = "/opt/bonefx/bin/edge-classify"
_INCOMING: Final = "/srv/incoming"
"""Program and watched folder in the unit of the package."""
_PLAIN_PATH: Final = re.compile(r"/[\w.+/-]+", re.ASCII)
"""Needs no quotes in a unit."""
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - a list of names
"""What ProtectHome= and PrivateTmp= of the unit hide from the service."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the installation."""

    purpose: str
    """A sentence for the administrator."""
    command: tuple[str, ...]
    stdin: str = ""
    """Standard input of the command."""

    def run(self) -> str:
        """Run the command, return what it prints.

        OSError where it is missing, CalledProcessError where it fails.
        """
        return subprocess.run(  # noqa: S603 - the commands of this module
            self.command, input=self.stdin, text=True, capture_output=True, check=True
        ).stdout


def unit_text(program: Path, incoming: Path, config: Path | None = None) -> str:
    """Return the unit that runs `program`, an edge-classify, on the folder `incoming`.

    `config` is a settings file; the folders in the unit count before those in it.

    Raises
    ------
    UsageError
        One of the paths would need quotes, or is hidden from the service.
    """
    for path in (program, incoming, *([config] if config else [])):
        check_path(path)
    text = UNIT.read_text("utf-8")
    text = text.replace(_PROGRAM, str(program)).replace(_INCOMING, str(incoming))
    return text.replace(" --watch ", f" --config {config} --watch ") if config else text


def check_path(path: Path) -> None:
    """Raise UsageError for a path that would need quotes in a unit, or is hidden from a service."""
    if not _PLAIN_PATH.fullmatch(str(path)):
        msg = f"expected an absolute path of letters, digits and ._+-, got {path}"
        raise UsageError(msg)
    if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
        msg = (
            f"expected a path that the service can read, got {path}; the unit hides "
            f"{', '.join(_HIDDEN)}: install in /opt/bonefx and use a folder in /srv"
        )
        raise UsageError(msg)


def unit_steps(text: str, installed: str) -> list[Step]:
    """Return the steps that write a unit, with its path, and start its service."""
    name = Path(installed).name
    return [
        Step(
            "Write the unit (its text is below).",
            ("install", "--mode", "0644", "/dev/stdin", installed),
            stdin=text,
        ),
        Step("Make systemd read the unit.", ("systemctl", "daemon-reload")),
        Step("Start the service at every start of the device.", ("systemctl", "enable", name)),
        Step("Start the service now.", ("systemctl", "restart", name)),
    ]


def step_lines(steps: Sequence[Step]) -> list[str]:
    """Return purpose and command of each step, numbered."""
    lines = []
    for number, step in enumerate(steps, 1):
        lines += [f"{number}. {step.purpose}", f"   {shlex.join(step.command)}"]
    return lines


def unit_lines(steps: Sequence[Step], installed: str) -> list[str]:
    """Return the path of the unit and its text."""
    unit = next(step.stdin for step in steps if step.stdin)
    return ["", f"{installed}:", "", unit]


def installation(program: Path, incoming: Path, config: Path | None = None) -> list[Step]:
    """Return the steps; a user and a folder that exist are left as they are.

    Raises
    ------
    UsageError
        See `unit_text`.
    """
    text = unit_text(program, incoming, config)
    steps = []
    if USER not in {entry.pw_name for entry in pwd.getpwall()}:
        options = ("--system", "--user-group", "--home-dir", "/nonexistent")
        steps.append(
            Step(
                "Create the user of the service, and the group that may read the results.",
                ("useradd", *options, "--shell", "/usr/sbin/nologin", USER),
            )
        )
    if not incoming.exists():
        owner = ("--owner", "root", "--group", USER)
        steps.append(
            Step(
                "Create the folder for radiographs. New files in it get the group of the service.",
                ("install", "--directory", "--mode", "2750", *owner, str(incoming)),
            )
        )
    return [*steps, *unit_steps(text, INSTALLED_UNIT)]


def describe(steps: list[Step], incoming: Path) -> str:
    """Return the steps, what remains to be done by hand, and the unit, as text."""
    lines = [
        *step_lines(steps),
        "",
        "Then, with the names of your users in place of SENDER and READER:",
        "",
    ]
    lines += [
        f"- {purpose}\n  {command}"
        for purpose, command in (
            ("Let the account that sends radiographs write there.", f"chown SENDER {incoming}"),
            ("Let a person read the results.", f"usermod --append --groups {USER} READER"),
            ("See how the service is.", f"systemctl status {UNIT.name}"),
        )
    ]
    return "\n".join([*lines, *unit_lines(steps, INSTALLED_UNIT)])


def install(steps: list[Step]) -> None:
    """Run the steps in order; the first that fails ends it.

    Raises
    ------
    UsageError
        This process is not root.
    subprocess.CalledProcessError, OSError
        A step failed; those before it stay done, and all may be run again.
    """
    if os.geteuid() != 0:
        msg = "expected to be root; run it with sudo, or with --dry-run to see the steps"
        raise UsageError(msg)
    for step in steps:
        step.run()
