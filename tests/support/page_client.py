"""Ask the page as a browser does."""

import functools
import json
import re
from contextlib import closing
from pathlib import Path

from bonefx_page.store.database import connect, create
from bonefx_page.store.passwords import hash_password
from bonefx_page.store.users import Role
from starlette.testclient import TestClient

PASSWORD = "a password of the tests"  # noqa: S105
NAME = "mueller-anna"
"""Part of each file's name: it must not leave the page without a session."""


def add_users(folder: Path) -> None:
    """Add a user of each role, with the name of the role."""
    with closing(connect(create(folder))) as connection:
        connection.executemany(
            "INSERT INTO user VALUES (?, ?, ?, 0.0)", [(r.value, _hashed(), r.value) for r in Role]
        )


@functools.cache
def _hashed() -> str:
    """Return the hash of the password, which takes long on purpose."""
    return hash_password(PASSWORD)


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


def answered(out) -> str:
    """Return the sha256 of a film that has a result."""
    return next(
        path.stem
        for path in sorted(out.glob("*.json"))
        if json.loads(path.read_text())["finding"]["state"] != "refused"
    )


def give(reader, sha256, **form):
    """Return the answer to a verdict about a film, given by its form."""
    page = reader.get(f"/film/{sha256}").text
    at = page.split('name="classified_at" value="')[1].partition('"')[0]
    sent = {"form_token": form_token(page), "classified_at": at} | form
    return reader.post(f"/film/{sha256}/verdict", data=sent)
