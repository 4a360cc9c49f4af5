"""A folder to watch, a place for results."""

import pytest


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture(name="out")
def _out(tmp_path):
    return tmp_path / "results"
