"""The unit of the listener, by systemd's own judgement; nothing is started."""

import re
from pathlib import Path

import pytest
from bonefx_dicom.listener.install import UNIT, installation, unit_text
from bonefx_edge.errors import UsageError
from systemd_analyze import analyze

PROGRAM, FOLDER = Path("/opt/device/bin/edge-dicom"), Path("/srv/films/dicom")
WORDS = ["--ae", "BONEFX", "--port", "11112", "--allow", "DX 1@192.168.1.20", "--allow", "*@::1"]
MAX_EXPOSURE = 3.0
"""Of 10. The open port and the network cost 1.8 of it."""


def test_the_unit_exposes_little():
    table = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", table.stdout)
    assert found, table.stdout + table.stderr
    assert float(found[1]) <= MAX_EXPOSURE, table.stdout


def test_systemd_finds_nothing_wrong_with_the_unit_of_an_installation(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(unit_text(PROGRAM, FOLDER, WORDS).replace(str(PROGRAM), "/bin/true"))
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert UNIT.name not in verdict.stdout + verdict.stderr


def test_the_unit_runs_the_program_of_this_environment_with_the_options_given():
    lines = unit_text(PROGRAM, FOLDER, WORDS).splitlines()
    options = '--ae BONEFX --port 11112 --allow "DX 1@192.168.1.20" --allow "*@::1"'
    assert f"ExecStart={PROGRAM} listen {FOLDER} {options} $BONEFX_DICOM_OPTIONS" in lines
    assert f"ReadWritePaths={FOLDER}" in lines


def test_signs_that_mean_something_to_systemd_are_written_twice():
    assert '--ae "A%%B$$C"' in unit_text(PROGRAM, FOLDER, ["--ae", "A%B$C"])


def test_a_path_that_the_service_cannot_use_is_refused():
    with pytest.raises(UsageError, match="the unit hides"):
        installation(PROGRAM, Path("/home/alice/films"), WORDS)
