"""--accept through the installed scripts: one process, several, the service; the words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from image_files import dicom_file, without_preamble
from toy import film, toy_path

BIN = Path(sys.executable).parent
TOY = f"--model={toy_path('int8')}"
ACCEPT = ("--accept", "presentation-lut-shape", "--accept", "no-preamble")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    words = [str(BIN / "edge-classify"), *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(name="films")
def _films(tmp_path) -> Path:
    """Return a folder with one film without fault, and one for each switch."""
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(dicom_file(film(100)))
    (folder / "b.dcm").write_bytes(dicom_file(film(100), PresentationLUTShape="INVERSE"))
    (folder / "c.dcm").write_bytes(without_preamble(dicom_file(film(100))))
    return folder


def records(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_accepted_is_answered_and_said(films, jobs) -> None:
    options = ("--jobs", jobs, "--format", "json", TOY)
    without = run(films, *options)
    assert without.returncode == 3
    assert [each["reason"] for each in records(without)] == [None, "unsupported", "not_an_image"]
    assert [each["accepted"] for each in records(without)] == [[], [], []]
    done = run(films, *options, *ACCEPT)
    assert done.returncode == 0, done.stderr
    found = records(done)
    assert [each["accepted"] for each in found] == [[], ["presentation-lut-shape"], ["no-preamble"]]
    assert len({each["p_fracture"] for each in found}) == 1


def test_one_switch_accepts_one_fault_only_and_the_table_says_it(films) -> None:
    done = run(films, TOY, *ACCEPT[:2])
    assert done.returncode == 3
    assert done.stdout.count("accepted: ") == 1
    assert "not_an_image: " in done.stdout


def test_a_heat_map_is_drawn_of_an_accepted_film(films, tmp_path) -> None:
    model = f"--model={toy_path('tiled-int8')}"
    done = run(films / "c.dcm", model, *ACCEPT, "--heatmap", tmp_path / "maps")
    assert (done.returncode, len(list((tmp_path / "maps").iterdir()))) == (0, 1), done.stderr


@pytest.mark.parametrize("extra", [(), ("--watch",)])
def test_a_switch_that_does_not_exist_exits_2(films, extra) -> None:
    done = run(*extra, films, TOY, "--accept", "anything")
    assert (done.returncode, done.stdout) == (2, "")
    assert "presentation-lut-shape" in done.stderr


@pytest.mark.slow
def test_the_service_accepts_and_says_so_in_the_result(films, tmp_path) -> None:
    out = tmp_path / "out"
    watch = ("--watch", films, "--once", "--settle", 0.1, "--out", out, TOY)
    done = run(*watch, *ACCEPT)
    assert done.returncode == 0, done.stderr
    found = [json.loads(path.read_text())["finding"] for path in out.glob("*.json")]
    assert sorted(each["accepted"] for each in found) == [
        [],
        ["no-preamble"],
        ["presentation-lut-shape"],
    ]
