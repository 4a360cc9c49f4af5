"""A watching service as a process, films for it, and the one check that matters at the end."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from bonefx_edge.watch.journal.schema import STEPS
from bonefx_edge.watch.journal.states import ABSENT
from bonefx_edge.watch.result_names import NAMES_FOLDER, result_name
from toy import toy_path

PATIENCE_S = 120.0
PAGE_BYTES = 4096
"""What a tmpfs gives and takes."""
MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""


def film_bytes(number: int, *, side: int = 96) -> bytes:
    """Return a PNG that the toy answers; no two numbers give the same bytes."""
    rng = np.random.default_rng(number)
    pixels = cv2.GaussianBlur(rng.integers(40, 220, (side, side)).astype(np.uint8), (0, 0), 3)
    return cv2.imencode(".png", pixels)[1].tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def command(folder: Path, out: Path, *options: str) -> list[str]:
    """Return the command of a service with the toy model; it settles fast."""
    program = [sys.executable, "-c", "from bonefx_edge.cli.classify import main; main()"]
    own = ["--watch", str(folder), "--out", str(out), "--model", str(toy_path("int8"))]
    return [*program, *own, "--settle", "0.3", "--min-free", "1", *options]


class Watcher:
    """`edge-classify --watch` in a process of its own."""

    def __init__(self, folder: Path, out: Path, *options: str) -> None:
        self.log = folder.with_suffix(".log")  # not beside `out`: that disk may be full
        with self.log.open("ab") as log:
            self._start = log.tell()
            self.process = subprocess.Popen(command(folder, out, *options), stderr=log)

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def kill(self) -> None:
        """As a power cut would: nothing is said to it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """Return what this one has said so far, without those before it."""
        return self.log.read_bytes()[self._start :].decode()

    def stop(self) -> int:
        """As the system does; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)


def run_once(folder: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Let a service deal with what is there."""
    return subprocess.run(
        command(folder, out, "--once", *options),
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


def wait_until(condition, *, what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return when `condition()` is true; the test fails with `what` if it never is."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s} s in vain: {what}"
        time.sleep(0.02)


def current(out: Path) -> dict[str, dict]:
    """Return the current results by the name of their file; each must be whole."""
    found = {}
    for path in out.glob("*.json"):
        # The service moves superseded results away meanwhile.
        with suppress(FileNotFoundError):
            found[path.stem] = json.loads(path.read_text())
    return found


def check_names(out: Path) -> None:
    """Each current result, and no other, is there under the name of its film, with its content."""
    results = {result_name(found["finding"]["path"], sha) for sha, found in current(out).items()}
    by_name = {path.name: path.read_bytes() for path in (out / NAMES_FOLDER).iterdir()}
    assert set(by_name) == results
    assert sorted(by_name.values()) == sorted(path.read_bytes() for path in out.glob("*.json"))


def decided(out: Path) -> set[str]:
    """Return the sha256 of every film that has a current result."""
    return set(current(out))


def films(out: Path, journal: Path | None = None) -> dict[str, sqlite3.Row]:
    """Return the journal's rows by sha256; none while the service is still making its tables."""
    journal = journal or out / "journal"
    connection = sqlite3.connect(f"file:{journal}/journal.sqlite?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] < len(STEPS):
            return {}
        return {row["sha256"]: row for row in connection.execute("SELECT * FROM image")}
    finally:
        connection.close()


def undelivered(out: Path) -> int:
    """Return how many messages wait for their receiver."""
    return _number(out, "SELECT count(*) FROM outbox")


def messages(out: Path) -> int:
    """Return how many messages the service has ever made."""
    return _number(out, "SELECT value FROM meta WHERE name = 'message_sequence'")


def _number(out: Path, query: str) -> int:
    connection = sqlite3.connect(f"file:{out}/journal/journal.sqlite?mode=ro", uri=True)
    try:
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def check_exactly_one(
    out: Path,
    originals: dict[Path, bytes],
    *,
    halves: Set[str] = frozenset(),
    journal: Path | None = None,
) -> None:
    """Every film has exactly one current result; none is lost or doubled, no original changed.

    Of `halves`, sha256 of uploads on their way, the status may still say `absent`; no more.
    """
    for path, data in originals.items():
        assert path.read_bytes() == data, f"{path} was altered"
    results = current(out)
    assert set(results) == {sha256(data) for data in originals.values()}
    for name, result in results.items():
        assert result["sha256"] == result["finding"]["sha256"] == name
    rows = films(out, journal)
    stands = {name: row for name, row in rows.items() if row["superseded_by"] is None}
    absent = {name for name, row in stands.items() if row["failure"] == ABSENT}
    assert absent <= halves
    decided = set(stands) - absent
    assert decided == set(results)
    for name in decided:
        assert rows[name]["state"] in ("done", "refused")
        assert json.loads(rows[name]["record"]) == results[name]
    assert not list(out.glob(".partial-*"))


class Share:
    """A folder on a server and the place where it is mounted: a bind mount stands for the share."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.server, self.folder, self.is_mounted = server, folder, False

    def mount(self) -> None:
        subprocess.run([MOUNT, "--bind", str(self.server), str(self.folder)], check=True)
        self.is_mounted = True

    def unmount(self) -> None:
        """At once, whoever holds a file in it open."""
        subprocess.run([UMOUNT, "--lazy", str(self.folder)], check=True)
        self.is_mounted = False

    def turn(self) -> None:
        """Mount it if it is not, else the opposite."""
        (self.unmount if self.is_mounted else self.mount)()


def fill(ballast: Path, *, spare_pages: int = 0) -> None:
    """Write until the disk is full but for so many pages: the service is the next to notice."""
    with ballast.open("ab", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(PAGE_BYTES))
    os.truncate(ballast, max(0, ballast.stat().st_size - spare_pages * PAGE_BYTES))


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
