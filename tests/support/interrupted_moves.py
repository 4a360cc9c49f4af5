"""Films to move, and a way to be there at every step that is asked of the system."""

import gc
import hashlib
import os
import random
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from bonefx_edge.watch import files as folders
from bonefx_edge.watch import files as signature
from bonefx_edge.watch.archive import safe_move as copying
from bonefx_edge.watch.archive import safe_move as moving
from bonefx_edge.watch.archive.safe_move import move
from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.intake import hashing as identity
from bonefx_edge.watch.intake.hashing import CHUNK_BYTES

LONG_AGO_NS = 1_000_000_000_123_456_789
"""In 2001: a write after it shows in the time, however coarse the clock of the file system."""
FILM = random.Random(1).randbytes(CHUNK_BYTES) + b"the rest of the film"
"""More than one piece; two of it go on the small disk, three do not. The same in every process:
names of tests have its hash."""
OTHER = random.Random(2).randbytes(len(FILM))
STEPS = sorted(
    {
        name
        for module in (moving, copying, folders, identity, signature)
        for name in re.findall(r"os\.([a-z_]+)\(", Path(module.__file__).read_text("utf-8"))
    }
)
"""What they ask of the system: whoever adds a call adds a point to die at."""
MOUNT = shutil.which("mount") or ""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes = FILM) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def move_film(film: Path, folder: Path, *, content: bytes = FILM, seen=None) -> bool:
    seen = stat_signature(bytes(film)) if seen is None else seen
    return move(bytes(film), bytes(folder), sha256=sha256(content), signature=seen)


def name_of(content: bytes) -> str:
    return f"film.{sha256(content)[:16]}.png"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def at_every_step(told):
    """Call `told` with (before or after, name, arguments) around all that is asked of the system.

    What it asks itself is not told of.
    """
    inside = False

    def around(name, real):
        def tell(when, args):
            nonlocal inside
            if not inside:
                inside = True
                try:
                    told(when, name, args)
                finally:
                    inside = False

        def wrapped(*args, **kwargs):
            tell("before", args)
            value = real(*args, **kwargs)
            tell("after", args)
            return value

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, around(name, getattr(os, name)))
        yield


def once(when: str, name: str, action):
    """Return what acts at the first step of this name."""
    done = []

    def told(*step) -> None:
        if step[:2] == (when, name) and not done:
            done.append(step)
            action()

    return told


def open_files() -> int:
    gc.collect()  # files of other tests, whose failures keep them, must not go in between
    return len(list(Path("/proc/self/fd").iterdir()))
