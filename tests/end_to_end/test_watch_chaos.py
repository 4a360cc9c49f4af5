"""Films arrive in every way, the service is killed at random: each has exactly one result.

Short by itself; `make chaos` runs 1,000 films and 100 kills (BONEFX_CHAOS=long).
"""

import os
import random
import threading
import time
from pathlib import Path

import pytest
from watching import Watcher, check_exactly_one, children_of, film_bytes, films, wait_until

LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS, KILLS = (1000, 100) if LONG else (150, 12)


def by_rename(path: Path, data: bytes, _rng: random.Random) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.rename(path)


def in_slow_pieces(path: Path, data: bytes, rng: random.Random) -> None:
    """With pauses, some of them longer than the settle time: the file looks finished and is not."""
    with path.open("wb") as stream:
        for start in range(0, len(data), len(data) // 3):
            stream.write(data[start : start + len(data) // 3])
            stream.flush()
            time.sleep(rng.choice((0.01, 0.05, 0.6)))


def reopened(path: Path, data: bytes, rng: random.Random) -> None:
    """As scanners do: closed half way, opened again, closed again, touched."""
    path.write_bytes(data[: len(data) // 2])
    time.sleep(rng.choice((0.0, 0.5)))
    with path.open("ab") as stream:
        stream.write(data[len(data) // 2 :])
    with path.open("ab"):
        pass
    os.utime(path)


def by_copy(path: Path, data: bytes, _rng: random.Random) -> None:
    path.write_bytes(data)


WAYS = (by_rename, in_slow_pieces, reopened, by_copy)


class Modality(threading.Thread):
    """Sends films into the folder, in every way, some of them twice under another name."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        super().__init__()
        self._folder, self._rng = folder, random.Random(seed)
        self.originals: dict[Path, bytes] = {}

    def run(self) -> None:
        for number in range(FILMS):
            sub = self._folder / f"day{number % 3}"
            sub.mkdir(exist_ok=True)
            path, data = sub / f"film {number}.png", film_bytes(number)
            self._rng.choice(WAYS)(path, data, self._rng)
            self.originals[path] = data
            if number % 25 == 0:
                again = sub / f"again {number}.png"
                by_copy(again, data, self._rng)
                self.originals[again] = data


@pytest.mark.timeout(3600 if LONG else 300)
def test_films_arrive_in_every_way_while_the_service_is_killed_again_and_again(tmp_path):
    folder, out = tmp_path / "incoming", tmp_path / "results"
    folder.mkdir()
    rng = random.Random(7)
    modality = Modality(folder, seed=7)
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

        def all_decided() -> bool:
            rows = films(out).values() if (out / "journal/journal.sqlite").exists() else []
            decided = [row for row in rows if row["decided"] and row["superseded_by"] is None]
            return len(decided) == FILMS

        wait_until(all_decided, what="all films decided", patience_s=600 if LONG else 120)
        assert watcher.stop() == 0
    check_exactly_one(out, modality.originals)
