"""What pictures cost: bytes of a film, and waiting time of its result.

`make chaos-page` takes the shipped model and real films, which come in turn to a service with
pictures and to one without (BONEFX_CHAOS=long); here a few drawn films, without times.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from watch_service import Watcher, film_bytes, sha256, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS = 80 if LONG else 3
MOST_BYTES = 60_000
"""Of a film's three pictures, on average."""
MOST_WAITING = 1.05
KINDS = {"thumb", "large", "overlay"} if LONG else {"thumb", "large"}  # the toy has no tiles


def films(request) -> list[bytes]:
    """Return real films; drawn ones in the short run."""
    if not LONG:
        return [film_bytes(number, side=300) for number in range(FILMS)]
    folder = request.getfixturevalue("data_root") / "fracatlas"
    paths = sorted(folder.glob("*fractured/*.jpg"))
    return [path.read_bytes() for path in paths[:: len(paths) // FILMS][:FILMS]]


def wait_ms(folder: Path, name: str, data: bytes) -> float:
    """Write a film; return the time from close to result."""
    (folder / name).write_bytes(data)
    closed = time.monotonic()
    result = folder.with_suffix(".out") / f"{sha256(data)}.json"
    wait_until(result.exists, what="the result of a film")
    return (time.monotonic() - closed) * 1e3


def test_pictures_are_small_and_no_result_waits_for_them(tmp_path, request) -> None:
    places = [tmp_path / "without", tmp_path / "with"]
    pictures = tmp_path / "pictures"
    model = ("--model", "lite0-int8") if LONG else ()
    for place in places:
        place.mkdir()
    waits: list[list[float]] = [[], []]
    arriving = films(request)
    with (
        Watcher(places[0], tmp_path / "without.out", *model) as one,
        Watcher(places[1], tmp_path / "with.out", *model, "--pictures", str(pictures)) as two,
    ):
        for watcher in (one, two):
            wait_until(lambda watcher=watcher: "worker ready" in watcher.said(), what="a worker")
        for number, film in enumerate(arriving):
            for index in (0, 1) if number % 2 else (1, 0):
                waits[index].append(wait_ms(places[index], f"{number}.jpg", film))
        assert two.stop() == one.stop() == 0
    found = [path for path in pictures.iterdir() if path.suffix == ".jpg"]
    assert {path.stem.partition("-")[2] for path in found} == KINDS
    mean_bytes = sum(path.stat().st_size for path in found) / len(arriving)
    assert mean_bytes <= MOST_BYTES
    if LONG:
        p50, p95 = ([float(np.percentile(each, q)) for each in waits] for q in (50, 95))
        said = f"{FILMS} films: {mean_bytes:.0f} bytes a film; ms without, with: {p50=} {p95=}"
        sys.stdout.write(f"{said}\n")
        assert p50[1] <= MOST_WAITING * p50[0], said
