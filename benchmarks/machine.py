"""`edge-classify` as a process of its own, as it runs where pip installed it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

PROGRAM = (sys.executable, "-c", "from bonefx_edge.cli.classify import main; main()")
AS_INSTALLED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Environment of a command that is measured: pip compiles what it installs, a checkout is compiled
by its first, unrecorded run. Where that is forbidden, every start compiles it again."""
_ASK = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=-1, stderr=-3, check=False)
took_s = time.perf_counter() - began
peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([peak_mib, took_s, done.stdout.decode()]))
"""


def measure(*words: str) -> tuple[float, float, str]:
    """Return peak memory in MiB (resident), seconds and output of one `edge-classify`.

    Asked by a small process of its own: the maximum over a process' children only ever grows.
    """
    command: Sequence[str] = (sys.executable, "-c", _ASK, *PROGRAM, *words)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=AS_INSTALLED)
    peak_mib, took_s, said = json.loads(done.stdout)
    return peak_mib, took_s, said
