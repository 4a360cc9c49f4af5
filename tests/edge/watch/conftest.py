"""A place with a service, put away after the test; a film, and folders that it may be moved to."""

from pathlib import Path

import pytest
from interrupted_moves import write
from watched_folder import Place


@pytest.fixture(name="place")
def _place(tmp_path):
    place = Place(tmp_path)
    yield place
    for worker in place.hired:
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
