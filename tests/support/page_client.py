"""Ask the page as a browser does."""

import re
from pathlib import Path

from bonefx_page.store.users import Role
from starlette.testclient import TestClient

PASSWORD = "a password of the tests"  # noqa: S105
NAME = "mueller-anna"
"""Part of each file's name: it must not leave the page without a session."""


def sign_in(client: TestClient, role: Role, password: str = PASSWORD):
    """Return the answer of the page to name and password."""
    form = {"form_token": form_token(client.get("/sign-in").text), "name": role.value}
    return client.post("/sign-in", data=form | {"password": password})


def form_token(html: str) -> str:
    """Return the token of the first form of a page."""
    found = re.search(r'name="form_token" value="([^"]+)"', html)
    assert found
    return found[1]


def contents(out: Path) -> list[str]:
    """Return the sha256 of each film."""
    return sorted(path.stem for path in out.glob("*.json"))
