"""The service dies at every single step that reaches the disk; the next one puts it right."""

import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from bonefx_edge.watch import app, results
from bonefx_edge.watch.app import watch
from bonefx_edge.watch.config import Poll, WatchOptions
from bonefx_edge.watch.journal import connection as database
from bonefx_edge.watch.service import Service
from bonefx_edge.watch.workers.protocol import WorkerConfig
from kill_points import Doom
from toy import toy_path
from watch_service import check_exactly_one, check_names, film_bytes, sha256

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]


class _InOrder(Service):
    """A service that begins when the intake has ended: the steps of both come in one order."""

    def step(self) -> None:
        if self._intake.is_idle:
            super().step()
        else:
            self._intake.resume()


def serve_once(folder: Path, out: Path, *, die_at: int) -> int | None:
    """Run `--once` in a forked process; return None if it died at that point, else its steps."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        doom = Doom(die_at)
        doom.watch_commits(database)
        for name in ("fsync", "replace"):
            setattr(results.os, name, doom.around(getattr(os, name)))
        app.Service = _InOrder
        options = WatchOptions(
            folder=folder, out=out, journal=None, once=True, settle_s=0.1, poll=Poll.AUTO,
            workers=1, min_free_mib=1, result_names=True,
        )  # fmt: skip
        code = 1
        try:
            watch(options, WorkerConfig(str(folder), str(toy_path("int8"))))
            os.write(writer, str(doom.count).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    assert os.waitstatus_to_exitcode(status) == 0
    return int(told)


def before(folder: Path, out: Path) -> None:
    """A film that has a result already, and will be rewritten."""
    folder.mkdir()
    (folder / "first.png").write_bytes(film_bytes(1))
    assert serve_once(folder, out, die_at=0)


def arrivals(folder: Path) -> dict[Path, bytes]:
    """The first film is rewritten, a new one comes, and the same under another name."""
    contents = {"first.png": film_bytes(2), "new.png": film_bytes(3), "copy.png": film_bytes(3)}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {folder / name: data for name, data in contents.items()}


@pytest.mark.timeout(900)
def test_a_kill_before_and_after_every_step_that_reaches_the_disk_loses_and_doubles_nothing(
    tmp_path,
):
    template = tmp_path / "template"
    template.mkdir()
    before(template / "in", template / "out")
    point, died = 0, True
    while died:
        point += 1
        place = tmp_path / f"point-{point}"
        shutil.copytree(template, place)
        _move_journal(place)
        originals = arrivals(place / "in")
        died = serve_once(place / "in", place / "out", die_at=point) is None
        serve_once(place / "in", place / "out", die_at=0)
        check_exactly_one(place / "out", originals)
        check_names(place / "out")
        superseded = [path.stem for path in (place / "out/superseded").iterdir()]
        assert superseded == [sha256(film_bytes(1))]
        shutil.rmtree(place)
    # 3 receipts, 2 claims, 2 results (two files, two names, two folders, journal), 1 superseded
    # (name removed, two folders, journal): each step twice.
    assert point > 2 * (3 + 2 + 2 * 7 + 4), "the steps were not counted"
    sys.stdout.write(f"died at {point - 1} points\n")


def _move_journal(place: Path) -> None:
    """A copied folder is another one to the journal: tell it so."""
    connection = sqlite3.connect(place / "out/journal/journal.sqlite")
    with connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'folder'", (str(place / "in"),))
    connection.close()
