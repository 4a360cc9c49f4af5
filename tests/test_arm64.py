"""The scripts of arm64/ leave tests out by name: each name is that of a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = re.findall(r"tests/[\w/]+\.py(?:::\w+)?", (ROOT / "arm64/inside.sh").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_test_that_is_left_out_exists(name: str) -> None:
    file, _, function = name.partition("::")
    assert f"def {function}" in (ROOT / file).read_text()
