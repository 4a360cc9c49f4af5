"""--site-profile through the installed scripts: the thresholds used, the words, the exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from example_profile import write_profile
from toy import film, toy_path

BIN = Path(sys.executable).parent
TOY = f"--model={toy_path('int8')}"


def run(command: str, *args: object) -> subprocess.CompletedProcess[str]:
    words = [str(BIN / command), *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(name="folder")
def _folder(tmp_path) -> Path:
    """Return a folder with one film: fracture by the model, uncertain by the profile."""
    (tmp_path / "films").mkdir()
    cv2.imwrite(str(tmp_path / "films" / "a.png"), film(100))
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_findings_are_by_the_profile_in_one_process_and_in_several(folder, jobs) -> None:
    options = ("--site-profile", write_profile(folder), "--jobs", jobs, "--format", "json", TOY)
    done = run("edge-classify", folder / "films", *options)
    record = json.loads(done.stdout)
    assert (record["state"], record["operating_point"]) == ("uncertain", "site")
    assert record["site_profile"]["date"] == "2026-11-29"
    assert 0.33 <= record["score"] < 0.67


def test_the_table_says_whether_the_site_is_commissioned(folder) -> None:
    without = run("edge-classify", folder / "films", TOY).stdout
    with_one = run("edge-classify", folder / "films", TOY, "--site-profile", write_profile(folder))
    assert "Not commissioned" in without
    assert "Commissioned 2026-11-29" in with_one.stdout


def test_a_profile_of_another_model_exits_2_and_says_what_to_do(folder) -> None:
    options = ("--site-profile", write_profile(folder), f"--model={toy_path('float32')}")
    done = run("edge-classify", folder / "films", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "edge-admin commission again with this model" in done.stderr


@pytest.mark.slow
def test_the_service_uses_the_profile_and_requeue_knows_it(folder) -> None:
    profile, out = write_profile(folder), folder / "out"
    watch = ("--watch", folder / "films", "--once", "--settle", 0.1, "--out", out, TOY)
    assert run("edge-classify", *watch, "--site-profile", profile).returncode == 0
    record = json.loads(next(out.glob("*.json")).read_text())
    assert record["finding"]["state"] == "uncertain"
    assert record["predictor"].endswith(f" site {record['finding']['site_profile']['sha256']}")
    asked = ("requeue", out, "--model-changed", "--model", toy_path("int8"))
    assert run("edge-admin", *asked, "--site-profile", profile).stdout.startswith(
        "images to classify again: 0"
    )
    assert run("edge-admin", *asked).stdout.startswith("images to classify again: 1")


@pytest.mark.slow
def test_the_service_ends_with_4_for_a_profile_of_another_model(folder) -> None:
    watch = ("--watch", folder / "films", "--once", "--settle", 0.1, "--out", folder / "out")
    model = f"--model={toy_path('float32')}"
    done = run("edge-classify", *watch, model, "--site-profile", write_profile(folder))
    assert done.returncode == 4
    assert "edge-admin commission again with this model" in done.stderr
