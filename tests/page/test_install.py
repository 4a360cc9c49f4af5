"""The page under systemd: what would be installed, and the unit by systemd's own judgement."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_page.cli import app
from bonefx_page.service.install import UNIT, admin_step, installation, unit_text, users_step
from systemd_analyze import analyze
from typer.testing import CliRunner

PROGRAM, OUT = Path("/opt/device/bin/edge-page"), Path("/srv/results")
MAX_EXPOSURE = 2.0
"""Of 10, as for the watching service."""


def test_the_unit_exposes_little() -> None:
    table = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", table.stdout)
    assert found, table.stdout + table.stderr
    assert float(found[1]) <= MAX_EXPOSURE, table.stdout


def test_systemd_finds_nothing_wrong_with_the_unit_of_an_installation(tmp_path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(unit_text(PROGRAM, OUT).replace(str(PROGRAM), "/bin/true"))
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert UNIT.name not in verdict.stdout + verdict.stderr


def test_program_and_folder_of_this_device_stand_in_the_unit() -> None:
    text = unit_text(PROGRAM, OUT)
    assert f"ExecStart={PROGRAM} serve {OUT} $BONEFX_PAGE_OPTIONS" in text
    assert f"ReadWritePaths={OUT}" in text
    assert "/opt/bonefx" not in text
    assert "/var/lib/bonefx" not in text


@pytest.mark.parametrize("out", ["/srv/my results", "results", "/home/anna/results"])
def test_a_folder_that_the_unit_cannot_have_is_refused(out) -> None:
    with pytest.raises(UsageError):
        installation(PROGRAM, Path(out))


def test_the_first_administrator_is_added_by_the_user_of_the_service() -> None:
    step = admin_step(PROGRAM, OUT, "chief")
    assert step.command[:4] == ("runuser", "--user", "bonefx", "--")
    assert step.command[4:] == (str(PROGRAM), "add-user", str(OUT), "chief", "--role", "admin")


def test_the_commands_of_the_steps_do_what_the_installation_relies_on(tmp_path) -> None:
    """The list is empty before, the password is printed once."""
    program = tmp_path / "edge-page"
    program.write_text(f"#!{sys.executable}\nfrom bonefx_page.cli import main\nmain()\n")
    program.chmod(0o755)

    def run(step) -> str:
        return subprocess.run(step.command[4:], capture_output=True, text=True, check=True).stdout

    assert run(users_step(program, tmp_path)) == ""
    assert run(admin_step(program, tmp_path, "chief")).startswith("password of chief, shown once: ")
    assert run(users_step(program, tmp_path)) == "admin       chief\n"


def test_a_dry_run_prints_all_steps_and_changes_nothing(tmp_path) -> None:
    done = CliRunner().invoke(app, ["install-service", "/srv/results", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "add-user /srv/results admin --role admin" in done.output
    assert "systemctl enable bonefx-page.service" in done.output
    assert "[Install]" in done.output
