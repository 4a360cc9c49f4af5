"""What native libraries write: information is held back, errors never."""

import os
import subprocess
import sys
from importlib.util import find_spec

import cv2
import pytest
from bonefx_edge.model.native_log import VERBOSE, without_lines
from toy import film, toy_path

INFORMATION, ERROR = b"INFO: uses kernels\n", b"ERROR: cannot open\n"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch) -> None:
    monkeypatch.delenv(VERBOSE, raising=False)


def write() -> None:
    os.write(2, INFORMATION + ERROR)


def test_only_the_lines_named_are_held_back(capfd) -> None:
    with without_lines(b"INFO: "):
        write()
    os.write(2, INFORMATION)
    assert capfd.readouterr().err.encode() == ERROR + INFORMATION


def test_what_was_written_before_an_exception_is_shown(capfd) -> None:
    with pytest.raises(ZeroDivisionError), without_lines(b"INFO: "):
        write() or 1 / 0
    assert capfd.readouterr().err.encode() == ERROR


def test_verbose_shows_every_line(monkeypatch, capfd) -> None:
    monkeypatch.setenv(VERBOSE, "1")
    with without_lines(b"INFO: "):
        write()
    assert capfd.readouterr().err.encode() == INFORMATION + ERROR


def test_a_process_without_standard_error_works() -> None:
    code = (
        "import os; from bonefx_edge.model.native_log import without_lines\n"
        "os.close(2)\n"
        "with without_lines(b'INFO: '): print('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"done\n"


@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="tflite-runtime writes nothing")
@pytest.mark.parametrize(
    ("options", "shown"), [([], False), (["--jobs", "2"], False), (["--verbose"], True)]
)
def test_edge_classify_shows_what_the_interpreter_writes_if_asked(tmp_path, options, shown) -> None:
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), film(200 - i))
    code = "from bonefx_edge.cli.classify import main; main()"
    command = [sys.executable, "-c", code, str(tmp_path), "--model", toy_path("int8"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 3)
    assert ("XNNPACK" in done.stderr) is shown
