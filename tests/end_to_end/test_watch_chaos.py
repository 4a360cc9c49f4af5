"""Films arrive in every way, the service is killed at random: each has exactly one result.

On a good disk, on one that is full again and again, and on a share that comes and goes; for
results, journal and archive that come and go see test_watch_chaos_disks.py. Short by themselves;
`make chaos` runs 1,000 films with 100 kills and twice 340 with 40 (BONEFX_CHAOS=long).
"""

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from bonefx_edge.cli.exit_codes import ExitCode
from modality import LONG, Modality, finish, halves_of
from watch_service import (
    Watcher,
    check_exactly_one,
    children_of,
    decided,
    fill,
    film_bytes,
    sha256,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

FILMS, KILLS = (1000, 100) if LONG else (150, 12)
FEWER_FILMS, FEWER_KILLS, ROUNDS = (300, 40, 7) if LONG else (60, 8, 2)
FULL = "cannot write the"
RUNS = "results in"
CAME = "watching by"
"""What the service says when it finds the disk full, has begun, and looks at another folder."""


@pytest.mark.timeout(3600 if LONG else 300)
def test_films_arrive_in_every_way_while_the_service_is_killed_again_and_again(folder, out):
    rng = random.Random(7)
    modality = Modality(folder, films=FILMS, seed=7)
    modality.start()
    for number in range(KILLS):
        with Watcher(folder, out) as watcher:
            time.sleep(rng.uniform(0.2, 2.5))
            if number % 4 == 3:  # the worker alone, first
                for child in children_of(watcher.process.pid):
                    os.kill(child, 9)
                time.sleep(rng.uniform(0.0, 0.5))
    with Watcher(folder, out) as watcher:
        modality.join()
        finish(watcher, out, FILMS)
    check_exactly_one(out, modality.originals)


class Trial:
    """A service on a disk that fills and empties; each moment ends when the service is killed."""

    def __init__(self, folder: Path, disk: Path, *, seed: int) -> None:
        self._folder, self.out, self._ballast = folder, disk / "results", disk / "ballast"
        self._rng = random.Random(seed)
        self.seen: Counter[str] = Counter()

    def fill(self) -> None:
        """Full, or but for a few pages: what stops is a film, a result, a commit, a start."""
        fill(self._ballast, spare_pages=self._rng.choice((0, 0, 1, 4, 12, 30)))

    def free(self) -> None:
        self._ballast.unlink()

    def start(self) -> Watcher:
        self.seen["started"] += 1
        return Watcher(self._folder, self.out, "--min-free", "0")

    def wait(self, least_s: float, most_s: float) -> None:
        time.sleep(self._rng.uniform(least_s, most_s))

    def look(self, watcher: Watcher) -> None:
        """It goes on, found the disk full and waits, or could not begin on it and says so."""
        code, said = watcher.process.poll(), watcher.said()
        self.seen["waited"] += FULL in said
        if code is not None:
            self.seen["could not begin"] += 1
            assert code == ExitCode.JOURNAL, said
            assert "check disk space" in said.lower()

    def cannot_begin(self) -> None:
        """Nothing is there yet, and there is no room for anything."""
        fill(self._ballast)
        with self.start() as watcher:
            wait_until(lambda: watcher.process.poll() is not None, what="ended by itself")
            self.look(watcher)

    def ends_well(self, modality: Modality) -> None:
        """Full once more with films in its hands: what it drops now, no other start puts right."""
        late = {self._folder / f"late {n}.png": film_bytes(modality.films + n) for n in range(40)}
        paths = list(late)
        with self.start() as watcher:
            for path in paths[:20]:
                path.write_bytes(late[path])
            some = {sha256(late[path]) for path in paths[:20]}
            wait_until(lambda: some & decided(self.out), what="some decided")
            fill(self._ballast)
            for path in paths[20:]:
                path.write_bytes(late[path])
            wait_until(lambda: FULL in watcher.said(), what="disk said full")
            self.free()
            modality.join()
            finish(watcher, self.out, modality.films + len(late))
        check_exactly_one(self.out, modality.originals | late)

    # ---- moments: the first begins on a full disk, the last leaves one ----

    def begins_on_a_full_disk(self) -> None:
        with self.start() as watcher:
            self.wait(0.3, 1.5)
            self.look(watcher)

    def finds_room_after_a_while(self) -> None:
        with self.start() as watcher:
            self.wait(0.0, 1.0)
            self.look(watcher)
            self.free()
            if watcher.process.poll() is None:
                self.wait(0.0, 7.0)  # it tries again after five seconds
        with self.start():
            self.wait(0.3, 1.5)

    def fills_and_empties(self) -> None:
        with self.start() as watcher:
            self.wait(0.5, 1.5)
            self.fill()
            self.wait(0.5, 2.0)
            self.look(watcher)
            self.free()
            self.wait(0.0, 7.0)

    def is_stopped_when_full(self) -> None:
        with self.start() as watcher:
            wait_until(lambda: RUNS in watcher.said(), what="begun")
            self.wait(0.0, 1.0)
            self.fill()
            self.wait(0.0, 1.0)
            self.look(watcher)
            assert watcher.stop() == 0, watcher.said()
        self.begins_on_a_full_disk()
        self.free()

    def is_killed_as_it_fills(self) -> None:
        with self.start():
            self.wait(0.5, 2.0)
            self.fill()
            self.wait(0.0, 0.05)


MOMENTS = (
    Trial.begins_on_a_full_disk,
    Trial.finds_room_after_a_while,
    Trial.fills_and_empties,
    Trial.is_stopped_when_full,
    Trial.is_killed_as_it_fills,
)


@pytest.mark.timeout(3600 if LONG else 300)
def test_the_same_while_the_disk_of_results_and_journal_is_full_again_and_again(folder, small_disk):
    trial = Trial(folder, small_disk, seed=8)
    modality = Modality(folder, films=FEWER_FILMS, seed=8, pause_s=0.2)
    modality.start()
    trial.cannot_begin()
    for number in range(ROUNDS * len(MOMENTS)):
        MOMENTS[number % len(MOMENTS)](trial)
    trial.free()
    trial.ends_well(modality)
    sys.stdout.write(f"{dict(trial.seen)}\n")


@pytest.mark.timeout(3600 if LONG else 300)
def test_the_same_while_the_share_is_unmounted_and_mounted_again(share, out):
    """The films go to the server, whether the share is mounted or not.

    A half that was taken before an unmount, and is whole after it, stays `absent` in the status: to
    the service the whole one is another film under that name (docs/operating.md).
    """
    rng = random.Random(9)
    modality = Modality(share.server, films=FEWER_FILMS, seed=9, pause_s=0.2)
    modality.start()
    for number in range(FEWER_KILLS):
        # The kernel tells of a bind mount what it does not tell of a share: every other one polls.
        options = ("--poll", "always") if number % 2 else ()
        with Watcher(share.folder, out, *options):
            for _ in range(rng.randint(0, 3)):
                time.sleep(rng.uniform(0.0, 2.5))
                share.turn()
            time.sleep(rng.uniform(0.2, 1.5))
        if rng.random() < 0.3:
            share.turn()
    if share.is_mounted:
        share.unmount()
    with Watcher(share.folder, out) as watcher:
        wait_until(lambda: CAME in watcher.said(), what="begun without the share")
        share.mount()
        # And once more with films that wait: they are gone before their turn, and come back.
        late = {share.server / f"late {n}.png": film_bytes(FEWER_FILMS + n) for n in range(40)}
        for path, data in late.items():
            path.write_bytes(data)
        some = {sha256(data) for data in late.values()}
        wait_until(lambda: some & decided(out), what="some decided")
        looks = watcher.said().count(CAME)
        share.unmount()
        wait_until(lambda: watcher.said().count(CAME) > looks, what="unmount noticed")
        share.mount()
        modality.join()
        finish(watcher, out, FEWER_FILMS + len(late))
    halves = {half for data in modality.originals.values() for half in halves_of(data)}
    check_exactly_one(out, modality.originals | late, halves=halves)
