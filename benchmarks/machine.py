"""This machine as a benchmark states it, and `edge-classify` as a process of its own."""

import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from bonefx_edge.diagnostics.board import board

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
PERCENTILES = (50, 95, 99)
PROGRAM = (sys.executable, "-c", "from bonefx_edge.cli.classify import main; main()")
AS_INSTALLED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Environment of a command that is measured: pip compiles what it installs, a checkout is compiled
by its first, unrecorded run. Where that is forbidden, every start compiles it again."""
_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=-1, stderr=-3, check=False)
took_s = time.perf_counter() - began
peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([peak_mib, took_s, done.stdout.decode()]))
"""


def circumstances() -> dict[str, object]:
    """Return what a reader must know to compare these figures with others."""
    return {
        "board": board(),
        "machine": os.uname().machine,
        "cores": os.cpu_count(),
        "governor": GOVERNOR.read_text().strip() if GOVERNOR.exists() else "unknown",
        "temperature_c": int(THERMAL.read_text()) / 1000 if THERMAL.exists() else None,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def report(found: dict[str, object], out: Path | None) -> None:
    """Print what was found as JSON, and write it if a file is named."""
    text = json.dumps(found, indent=1)
    print(text)
    if out:
        out.write_text(text + "\n")


def spread(values: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 of the values."""
    return {f"p{q}": round(float(np.percentile(values, q)), 3) for q in PERCENTILES}


def rate(folder: Path, n: int, *options: str) -> float:
    """Return the films per second of `edge-classify FOLDER`, the first tenth left out."""
    words = (*PROGRAM, str(folder), "--format", "json", *options)
    times = []
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=AS_INSTALLED
    ) as process:
        times = [time.perf_counter() for _ in process.stdout or ()]
    skip = n // 10  # the processes of several cores do not begin at once
    return (n - 1 - skip) / (times[-1] - times[skip])


def measure(*words: str) -> tuple[float, float, str]:
    """Return peak memory in MiB (resident), seconds and output of one `edge-classify`.

    Measured by a small process of its own: the maximum over a process' children only ever grows.
    """
    command: Sequence[str] = (sys.executable, "-c", _MEASURE, *PROGRAM, *words)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=AS_INSTALLED)
    peak_mib, took_s, output = json.loads(done.stdout)
    return peak_mib, took_s, output
