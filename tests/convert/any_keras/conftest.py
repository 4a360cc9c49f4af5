"""The network of the presentation, as its author would save it."""

from pathlib import Path

import pytest
from known_networks import brightness_network


@pytest.fixture(name="h5", scope="module")
def _h5(tmp_path_factory) -> Path:
    """Return the presentation's network as its author would save it."""
    path = tmp_path_factory.mktemp("h5") / "bone.h5"
    brightness_network().save(path)
    return path
