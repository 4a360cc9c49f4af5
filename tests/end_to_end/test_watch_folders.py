"""What the service promises when a folder that it writes to is not mounted, or is another one."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from bonefx_edge.cli.exit_codes import ExitCode
from bonefx_edge.watch.marked_folder import MARKER_NAME
from watch_service import (
    MOUNT,
    UMOUNT,
    Share,
    Watcher,
    check_exactly_one,
    current,
    decided,
    film_bytes,
    films,
    run_once,
    sha256,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

EXT4_SHUTDOWN, WITHOUT_LOG = 0x8004587D, struct.pack("I", 2)
"""EXT4_IOC_SHUTDOWN of fs/ext4/ext4.h: the disk is gone, all that follows is EIO."""
RESULTS_AWAY = "the folder of the results is away"
JOURNAL_AWAY = "the folder of the journal is away"


def below(stick: Share) -> list[str]:
    """Return what lies below the mount point of a disk that is not mounted."""
    assert not stick.is_mounted
    return sorted(path.name for path in stick.folder.rglob("*"))


def send(folder: Path, name: str, number: int) -> None:
    partial = folder / f".{name}.part"
    partial.write_bytes(film_bytes(number))
    partial.rename(folder / name)


def admin(*words: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from bonefx_edge.cli.admin import main; main()"]
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )


def ready(port: int) -> dict[str, str]:
    """Return the status of each check of /readyz."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as response:
            body = json.load(response)
    except HTTPError as err:
        body = json.load(err)
    return {check["name"]: check["status"] for check in body["checks"]}


def port_of(watcher: Watcher) -> int:
    wait_until(lambda: "/readyz" in watcher.said(), what="health port")
    return int(watcher.said().split("127.0.0.1:")[1].split("/")[0])


def test_results_wait_while_their_disk_is_unmounted_and_none_is_lost_or_stale(
    folder, disks, tmp_path
):
    """home-assistant/supervisor#4643."""
    disk, journal = disks("results"), tmp_path / "journal"
    out = disk.folder
    options = ("--journal", str(journal), "--health-port", "0")
    send(folder, "a.png", 1)
    with Watcher(folder, out, *options) as watcher:
        port = port_of(watcher)
        wait_until(lambda: len(decided(out)) == 1, what="first decided")
        disk.unmount()
        send(folder, "a.png", 2)
        send(folder, "b.png", 3)
        wait_until(lambda: RESULTS_AWAY in watcher.said(), what="said")
        assert ready(port)["results"] == "fail"
        status = admin("status", out, "--journal", journal)
        assert "results: away" in status.stdout, status.stdout + status.stderr
        time.sleep(1.5)  # longer than a film takes
        assert below(disk) == []
        disk.mount()
        wait_until(lambda: len(decided(out) - {sha256(film_bytes(1))}) == 2, what="others decided")
        wait_until(lambda: len(decided(out)) == 2, what="the stale one retired")
        wait_until(lambda: ready(port)["results"] == "ok", what="ready")
        assert "results: in place" in admin("status", out, "--journal", journal).stdout
        assert watcher.stop() == 0
    assert watcher.said().count(RESULTS_AWAY) == 1, "once, then every minute"
    expected = {folder / "a.png": film_bytes(2), folder / "b.png": film_bytes(3)}
    check_exactly_one(out, expected, journal=journal)


def test_a_start_without_the_disk_of_the_results_waits_for_it(folder, disks, tmp_path):
    disk, options = disks("results"), ("--journal", str(tmp_path / "journal"))
    send(folder, "a.png", 1)
    run_once(folder, disk.folder, *options)
    disk.unmount()
    send(folder, "b.png", 2)
    with Watcher(folder, disk.folder, *options) as watcher:
        wait_until(lambda: RESULTS_AWAY in watcher.said(), what="said")
        assert below(disk) == []
        disk.mount()
        wait_until(lambda: len(decided(disk.folder)) == 2, what="decided")
        assert watcher.stop() == 0


def test_a_start_without_the_disk_of_the_journal_waits_for_it(folder, disks, out):
    """The results know that there is a journal, and where."""
    disk = disks("journal")
    options = ("--journal", str(disk.folder))
    send(folder, "a.png", 1)
    run_once(folder, out, *options)
    disk.unmount()
    send(folder, "b.png", 2)
    done = run_once(folder, out, *options)
    assert done.returncode == ExitCode.JOURNAL
    assert "mount" in done.stderr
    with Watcher(folder, out, *options, "--health-port", "0") as watcher:
        wait_until(lambda: JOURNAL_AWAY in watcher.said(), what="said")
        assert ready(port_of(watcher))["journal"] == "fail"
        assert below(disk) == []
        disk.mount()
        wait_until(lambda: len(decided(out)) == 2, what="decided")
        assert watcher.stop() == 0
    assert len(films(out, disk.folder)) == 2, "of one journal"


def test_once_says_by_its_exit_code_that_the_journal_went_away(folder, disks, out):
    disk = disks("journal")
    options = ("--journal", str(disk.folder), "--once", "--settle", "60")
    send(folder, "a.png", 1)
    with Watcher(folder, out, *options) as watcher:
        wait_until(lambda: "worker ready" in watcher.said(), what="ready")
        disk.unmount()
        wait_until(lambda: JOURNAL_AWAY in watcher.said(), what="said")
        assert watcher.stop() == ExitCode.JOURNAL
    assert "Traceback" not in watcher.said()


def test_a_stop_is_obeyed_while_the_disk_of_the_journal_is_waited_for(folder, disks, out):
    disk = disks("journal")
    options = ("--journal", str(disk.folder))
    run_once(folder, out, *options)
    disk.unmount()
    with Watcher(folder, out, *options) as watcher:
        wait_until(lambda: JOURNAL_AWAY in watcher.said(), what="said")
        assert watcher.stop() == 0


def test_a_second_service_with_its_own_journal_does_not_get_the_same_results_folder(
    folder, out, tmp_path
):
    """owncloud/core#9992."""
    other = tmp_path / "other"
    other.mkdir()
    send(folder, "a.png", 1)
    run_once(folder, out, "--journal", str(tmp_path / "j1"))
    send(other, "a.png", 1)
    for second in (run_once(other, out, "--journal", str(tmp_path / "j2")), run_once(other, out)):
        assert second.returncode == ExitCode.JOURNAL
        assert str(tmp_path / "j1") in second.stderr
        assert "--out" in second.stderr
    assert len(current(out)) == 1


def test_originals_are_not_moved_below_a_mount_point(folder, out, disks):
    archive = disks("archive")
    options = ("--move-done", str(archive.folder), "--health-port", "0")
    send(folder, "a.png", 1)
    with Watcher(folder, out, *options) as watcher:
        port = port_of(watcher)
        wait_until(lambda: list(archive.folder.glob("a.*")), what="first moved")
        archive.unmount()
        send(folder, "b.png", 2)
        wait_until(lambda: len(decided(out)) == 2, what="decided without the archive")
        wait_until(lambda: "the folder of the archive done is away" in watcher.said(), what="said")
        wait_until(lambda: ready(port).get("archive") == "warn", what="warned")
        assert below(archive) == []
        assert (folder / "b.png").exists()
        archive.mount()
        wait_until(lambda: list(archive.folder.glob("b.*")), what="moved")
        assert watcher.stop() == 0


def test_another_disk_in_the_place_of_the_archive_is_used_when_the_user_says_so(folder, out, disks):
    archive = disks("archive")
    options = ("--move-done", str(archive.folder))
    send(folder, "a.png", 1)
    run_once(folder, out, *options)
    (archive.folder / MARKER_NAME).unlink()  # as on a new disk
    send(folder, "b.png", 2)
    run_once(folder, out, *options)
    assert (folder / "b.png").exists()
    assert admin("adopt-folders", out).returncode == 0
    run_once(folder, out, *options)
    assert not (folder / "b.png").exists()


def test_a_folder_of_an_older_bonefx_is_adopted_and_a_bare_mount_point_is_not(
    folder, disks, tmp_path
):
    disk, journal = disks("results"), tmp_path / "journal"
    send(folder, "a.png", 1)
    run_once(folder, disk.folder, "--journal", str(journal))
    (disk.folder / MARKER_NAME).unlink()
    forget_folders(journal)
    disk.unmount()
    send(folder, "b.png", 2)
    with Watcher(folder, disk.folder, "--journal", str(journal)) as watcher:
        wait_until(lambda: RESULTS_AWAY in watcher.said(), what="said")
        assert below(disk) == []
        disk.mount()
        wait_until(lambda: len(decided(disk.folder)) == 2, what="decided")
        assert watcher.stop() == 0
    assert (disk.folder / MARKER_NAME).exists()


def forget_folders(journal: Path) -> None:
    """As in a journal of 0.5."""
    import sqlite3

    connection = sqlite3.connect(journal / "journal.sqlite")
    with connection:
        connection.execute("DELETE FROM meta WHERE name = 'journal' OR name LIKE 'folder of %'")
    connection.close()


class LoopDisk:
    """A disk with ext4 in a file; it can die as if it was pulled."""

    def __init__(self, place: Path) -> None:
        self._images, self.folder = [place / "disk-0.img"], place / "stick"
        self.folder.mkdir()
        with self._images[0].open("wb") as stream:
            stream.truncate(16 << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", str(self._images[0])], check=True)
        self._mount()

    def _mount(self) -> None:
        command = [MOUNT, "-o", "loop", str(self._images[-1]), str(self.folder)]
        subprocess.run(command, check=True)

    def dies(self) -> None:
        """Everything on it gets EIO from now on; what was synced is kept."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_SHUTDOWN, WITHOUT_LOG)
        finally:
            os.close(descriptor)

    def put_back(self) -> None:
        """As another device: the kernel keeps the dead one while a file on it is open."""
        before = self._images[-1]
        self._images.append(before.with_name(f"disk-{len(self._images)}.img"))
        shutil.copyfile(before, self._images[-1])
        self._mount()

    def unmount(self) -> None:
        subprocess.run([UMOUNT, "--lazy", str(self.folder)], check=True)


@pytest.fixture(name="loop_disk")
def _loop_disk(tmp_path):
    disk = LoopDisk(tmp_path)
    yield disk
    subprocess.run([UMOUNT, "--lazy", str(disk.folder)], check=False)


@pytest.mark.parametrize("pulled", [True, False], ids=["pulled", "fails in its place"])
def test_the_journal_is_opened_anew_when_its_disk_is_put_back(folder, loop_disk, pulled):
    """buildingjoshbetter/TrueMemory#684: the handle stayed dead until a restart."""
    out = loop_disk.folder / "results"
    contents = {f"{n}.png": film_bytes(n) for n in range(3)}
    send(folder, "0.png", 0)
    with Watcher(folder, out, "--health-port", "0") as watcher:
        wait_until(lambda: len(decided(out)) == 1, what="first decided")
        loop_disk.dies()
        if pulled:
            loop_disk.unmount()
        send(folder, "1.png", 1)
        wait_until(lambda: re.search("is away|paused", watcher.said()), what="said")
        if not pulled:
            loop_disk.unmount()
        assert list(loop_disk.folder.iterdir()) == []
        loop_disk.put_back()
        wait_until(lambda: len(decided(out)) == 2, what="second decided")
        wait_until(lambda: set(ready(port_of(watcher)).values()) == {"ok"}, what="ready")
        send(folder, "2.png", 2)
        wait_until(lambda: len(decided(out)) == 3, what="third decided")
        assert watcher.stop() == 0
    check_exactly_one(out, {folder / name: data for name, data in contents.items()})
