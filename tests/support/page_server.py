"""edge-page as a process, over the films of the demo and their results by the shipped model."""

import runpy
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bonefx_page.store.database import DATABASE_NAME
from page_client import add_users
from watch_service import wait_until

ROOT = Path(__file__).parents[2]
SERVICE = "from bonefx_edge.cli.classify import main; main()"
PAGE = "from bonefx_page.cli import main; main()"
REFUSED = 3
"""Exit code of a service that refused some files: the demo has such files."""


@dataclass(frozen=True, slots=True)
class Served:
    """A page that answers."""

    origin: str
    films: Path
    out: Path
    data: Path
    pid: int


def classify_demo(folder: Path, *, with_dicom: bool = True) -> None:
    """Fill a folder with the `films` of the demo and their `results`."""
    films, out = folder / "films", folder / "results"
    runpy.run_path(str(ROOT / "demo" / "make_films.py"))["main"](films)
    if not with_dicom:
        shutil.rmtree(films / "dicom")
    options = ["--watch", films, "--out", out, "--pictures", out / "pictures", "--once"]
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, *map(str, options), "--min-free", "1"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == REFUSED, done.stderr


@contextmanager
def serve(out: Path, data: Path, *, films: Path, **options) -> Iterator[Served]:
    """Yield a page over results; `data` has users and verdicts, or gets a user of each role."""
    if not (data / DATABASE_NAME).exists():
        add_users(data)
    port = free_port()
    command = [sys.executable, "-c", PAGE, "serve", out, "--data", data, "--port", port]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    with subprocess.Popen(list(map(str, command))) as process:
        served = Served(f"http://127.0.0.1:{port}", films, out, data, process.pid)
        try:
            wait_until(lambda: answers(served.origin), what="the page answers")
            yield served
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(origin: str) -> bool:
    with suppress(urllib.error.URLError), urllib.request.urlopen(f"{origin}/sign-in"):  # noqa: S310 http
        return True
    return False
