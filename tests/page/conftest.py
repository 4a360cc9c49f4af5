"""A folder of results with a page over it: films by the toy model, pictures by the service."""

from pathlib import Path

import pytest
from bonefx_page.application import build
from bonefx_page.settings import Settings, default_folders
from bonefx_page.store.users import Role
from page_client import NAME, add_users, sign_in
from starlette.testclient import TestClient
from watch_service import film_bytes, run_once


@pytest.fixture(name="out", scope="session")
def _out(tmp_path_factory) -> Path:
    """Results of three films and of one file that is refused, with their pictures."""
    folder = tmp_path_factory.mktemp("page")
    films = folder / "films"
    films.mkdir()
    for number in range(3):
        (films / f"{NAME}-{number}.png").write_bytes(film_bytes(number))
    (films / f"{NAME}-text.png").write_bytes(b"no image")
    run_once(films, folder / "out", "--pictures", str(folder / "out" / "pictures"))
    return folder / "out"


@pytest.fixture(name="settings")
def _settings(out, tmp_path) -> Settings:
    folders = default_folders(out) | {"data": tmp_path / "page"}
    add_users(folders["data"])
    return Settings(out=out, **folders)


@pytest.fixture(name="client")
def _client(settings):
    with TestClient(build(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


@pytest.fixture(name="reader")
def _reader(client):
    assert sign_in(client, Role.READER).status_code == 303
    return client
