"""Several processes give what one gives, in the same order, and what is wrong is said in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bonefx_edge import parallel
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import InterpreterError, ModelFileError
from bonefx_edge.parallel import IMAGES_PER_PROCESS, LoadOptions, classify_parallel, processes_for
from toy import toy_path
from watch_service import film_bytes

LOADING = LoadOptions(toy_path("int8"), threads=(1,), operating_point=None, runtime=None, mode=None)


@pytest.fixture(name="files")
def _files(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.png").write_bytes(film_bytes(number))
    (folder / "07.png").write_bytes(film_bytes(7)[:300])
    return sorted(folder.iterdir())


def without_times(finding):
    return {key: value for key, value in finding.to_dict().items() if key != "timings_ms"}


def test_the_findings_are_those_of_one_process_in_the_order_of_the_files(files):
    one = Classifier.load(LOADING.model)
    alone = [without_times(one.classify(file)) for file in files]
    together = [without_times(f) for f in classify_parallel(files, LOADING, processes=3)]
    assert together == alone
    assert [record["reason"] for record in together].count("truncated") == 1


def test_films_are_taken_as_their_findings_are_asked_for(files):
    """A folder of a million films must not become a million findings in memory."""
    taken = []

    def names():
        for file in files:
            taken.append(file)
            yield file

    findings = classify_parallel(names(), LOADING, processes=1)
    next(findings)
    assert len(taken) <= parallel.PREFETCH + 1
    findings.close()


def test_few_films_are_not_worth_another_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(4)))
    counts = [processes_for(n * IMAGES_PER_PROCESS) for n in (0, 1, 2, 4, 100)]
    assert counts == [1, 1, 2, 4, 4]
    assert processes_for(2 * IMAGES_PER_PROCESS - 1) == 1


def test_a_model_that_cannot_be_used_is_the_error_that_one_process_raises(files, tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    bad = LoadOptions(tmp_path / "bad.tflite", 1, None, None, None)
    with pytest.raises(ModelFileError, match=r"expected a \.tflite"):
        list(classify_parallel(files, bad, processes=2))


def test_a_process_that_ends_is_an_error_in_words(files, monkeypatch):
    monkeypatch.setattr(parallel, "_classify", _end)
    with pytest.raises(InterpreterError, match=r"\(exit code 9\).*run with --jobs 1"):
        list(classify_parallel(files, LOADING, processes=2))


def _end(_file, _loading):
    os._exit(9)


def test_a_process_that_the_system_killed_is_an_error_that_names_the_memory(files, monkeypatch):
    monkeypatch.setattr(parallel, "_classify", _kill)
    with pytest.raises(InterpreterError, match=r"\(SIGKILL\)\. Memory ran out"):
        list(classify_parallel(files, LOADING, processes=2))


def _kill(_file, _loading):
    os.kill(os.getpid(), 9)


def run(*words):
    program = "from bonefx_edge.cli.classify import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_command_gives_the_same_lines_and_exit_code_with_jobs(files):
    folder = str(files[0].parent)
    rows = []
    for jobs in ("1", "2"):
        done = run(folder, "--model", str(LOADING.model), "--json", "--jobs", jobs)
        assert done.returncode == 3, done.stderr
        rows.append([json.loads(line) for line in done.stdout.splitlines()])
    one, two = ([row | {"timings_ms": None} for row in each] for each in rows)
    assert one == two
    assert [Path(row["path"]).name for row in two] == [file.name for file in files]


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--mode", "tiled"), 2), (("--operating-point", "none"), 2), (("--model", "absent"), 4)],
)
def test_the_command_ends_as_with_one_process(files, words, code):
    own = ("--model", str(LOADING.model)) if "--model" not in words else ()
    codes = {run(str(files[0].parent), *own, *words, "--jobs", jobs).returncode for jobs in "12"}
    assert codes == {code}
