"""edge-admin through the installed script."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bonefx_edge.check import CheckStatus
from bonefx_edge.cli import admin
from bonefx_edge.diagnostics import doctor
from bonefx_edge.diagnostics.doctor import CHECKS
from bonefx_edge.model.runtimes import RuntimeInfo, installed_runtimes
from fake_sysfs import write_alarm, write_zones
from toy import toy_path
from typer.testing import CliRunner

SCRIPT = Path(sys.executable).with_name("edge-admin")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def health(name: str, **kwargs) -> tuple[CheckStatus, str, str]:
    group = "power" if name == "throttling" else name
    checks = CHECKS[group](str(kwargs.get("model", toy_path("int8"))), lambda _module: None)
    check = next(check for check in checks if check.name == name)
    return check.status, check.found, check.remedy


def test_doctor_names_runtime_versions_abi_processor_model_and_disk() -> None:
    done = run("doctor", "--model", toy_path("int8"), "--json")
    checks = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert set(checks) == {
        *("board", "python", "packages", "interpreter", "numpy ABI", "DICOM codecs", "model"),
        *("disk", "temperature", "power", "throttling"),
    }
    assert installed_runtimes()[0].version in checks["interpreter"]["found"]
    assert "toy 1.0.0" in checks["model"]["found"]


def test_every_command_has_short_help_without_placeholders() -> None:
    commands = run("-h").stdout.partition("Commands:")[2]
    names = re.findall(r"^  ([a-z-]+)  ", commands, re.MULTILINE)
    assert {"doctor", "verify", "status", "requeue", "export", "reset-canary"} <= set(names)
    assert "..." not in commands  # as a description that is cut
    for name in names:
        done = run(name, "-h")
        assert (done.returncode, set("<{") & set(done.stdout)) == (0, set()), name


@pytest.mark.parametrize("option", ["--model=x", "--operating-point=x", "--mode=whole"])
def test_requeue_refuses_an_option_that_would_do_nothing(tmp_path, option: str) -> None:
    done = run("requeue", tmp_path, "--failed", option)
    name = option.partition("=")[0]
    assert done.returncode == 2
    assert f"{name}: needs --model-changed" in done.stderr


def test_requeue_names_the_reasons_where_it_is_given_none_of_them(tmp_path) -> None:
    done = run("requeue", tmp_path, "--reason", "corupt")
    assert done.returncode == 2
    assert "--reason: expected one of unreadable, empty, " in done.stderr


def test_doctor_exits_1_and_names_the_command_when_the_model_is_broken(tmp_path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(toy_path("int8").read_bytes()[:-1])
    done = run("doctor", "--model", broken)
    assert done.returncode == 1
    assert "fail  model" in done.stdout
    assert f"-> edge-admin verify {broken}" in done.stdout


def test_doctor_says_when_no_interpreter_is_installed(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "installed_runtimes", lambda: ())
    assert health("interpreter") == (CheckStatus.FAIL, "none", "pip install ai-edge-litert")


def test_doctor_says_when_numpy_is_too_new_for_tflite_runtime(monkeypatch) -> None:
    old = RuntimeInfo("tflite_runtime", "2.14.0")
    monkeypatch.setattr(doctor, "installed_runtimes", lambda: (old,))
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "2.4.0")
    found = health("numpy ABI")
    assert (found[0], "'numpy<2'" in found[2]) == (CheckStatus.FAIL, True)


def test_doctor_warns_of_32_bits(monkeypatch) -> None:
    monkeypatch.setattr(doctor.struct, "calcsize", lambda _: 4)
    found = health("python")
    assert (found[0], "32-bit" in found[2]) == (CheckStatus.WARN, True)


def test_doctor_fails_when_the_disk_is_almost_full(monkeypatch) -> None:
    usage = doctor.shutil.disk_usage("/")._replace(free=10 * 1024 * 1024)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert health("disk")[:2] == (CheckStatus.FAIL, "10 MiB free here")


def test_doctor_reads_the_heat_and_the_alarm_of_the_board(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "SYSFS", tmp_path)
    monkeypatch.setattr(doctor, "query_firmware", lambda: None)
    write_zones(tmp_path, ("cpu-thermal", "86000"))
    write_alarm(tmp_path, "1")
    assert health("temperature")[0] is CheckStatus.WARN
    assert health("power")[0] is CheckStatus.WARN
    assert health("throttling")[:2] == (CheckStatus.OK, "not known: no vcgencmd")


def test_doctor_asks_the_firmware_of_a_raspberry_pi(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "query_firmware", lambda: "throttled=0x50000")
    assert health("power")[1] == "undervoltage since the start (0x50000)"
    assert health("throttling")[1] == "throttled since the start (0x50000)"


def test_doctor_warns_of_a_model_that_was_not_verified_with_this_interpreter() -> None:
    found = health("model")
    assert (found[0], "--verify-with" in found[2]) == (CheckStatus.WARN, True)


def test_verify_shows_what_a_model_file_says_of_itself() -> None:
    done = run("verify", toy_path("int8"))
    assert done.returncode == 0
    for words in ("ok: sha256", "toy 1.0.0, int8", "0 = broken, 1 = not broken", "n 40"):
        assert words in done.stdout


def test_verify_shows_modes_tiles_outputs_and_limit() -> None:
    done = run("verify", toy_path("tiled-int8"))
    assert done.returncode == 0
    for words in (
        "outputs      logit 1 of class 1, map 2, features 0",
        "distance     refused above 4",
        "mode tiled, temperature 2, logit +0.375 +0.5 whole +0.25 tiles -0.125 highest",
        "tiles of 50% of a film of at most 400 px, overlap 25%: 9 on a square image",
        "mode whole, temperature 1,",
    ):
        assert words in done.stdout
    assert done.stdout.count("operating point balanced") == 2


def test_doctor_names_the_modes_of_the_model() -> None:
    assert "modes tiled, whole" in health("model", model=toy_path("tiled-int8"))[1]


def test_verify_exits_4_on_an_altered_file(tmp_path) -> None:
    altered = bytearray(toy_path("int8").read_bytes())
    altered[100] ^= 1
    (tmp_path / "altered.tflite").write_bytes(altered)
    done = run("verify", tmp_path / "altered.tflite")
    assert (done.returncode, done.stdout) == (4, "")
    assert "altered or damaged" in done.stderr


def test_doctor_names_a_package_that_is_broken_and_lives(tmp_path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    done = subprocess.run(
        [str(SCRIPT), "doctor", "--model", str(toy_path("int8"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "fail  packages      opencv-python-headless: libGL.so.1" in done.stdout
    assert "fail  model" in done.stdout


def test_doctor_names_numpy_where_it_is_absent(monkeypatch) -> None:
    def absent(name: str) -> str:
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", absent)
    assert doctor._numpy_abi().status is CheckStatus.FAIL


def test_install_service_prints_steps_and_unit_and_changes_nothing(monkeypatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/of-a-test")
    command = ["install-service", "--dry-run", "--watch", "/srv/of-a-test"]
    done = CliRunner().invoke(admin.app, command)
    assert done.exit_code == 0, done.output
    assert "1. " in done.stdout
    program = "/opt/of-a-test/bin/edge-classify"
    assert f"ExecStart={program} --watch /srv/of-a-test --out /var/lib/bonefx\n" in done.stdout
    assert not Path("/srv/of-a-test").exists()


def test_install_service_refuses_a_folder_that_the_service_cannot_use(monkeypatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/of-a-test")  # a checkout below /tmp is refused, too
    command = ["install-service", "--dry-run", "--watch", "/srv/a b"]
    done = CliRunner().invoke(admin.app, command)
    assert done.exit_code == 2
    assert "absolute path of letters" in done.stderr
