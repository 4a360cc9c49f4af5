"""A folder to watch, a place for results, a small disk."""

import subprocess

import pytest
from watching import MOUNT, UMOUNT, Share


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(name="out")
def _out(tmp_path):
    return tmp_path / "results"


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


@pytest.fixture(name="share")
def _share(tmp_path):
    """A share, mounted for the test: needs the same right."""
    server, folder = tmp_path / "server", tmp_path / "mounted"
    for each in (server, folder):
        each.mkdir()
    share = Share(server, folder)
    share.mount()
    yield share
    if share.is_mounted:
        share.unmount()
