"""A place with a service, put away after the test; a film, and folders that it may be moved to."""

from pathlib import Path

import pytest
from interrupted_moves import write
from watched_folder import Place

HERE = Path(__file__).parent
NUMERIC = ("test_canary.py",)
"""Files here whose outcome hangs on the interpreter; the others are about files and processes."""


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name not in NUMERIC:
            item.add_marker("any_runtime")


@pytest.fixture(name="place")
def _place(tmp_path):
    place = Place(tmp_path)
    yield place
    for worker in place.spawned:
        worker.stop()
    place.intake.close()
    place.journal.close()


@pytest.fixture(name="film")
def _film(tmp_path) -> Path:
    return write(tmp_path / "incoming" / "film.png")


@pytest.fixture(name="same")
def _same(tmp_path) -> Path:
    """A folder of the film's own file system."""
    return tmp_path / "done"


@pytest.fixture(name="done", params=["same file system", "another file system"])
def _done(request) -> Path:
    """A folder to move to, on either; it is not there yet."""
    if request.param == "same file system":
        return request.getfixturevalue("same")
    return request.getfixturevalue("small_disk") / "done"
