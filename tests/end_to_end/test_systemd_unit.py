"""The unit of the watching service, by systemd's own judgement; nothing is started."""

import re
from pathlib import Path

import pytest
from bonefx_edge.cli.exit_codes import ExitCode
from bonefx_edge.watch.app import STOP_TIMEOUT_S
from bonefx_edge.watch.install import UNIT
from bonefx_edge.watch.service import MAX_WAIT_S
from bonefx_edge.watch.workers.process import LOAD_TIMEOUT_S
from systemd_analyze import analyze

pytestmark = pytest.mark.any_runtime

MAX_EXPOSURE = 2.0
"""Of 10. The port on 127.0.0.1 that is kept possible costs 0.9 of it, the rest is room."""


def setting(name: str) -> str:
    """Return the value of a setting that stands in the unit once."""
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)
    return str(value)


def test_the_unit_exposes_little() -> None:
    """Exposure stands in the table's last line alone: `--json` leaves it out."""
    table = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for bonefx-watch\.service: (\d+\.\d+)", table.stdout)
    assert found, table.stdout + table.stderr
    assert float(found[1]) <= MAX_EXPOSURE, table.stdout


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Of a copy that starts a program which is here; the rest of this machine is not asked."""
    program = setting("ExecStart").split()[0]
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(program, "/bin/true"))
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    words = verdict.stdout + verdict.stderr
    assert verdict.returncode == 0, words
    assert UNIT.name not in words


def test_systemd_finds_a_setting_that_it_does_not_know(tmp_path: Path) -> None:
    """The test above would see it."""
    copy = tmp_path / UNIT.name
    copy.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n")
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert UNIT.name in verdict.stdout + verdict.stderr


def test_systemd_waits_longer_than_the_service_does() -> None:
    assert float(setting("TimeoutStopSec")) > STOP_TIMEOUT_S
    assert float(setting("TimeoutStartSec")) > LOAD_TIMEOUT_S
    assert float(setting("WatchdogSec")) / 2 > MAX_WAIT_S


def test_only_a_wrong_command_line_is_not_tried_again() -> None:
    """`on-failure` would leave it down after a signal that systemd counts as a clean end."""
    assert setting("Restart") == "always"
    assert setting("RestartPreventExitStatus") == str(ExitCode.USAGE.value)
