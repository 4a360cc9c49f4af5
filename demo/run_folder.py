"""The folder of one run of a demo."""

import shutil
from pathlib import Path

MARK = ".bonefx-demo"
"""A file in it: this folder may be removed."""


def make_anew(folder: Path) -> None:
    """Make an empty folder. That of an earlier run is removed, every other one is refused."""
    if (folder / MARK).exists():
        shutil.rmtree(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder}: expected an empty folder or that of an earlier run; give another one"
        raise SystemExit(msg)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
