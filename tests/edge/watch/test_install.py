"""The installation of the service: what it would do, and what it refuses."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.install import (
    INSTALLED_UNIT,
    UNIT,
    Step,
    describe,
    install,
    installation,
    unit_text,
)

PROGRAM, INCOMING = Path("/opt/device/bin/edge-classify"), Path("/srv/films")


def commands(steps: list[Step]) -> list[str]:
    return [step.command[0] for step in steps]


def test_a_new_device_gets_a_user_a_folder_the_unit_and_a_started_service() -> None:
    steps = installation(PROGRAM, INCOMING)
    assert commands(steps) == ["useradd", *["install"] * 2, *["systemctl"] * 3]
    assert steps[-1].command == ("systemctl", "restart", UNIT.name)


def test_a_user_and_a_folder_that_exist_are_left_as_they_are(monkeypatch) -> None:
    root = pwd.getpwuid(0)
    bonefx = pwd.struct_passwd(("bonefx", *tuple(root)[1:]))
    monkeypatch.setattr(pwd, "getpwall", lambda: [root, bonefx])
    assert commands(installation(PROGRAM, Path("/srv"))) == ["install", *["systemctl"] * 3]


def test_the_unit_runs_the_program_of_this_environment_on_the_folder() -> None:
    command = f"ExecStart={PROGRAM} --watch {INCOMING} --out /var/lib/bonefx"
    assert command in unit_text(PROGRAM, INCOMING).splitlines()


@pytest.mark.parametrize(
    ("program", "incoming", "message"),
    [
        (PROGRAM, Path("/srv/my films"), "absolute path of letters"),
        (PROGRAM, Path("incoming"), "absolute path of letters"),
        (PROGRAM, Path("/srv/%n"), "absolute path of letters"),
        (PROGRAM, Path("/home/alice/films"), "the unit hides"),
        (Path("/root/venv/bin/edge-classify"), INCOMING, "the unit hides"),
    ],
)
def test_a_path_that_the_service_cannot_use_is_refused(program, incoming, message) -> None:
    with pytest.raises(UsageError, match=message):
        installation(program, incoming)


def test_the_description_holds_every_command_and_the_unit() -> None:
    steps = installation(PROGRAM, INCOMING)
    text = describe(steps, INCOMING)
    for step in steps:
        assert " ".join(step.command) in text
    assert text.endswith(f"{INSTALLED_UNIT}:\n\n{unit_text(PROGRAM, INCOMING)}")
    assert "usermod --append --groups bonefx READER" in text


def test_only_root_installs(monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="--dry-run"):
        install([Step("never", ("false",))])


def test_the_first_step_that_fails_ends_the_installation(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    written, never = tmp_path / "unit", tmp_path / "never"
    steps = [
        Step("write", ("tee", str(written)), stdin="text"),
        Step("fail", ("false",)),
        Step("never", ("touch", str(never))),
    ]
    with pytest.raises(subprocess.CalledProcessError):
        install(steps)
    assert written.read_text() == "text"
    assert not never.exists()


def test_the_unit_names_the_settings_file():
    text = unit_text(Path("/opt/bonefx/bin/edge-classify"), Path("/srv/in"), Path("/etc/b.toml"))
    assert "edge-classify --config /etc/b.toml --watch /srv/in --out /var/lib/bonefx\n" in text
