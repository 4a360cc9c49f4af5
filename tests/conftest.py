"""What every test may ask for."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(name="data_root", scope="session")
def _data_root() -> Path:
    """Return the folder of real radiographs, or skip with the reason."""
    named = os.environ.get("BONEFX_DATA") or REPOSITORY.parent / "shared" / "data"
    root = Path(named)
    if not (root / "fracatlas" / "manifest.csv").is_file():
        pytest.skip(f"needs real radiographs: no fracatlas/manifest.csv in {root} (BONEFX_DATA)")
    return root
