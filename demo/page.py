"""Show the films of the demo on the page, until Ctrl-C.

    python demo/page.py FOLDER [--port 8080]

The service classifies the films and writes their pictures, then watches for more; edge-page shows
the results on this computer only. FOLDER is made anew at each start; one that is not of the demo
is refused.
"""

import argparse
import signal
import socket
import subprocess
import sys
from pathlib import Path

import make_films
import run_folder

USER = "demo"
SERVICE = "from bonefx_edge.cli.classify import main; main()"
PAGE = "from bonefx_page.cli import main; main()"
REFUSED = 3
"""Exit code of a service that refused some files: the demo has such files."""


def command(code: str, *arguments: str) -> list[str]:
    """Return a command of this environment."""
    return [sys.executable, "-c", code, *arguments]


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(folder: Path) -> list[str]:
    """Classify the films; return the arguments of the service, to let it go on."""
    run_folder.make_anew(folder)
    films, out = folder / "films", folder / "results"
    make_films.main(films)
    service = ["--watch", str(films), "--out", str(out), "--pictures", str(out / "pictures")]
    print("The service classifies the films of the demo.", flush=True)
    code = subprocess.run(command(SERVICE, *service, "--once"), check=False).returncode
    if code not in {0, REFUSED}:
        raise SystemExit(code)
    add_user = command(PAGE, "add-user", str(out), USER, "--role", "admin")
    made = subprocess.run(add_user, check=True, capture_output=True, text=True)
    print(f"\nSign in as {USER}; {made.stdout.strip()}")
    print(f"More films: copy them into {films}. Ctrl-C ends service and page.\n", flush=True)
    return service


def main(folder: Path, port: int) -> int:
    """Run service and page until Ctrl-C or until the page ends; return its exit code."""
    service = prepare(folder)
    health = str(free_port())
    out = service[service.index("--out") + 1]
    # Ctrl-C reaches all three; this process must outlive the two.
    signal.signal(signal.SIGINT, lambda *_: None)
    watching = subprocess.Popen(command(SERVICE, *service, "--health-port", health))
    page = command(PAGE, "serve", out, "--port", str(port), "--health-port", health)
    with subprocess.Popen(page) as serving:
        signal.signal(signal.SIGTERM, lambda *_: serving.terminate())
        code = serving.wait()
    watching.terminate()
    watching.wait()
    return max(code, 0)  # below 0: ended by a signal, as it should


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show the films of the demo on the page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    given = parser.parse_args()
    sys.exit(main(given.folder, given.port))
