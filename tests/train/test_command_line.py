"""The host commands where their libraries are missing, and what these write by themselves."""

import os
import subprocess
import sys

import pytest

COMMANDS = [
    ("bonefx_train", ["fit", "IMAGES", "--out", "RUN"], "train"),
    ("bonefx_train", ["evaluate", "RUN"], "train"),
    ("bonefx_convert", ["run", "RUN", "--out", "MODELS"], "convert"),
    ("bonefx_convert", ["parity", "MODEL", "--keras", "RUN"], "convert"),
]


def run(package: str, arguments: list[str], *, first: str = "", folder) -> tuple[int, str]:
    code = f"import sys; {first}\nfrom {package}.cli import main; main()"
    # As from a shell: tests/convert/conftest.py sets some for the process that runs the tests.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=False, timeout=120, cwd=folder,
        env=environment,
    )  # fmt: skip
    return done.returncode, done.stderr


def needs(command: str, package: str, *, extra: str) -> str:
    return (
        f"error: {command} needs {package}, which is not installed; install bonefx with the extra "
        f"{extra}, in a checkout: pip install '.[{extra}]'\n"
    )


@pytest.mark.parametrize(("package", "arguments", "extra"), COMMANDS)
def test_a_missing_library_is_one_line_that_names_the_extra(
    package, arguments, extra, tmp_path
) -> None:
    missing = "sys.modules |= {'tensorflow': None, 'keras': None}"
    done = run(package, arguments, first=missing, folder=tmp_path)
    assert done == (2, needs(package.replace("_", "-"), "keras", extra=extra))


@pytest.mark.parametrize("arguments", [["audit", "IMAGES"], ["split", "IMAGES", "--out", "CSV"]])
def test_the_audit_names_the_extra_on_a_device_too(arguments, tmp_path) -> None:
    missing = "sys.modules['jinja2'] = None"
    done = run("bonefx_train", arguments, first=missing, folder=tmp_path)
    assert done == (2, needs("bonefx-train", "jinja2", extra="train"))


def test_a_library_that_no_extra_holds_is_not_explained_away(tmp_path) -> None:
    missing = "sys.modules['cv2'] = None"
    code, stderr = run("bonefx_train", ["audit", "IMAGES"], first=missing, folder=tmp_path)
    assert code == 1
    assert stderr.startswith("Traceback")


@pytest.mark.host
@pytest.mark.parametrize(("package", "arguments"), [command[:2] for command in COMMANDS[1:3]])
def test_tensorflow_adds_no_line_of_its_own(package, arguments, tmp_path) -> None:
    code, stderr = run(package, arguments, folder=tmp_path)
    assert code in (2, 3)
    assert [line for line in stderr.splitlines() if not line.startswith("error: ")] == []


@pytest.mark.host
def test_verbose_shows_what_tensorflow_writes(tmp_path) -> None:
    _, stderr = run("bonefx_train", ["--verbose", "evaluate", "RUN"], folder=tmp_path)
    assert "oneDNN" in stderr
