"""The service is killed at random while the disks of its own folders come and go.

Short by itself; `make chaos` runs 500 films with 40 kills (BONEFX_CHAOS=long).
"""

import random
import sys
import threading
import time

import pytest
from bonefx_edge.watch.marked_folder import MARKER_NAME
from modality import LONG, Modality
from watch_service import (
    Share,
    Watcher,
    check_names,
    current,
    decided,
    film_bytes,
    films,
    sha256,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

RUNS = "results in"
"""What the service says when it has begun."""
DISK_FILMS, DISK_KILLS = (500, 40) if LONG else (30, 3)


class ComingAndGoing(threading.Thread):
    """Unmounts and mounts disks at random until it is stopped; lists what lies below them."""

    def __init__(self, disks: list[Share], rng: random.Random) -> None:
        super().__init__()
        self._disks, self._rng = disks, rng
        self.must_stop, self.turns, self.lock = threading.Event(), 0, threading.Lock()
        self.below: list[str] = []

    def run(self) -> None:
        while not self.must_stop.wait(self._rng.uniform(0.1, 2.0)):
            with self.lock:
                self._turn(self._rng.choice(self._disks))

    def _turn(self, disk: Share) -> None:
        if not disk.is_mounted:
            self.look_below(disk)
        disk.turn()
        self.turns += 1

    def look_below(self, disk: Share) -> None:
        self.below += [path.name for path in disk.folder.rglob("*")]

    def begin(self, make) -> Watcher:
        """Begin a service while one disk at least is there: else it is a first start to it."""
        with self.lock:
            if not any(disk.is_mounted for disk in self._disks):
                self._turn(self._rng.choice(self._disks))
            watcher = make()
            wait_until(lambda: RUNS in watcher.said() or "away" in watcher.said(), what="begun")
        return watcher

    def end(self) -> None:
        self.must_stop.set()
        self.join()
        for disk in self._disks:
            if not disk.is_mounted:
                self._turn(disk)


@pytest.mark.timeout(3600 if LONG else 300)
def test_the_same_while_results_journal_and_archive_are_unmounted_and_mounted_again(
    folder, tmp_path, disks
):
    """0 lost, 0 doubled, 0 stale among the current ones, 0 files below a mount point."""
    rng = random.Random(10)
    results, journal, archive = (disks(name) for name in ("results", "journal", "archive"))
    options = ("--journal", str(journal.folder), "--move-refused", str(archive.folder))
    options += ("--result-names", "file")
    with Watcher(folder, results.folder, *options) as watcher:  # makes the markers
        wait_until(lambda: "worker ready" in watcher.said(), what="begun")
        wait_until(lambda: (archive.folder / MARKER_NAME).exists(), what="archive marked")
    coming = ComingAndGoing([results, journal, archive], rng)
    modality = Modality(folder, films=DISK_FILMS, seed=10, pause_s=0.05)
    coming.start()
    modality.start()
    notes = {}
    for number in range(DISK_KILLS):
        notes[f"note {number}.png"] = f"no film {number}".encode()
        (folder / f"note {number}.png").write_bytes(notes[f"note {number}.png"])
        with coming.begin(lambda: Watcher(folder, results.folder, *options)):
            time.sleep(rng.uniform(0.5, 5.0 if LONG else 2.5))
    with coming.begin(lambda: Watcher(folder, results.folder, *options)) as watcher:
        modality.join()
        time.sleep(rng.uniform(0.0, 5.0 if LONG else 2.0))
        changed = {path: film_bytes(10_000 + n) for n, path in enumerate(modality.originals)}
        changed = {path: data for path, data in changed.items() if "film" in path.name}
        for path, data in list(changed.items())[::3]:
            path.write_bytes(data)
            modality.originals[path] = data
        coming.end()
        expected = {sha256(data) for data in (*modality.originals.values(), *notes.values())}
        wait_until(
            lambda: decided(results.folder) == expected, what="all decided, none stale",
            timeout_s=900 if LONG else 120,
        )  # fmt: skip
        wait_until(lambda: len(list(archive.folder.glob("*.png"))) == len(notes), what="moved")
        assert watcher.stop() == 0
    assert coming.below == []
    moved = sorted(path.read_bytes() for path in archive.folder.glob("*.png"))
    assert moved == sorted(notes.values())
    check_names(results.folder)
    found = current(results.folder)
    for data in notes.values():
        assert found[sha256(data)]["finding"]["state"] == "refused"
    rows = films(results.folder, journal.folder)
    unfinished = [row for row in rows.values() if row["state"] in ("received", "claimed")]
    assert [row for row in unfinished if row["superseded_by"] is None] == []
    sys.stdout.write(f"{len(expected)} images, {coming.turns} mounts and unmounts\n")
