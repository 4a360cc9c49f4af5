"""Ask systemd-analyze about a unit, in a plain environment."""

import shutil
import subprocess

import pytest


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze with these words; the test fails where it is not installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("expected systemd-analyze, found none; run: apt-get install systemd")
    return subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "cat"},
    )  # fmt: skip
