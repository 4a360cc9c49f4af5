"""A folder to watch, a place for results, a small disk."""

import shutil
import subprocess

import pytest

MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(name="out")
def _out(tmp_path):
    return tmp_path / "results"


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path):
    """A disk of 4 MiB, mounted for the test: needs the right to mount, as `.ci/run` has."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
    yield place
    subprocess.run([UMOUNT, "--lazy", place], check=True)
