"""A folder to watch, a place for results, a share."""

import pytest
from watch_service import Share


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(name="out")
def _out(tmp_path):
    return tmp_path / "results"


@pytest.fixture(name="share")
def _share(tmp_path):
    """A share, mounted for the test: needs the right to mount, as `.ci/run` has."""
    server, folder = tmp_path / "server", tmp_path / "mounted"
    for each in (server, folder):
        each.mkdir()
    share = Share(server, folder)
    share.mount()
    yield share
    if share.is_mounted:
        share.unmount()


@pytest.fixture(name="disks")
def _disks(tmp_path):
    """Return a function that makes a disk by name; each is mounted, and can be unmounted."""
    disks = []

    def make(name: str) -> Share:
        server, folder = tmp_path / f"{name}-disk", tmp_path / name
        server.mkdir()
        folder.mkdir()
        disks.append(Share(server, folder))
        disks[-1].mount()
        return disks[-1]

    yield make
    for disk in disks:
        if disk.is_mounted:
            disk.unmount()
