"""What every test may ask for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""


@pytest.hookimpl(trylast=True)  # after other conftest files have marked theirs
def pytest_collection_modifyitems(items) -> None:
    """Put slow tests first: no process is left with one when the others are through."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(name="data_root", scope="session")
def _data_root() -> Path:
    """Return the folder of real radiographs, or skip with the reason."""
    named = os.environ.get("BONEFX_DATA") or REPOSITORY.parent / "shared" / "data"
    root = Path(named)
    if not (root / "fracatlas" / "manifest.csv").is_file():
        pytest.skip(f"needs real radiographs: no fracatlas/manifest.csv in {root} (BONEFX_DATA)")
    return root


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path, request):
    """A disk of 4 MiB, mounted for the test: needs the right to mount, as `.ci/run` has.

    A parameter says what else it is, such as "nr_inodes=3": room for two files or folders.
    """
    place = tmp_path / "disk"
    place.mkdir()
    options = ",".join(["size=4m", *([request.param] if hasattr(request, "param") else [])])
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    yield place
    subprocess.run([UMOUNT, "--lazy", place], check=True)
