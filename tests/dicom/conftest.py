"""A folder, and a listener that stores in it."""

from pathlib import Path

import pytest
from dicom_node import Listener

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("any_runtime")


@pytest.fixture(name="folder")
def _folder(tmp_path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(name="listener")
def _listener(folder):
    with Listener(folder, "--health-port", "0") as listener:
        yield listener
