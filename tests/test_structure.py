"""The folders stay small enough to be read: limits of the house, checked."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("edge", "train", "convert", "benchmarks")
FOLDERS = sorted(
    {path.parent for name in PRODUCT for path in (ROOT / name).rglob("*.py")},
    key=str,
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_has_at_most_20_modules_and_no_module_over_300_lines(folder: Path) -> None:
    modules = sorted(folder.glob("*.py"))
    assert len(modules) <= 20
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in modules}
    assert {name: n for name, n in lengths.items() if n > 300} == {}


@pytest.mark.parametrize("package", ["bonefx_edge", "bonefx_dicom"])
def test_a_device_package_has_at_most_15_entries(package: str) -> None:
    entries = [p.name for p in (ROOT / "edge" / package).iterdir() if p.name != "__pycache__"]
    assert len(entries) <= 15, sorted(entries)
