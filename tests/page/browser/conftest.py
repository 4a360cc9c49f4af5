"""The page over the films of the demo, as a process, and a browser in front of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Visit, chromium
from page_server import Served, classify_demo, serve


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(name="clinic", scope="session")
def _clinic(tmp_path_factory) -> Path:
    """A folder with the demo's `films` and their `results`."""
    folder = tmp_path_factory.mktemp("clinic")
    classify_demo(folder)
    return folder


@pytest.fixture(name="served")
def _served(clinic, tmp_path) -> Iterator[Served]:
    with serve(clinic / "results", tmp_path / "page", films=clinic / "films") as served:
        yield served


@pytest.fixture(name="browser", scope="session")
def _browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(name="visit")
def _visit(browser, served):
    """Return a function that opens a browser of a person; each is checked at the end."""
    opened = []

    def visit(**options) -> Visit:
        opened.append(Visit(browser, served.origin, **options))
        return opened[-1]

    yield visit
    for each in opened:
        each.close()
