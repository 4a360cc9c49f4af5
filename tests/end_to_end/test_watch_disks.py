"""What the service promises of folders that come and go and of disks that are full."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from bonefx_edge.cli.exit_codes import ExitCode
from bonefx_edge.watch.intake.rescan import RESCAN_EVENTS_S
from watch_service import (
    MOUNT,
    Watcher,
    check_exactly_one,
    current,
    decided,
    fill,
    film_bytes,
    run_once,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]


def cpu_s(pid: int) -> float:
    """Return the processor time of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rests(watcher: Watcher) -> bool:
    """Return whether the service uses less than a tenth of a core, over two seconds."""
    before = cpu_s(watcher.process.pid)
    time.sleep(2.0)
    return cpu_s(watcher.process.pid) - before < 0.2


def test_a_service_whose_folder_is_not_there_yet_rests_and_takes_it_up_when_it_comes(folder, out):
    folder.rmdir()
    with Watcher(folder, out) as watcher:
        wait_until(lambda: b"worker ready" in watcher.log.read_bytes(), what="worker")
        assert f"{folder} cannot be read (ENOENT): waiting for it" in watcher.said()
        assert rests(watcher)
        folder.mkdir()
        (folder / "1.png").write_bytes(film_bytes(1))
        wait_until(lambda: len(decided(out)) == 1, what="decided")
        assert watcher.stop() == 0


def test_a_folder_that_is_not_there_is_no_work_for_once(tmp_path, out):
    done = run_once(tmp_path / "absent", out)
    assert done.returncode == 2
    assert "--once needs an existing folder" in done.stderr


def test_once_does_not_end_well_if_its_folder_is_removed_meanwhile(folder, out):
    (folder / "film.png").write_bytes(film_bytes(1))
    with Watcher(folder, out, "--once", "--settle", "60") as watcher:
        wait_until(lambda: "watching by" in watcher.said(), what="start")
        shutil.rmtree(folder)
        assert watcher.process.wait(timeout=60) == 3


def test_two_copies_that_are_both_rewritten_to_a_known_film_leave_one_result(folder, out):
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(film_bytes(1))
    run_once(folder, out)
    (folder / "a.png").write_bytes(film_bytes(2))
    run_once(folder, out)
    assert len(decided(out)) == 2
    (folder / "b.png").write_bytes(film_bytes(2))
    run_once(folder, out)
    check_exactly_one(out, {folder / name: film_bytes(2) for name in ("a.png", "b.png")})


def test_the_journal_can_be_read_by_its_owner_only(folder, out):
    run_once(folder, out)
    for path in (out / "journal").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_a_folder_that_vanishes_and_comes_back_is_watched_again(folder, out):
    with Watcher(folder, out) as watcher:
        (folder / "1.png").write_bytes(film_bytes(1))
        wait_until(lambda: len(decided(out)) == 1, what="first decided")
        folder.rename(folder.with_name("away"))
        time.sleep(2.5)  # a look at the folder falls in between
        folder.with_name("away").rename(folder)
        (folder / "2.png").write_bytes(film_bytes(2))
        wait_until(lambda: len(decided(out)) == 2, what="second decided")
        assert watcher.stop() == 0


def test_without_events_the_folder_is_walked(folder, out):
    with Watcher(folder, out, "--poll", "always") as watcher:
        wait_until(lambda: (out / "journal/journal.sqlite").exists(), what="begun")
        (folder / "sub").mkdir()
        (folder / "sub/1.png").write_bytes(film_bytes(1))
        wait_until(lambda: len(decided(out)) == 1, what="decided")
        assert watcher.stop() == 0


def test_a_full_disk_stops_the_service_and_it_goes_on_by_itself(folder, small_disk):
    out = small_disk / "results"
    originals = {folder / f"{n}.png": film_bytes(n) for n in range(60)}
    for path, data in originals.items():
        path.write_bytes(data)
    with Watcher(folder, out, "--min-free", "0") as watcher:
        wait_until(lambda: out.exists() and len(decided(out)) > 5, what="some decided")
        ballast = small_disk / "ballast"
        fill(ballast)
        assert shutil.disk_usage(ballast).free == 0
        late = {folder / f"late {n}.png": film_bytes(100 + n) for n in range(20)}
        for path, data in late.items():
            path.write_bytes(data)
        full = watcher.log if watcher.log.exists() else None
        wait_until(lambda: full and b"cannot write the" in full.read_bytes(), what="disk said full")
        assert watcher.process.poll() is None
        ballast.unlink()
        everything = originals | late
        wait_until(lambda: len(decided(out)) == len(everything), what="all decided")
        assert watcher.stop() == 0
    check_exactly_one(out, everything)


def begin_on_a_full_disk(folder: Path, out: Path) -> str:
    """Return what a service says that waits for room, or ends so that the system tries again."""
    with Watcher(folder, out, "--min-free", "0") as watcher:
        wait_until(
            lambda: watcher.process.poll() is not None or "cannot write the" in watcher.said(),
            what="waits or ends",
        )
        if watcher.process.poll() is not None:
            assert watcher.process.returncode == ExitCode.JOURNAL, watcher.said()
            assert "check disk space" in watcher.said().lower()
        return watcher.said()


@pytest.mark.parametrize("small_disk", [f"nr_inodes={n}" for n in range(1, 9)], indirect=True)
def test_a_service_that_begins_where_no_more_files_fit_waits_or_says_so_and_ends(
    folder, small_disk
):
    """The watched folder has a film, so that what waits finds out."""
    (folder / "1.png").write_bytes(film_bytes(1))
    begin_on_a_full_disk(folder, small_disk / "results")


def test_a_service_that_begins_on_a_full_disk_waits_or_says_so_and_ends(folder, small_disk):
    """However many pages are left: each stops another step of the beginning."""
    (folder / "1.png").write_bytes(film_bytes(1))
    out, said = small_disk / "results", ""
    for pages in range(40):
        fill(small_disk / "ballast", spare_pages=pages)
        said = begin_on_a_full_disk(folder, out)
        shutil.rmtree(out)
    assert "cannot write the" in said, "more pages would have stopped other steps"


@pytest.mark.parametrize("small_disk", [f"nr_inodes={n}" for n in range(1, 5)], indirect=True)
def test_results_whose_disk_takes_no_file_at_the_first_start_are_waited_for(
    folder, small_disk, tmp_path
):
    """Each number stops another step: folder, folder in it, marker, first result."""
    (folder / "1.png").write_bytes(film_bytes(1))
    out = small_disk / "results"
    words = ("--min-free", "0", "--journal", str(tmp_path / "journal"))
    with Watcher(folder, out, *words) as watcher:
        wait_until(
            lambda: (
                "cannot write the results (ENOSPC)" in watcher.said()
                or watcher.process.poll() is not None
            ),
            what="disk said full",
        )
        assert watcher.process.poll() is None, watcher.said()
        subprocess.run([MOUNT, "-o", "remount,nr_inodes=100", small_disk], check=True)
        wait_until(lambda: len(decided(out)) == 1, what="decided")
        assert watcher.stop() == 0
    check_exactly_one(out, {folder / "1.png": film_bytes(1)}, journal=tmp_path / "journal")


def test_below_the_watermark_nothing_is_taken_until_there_is_room(folder, small_disk):
    out = small_disk / "results"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    (folder / "1.png").write_bytes(film_bytes(1))
    with Watcher(folder, out, "--min-free", "2") as watcher:
        wait_until(
            lambda: watcher.log.exists() and b"MiB free: paused" in watcher.log.read_bytes(),
            what="watermark said",
        )
        assert current(out) == {}
        assert rests(watcher)
        ballast.unlink()
        wait_until(lambda: len(decided(out)) == 1, what="decided")
        assert watcher.stop() == 0


def test_a_share_that_is_unmounted_and_mounted_again_loses_nothing(share, out):
    """What is written while it is away is found afterwards."""
    contents = {f"{n}.png": film_bytes(n) for n in range(40)}
    for name, data in list(contents.items())[:20]:
        (share.server / name).write_bytes(data)
    with Watcher(share.folder, out) as watcher:
        wait_until(lambda: len(decided(out)) > 3, what="some decided")
        share.unmount()
        for name, data in list(contents.items())[20:]:
            (share.server / name).write_bytes(data)
        time.sleep(2.5)  # a look at the folder falls in between
        share.mount()
        soon_s = RESCAN_EVENTS_S / 2  # before a walk that would come anyhow
        wait_until(lambda: len(decided(out)) == 40, what="all decided", timeout_s=soon_s)
        assert watcher.stop() == 0
    check_exactly_one(out, {share.folder / name: data for name, data in contents.items()})
