"""A modality that sends films in every way, while a service is killed; its end is checked."""

import os
import random
import threading
import time
from pathlib import Path

from watch_service import Watcher, film_bytes, films, sha256, wait_until

LONG = os.environ.get("BONEFX_CHAOS") == "long"


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


def renamed_later(path: Path, data: bytes, rng: random.Random) -> None:
    """Under a name of its own first, which the service may have taken already."""
    first = path.with_name(f"raw {path.name}")
    first.write_bytes(data)
    time.sleep(rng.choice((0.0, 0.5, 1.0)))
    first.rename(path)


WAYS = (by_rename, in_slow_pieces, reopened, by_copy, renamed_later)


def halves_of(data: bytes) -> set[str]:
    """Return what a film may be known by before all of it is there: see the ways above."""
    third = len(data) // 3
    return {sha256(data[:end]) for end in (0, third, 2 * third, 3 * third, len(data) // 2)} - {
        sha256(data)
    }


class Modality(threading.Thread):
    """Sends films into the folder, in every way, some of them twice under another name."""

    def __init__(self, folder: Path, *, films: int, seed: int, pause_s: float = 0.0) -> None:
        super().__init__()
        self._folder, self._rng = folder, random.Random(seed)
        self._pause_s, self.films = pause_s, films
        self.originals: dict[Path, bytes] = {}

    def run(self) -> None:
        for number in range(self.films):
            sub = self._folder / f"day{number % 3}"
            sub.mkdir(exist_ok=True)
            path, data = sub / f"film {number}.png", film_bytes(number)
            self._rng.choice(WAYS)(path, data, self._rng)
            self.originals[path] = data
            if number % 25 == 0:
                again = sub / f"again {number}.png"
                by_copy(again, data, self._rng)
                self.originals[again] = data
            time.sleep(self._rng.uniform(0.0, 2 * self._pause_s))


def finish(watcher: Watcher, out: Path, number: int) -> None:
    """Let a service that nobody kills do the rest: so many films in all."""

    def all_decided() -> bool:
        rows = films(out).values() if (out / "journal/journal.sqlite").exists() else []
        decided = [row for row in rows if row["classified_at"] and row["superseded_by"] is None]
        return len(decided) == number

    timeout_s = 600 if LONG else 120
    wait_until(all_decided, what="all films decided", timeout_s=timeout_s)
    assert watcher.stop() == 0
