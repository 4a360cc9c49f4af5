"""What the doctor examines cannot silence it: each check runs in a child process."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from bonefx_edge.check import CheckStatus
from bonefx_edge.diagnostics import child
from bonefx_edge.diagnostics.doctor import CHECKS
from bonefx_edge.errors import InterpreterError
from bonefx_edge.model.runtimes import installed_names
from toy import toy_path
from watch_service import film_bytes

DIE = "import os; os.kill(os.getpid(), {signal})"
ILL, KILL, SEGV = 4, 9, 11


@pytest.fixture(name="broken")
def _broken(tmp_path):
    """Return what makes programs find another package of a name; its code is given."""
    path = tmp_path / "packages"

    def make(name, code):
        folder = path / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("__version__ = '1'\n" if "runtime" in name else "")
        for module in ("__init__.py", "interpreter.py"):
            (folder / module).write_text(code)
        return {**os.environ, "PYTHONPATH": f"{path}:{os.environ.get('PYTHONPATH', '')}"}

    return make


def admin(*words, env):
    program = [sys.executable, "-c", "from bonefx_edge.cli.admin import main; main()"]
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, check=False, env=env,
        timeout=120,
    )  # fmt: skip


def classify(*words, env):
    program = [sys.executable, "-c", "from bonefx_edge.cli.classify import main; main()"]
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, check=False, env=env,
        timeout=120,
    )  # fmt: skip


def doctor(env, *words):
    done = admin("doctor", "--model", toy_path("int8"), "--json", *words, env=env)
    assert "Traceback" not in done.stdout + done.stderr
    return done, {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_an_interpreter_that_this_processor_cannot_run_is_named_with_the_cure(broken):
    env = broken(installed_names()[0], DIE.format(signal=ILL))
    done, checks = doctor(env)
    assert done.returncode == 1
    assert "SIGILL" in checks["interpreter"]["found"]
    assert "instruction" in checks["interpreter"]["remedy"]
    assert "SIGILL" in checks["model"]["found"]
    assert set(checks) == {*CHECKS, "throttling"}  # the checks after it were made


@pytest.mark.parametrize("package", ["numpy", "cv2", "simplejpeg"])
def test_a_package_that_ends_the_process_is_named(broken, package):
    done, checks = doctor(broken(package, DIE.format(signal=SEGV)))
    assert done.returncode == 1
    assert checks["packages"]["status"] == CheckStatus.FAIL
    assert package in checks["packages"]["found"]
    assert "SIGSEGV" in checks["packages"]["found"]
    assert "disk" in checks


def test_an_error_that_nobody_expects_is_a_line_and_no_traceback(broken):
    done, checks = doctor(broken("cv2", "raise RuntimeError('module compiled for another')"))
    assert done.returncode == 1
    assert "RuntimeError: module compiled for another" in checks["packages"]["found"]


def test_what_python_prints_at_its_start_is_no_result(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('hello'); print([5]); print(5, end='')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    found = child.run_in_child(toy_path("int8"), ["board", "disk"])
    assert [check.name for check in found] == ["board", "disk"]


def test_a_check_that_does_not_end_is_a_check_that_failed(broken, monkeypatch):
    monkeypatch.setattr(child, "TIMEOUT_S", 5.0)
    monkeypatch.setenv("PYTHONPATH", broken("cv2", "import time; time.sleep(600)")["PYTHONPATH"])
    found = child.run_in_child(toy_path("int8"), ["packages", "disk"])
    assert [check.name for check in found] == ["packages", "disk"]
    assert "import of cv2: no end after 5 s" in found[0].found


def test_an_import_that_does_not_end_is_an_error_in_words(broken, monkeypatch):
    monkeypatch.setattr(child, "TIMEOUT_S", 2.0)
    env = broken(installed_names()[0], "import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", env["PYTHONPATH"])
    with pytest.raises(InterpreterError, match="Cannot import the interpreter: no end after 2 s"):
        child.try_interpreter(None)


def test_a_folder_that_was_removed_under_the_doctor_is_a_line(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    script = f'cd {here} && rmdir {here} && exec "$@"'
    program = [sys.executable, "-c", "from bonefx_edge.cli.admin import main; main()", "doctor"]
    done = subprocess.run(
        [shutil.which("sh"), "-c", script, "sh", *program],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "fail  disk" in done.stdout


def test_verify_and_requeue_name_the_signal_and_the_cure(broken, tmp_path):
    env = broken(installed_names()[0], DIE.format(signal=ILL))
    verify = admin("verify", toy_path("int8"), env=env)
    assert (verify.returncode, "SIGILL" in verify.stderr) == (4, True)
    assert "instruction" in verify.stderr


def test_edge_classify_names_the_signal_that_ended_it(broken, tmp_path):
    env = broken(installed_names()[0], DIE.format(signal=ILL))
    film = tmp_path / "film.png"
    film.write_bytes(film_bytes(1))
    model = ("--model", toy_path("int8"))
    assert "Illegal instruction" in classify(film, *model, env=env).stderr
    several = classify(film, *model, "--jobs", "2", env=env)
    assert several.returncode == 4
    assert "SIGILL" in several.stderr
    assert "edge-admin doctor" in several.stderr
