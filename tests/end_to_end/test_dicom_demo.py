"""`make demo-dicom`: dcmtk as modality, Orthanc as archive, all of bonefx between them."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

SCRIPT = Path(__file__).parents[2] / "demo" / "dicom.py"


def test_both_films_of_the_demo_have_report_and_picture_in_their_study(tmp_path):
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hand, leg = re.split(r"was sent; .* s later its study has:", done.stdout)[1:]
    for part, answer in ((hand, "Fracture suspected"), (leg, "Uncertain (unfamiliar)")):
        assert re.findall(r"^  (\w\w)", part, re.MULTILINE) == ["DX", "OT", "SR"]
        assert f"AI result, not for diagnosis. {answer}." in part
    for name in ("hand-1410", "leg-0042"):
        height, width, _ = cv2.imread(str(folder / f"{name}.png")).shape
        assert height > width > 500
    assert "All programs have ended" in done.stdout
    assert "ERROR" not in (folder / "service.log").read_text()
    assert not is_running(folder)


@pytest.mark.parametrize("script", ["dicom.py", "page.py"])
def test_a_folder_that_is_not_of_the_demo_is_left_alone(tmp_path, script):
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    words = [sys.executable, SCRIPT.with_name(script), tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected an empty folder" in done.stderr
    assert list(tmp_path.iterdir()) == [kept]


def is_running(folder: Path) -> bool:
    """Return whether a process has the folder in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False
