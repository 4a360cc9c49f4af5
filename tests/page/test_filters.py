"""Filters of the list by body part and caution, and what a film with a caution says."""

import dataclasses
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from bonefx_edge.inference.decision import CAUTION_ADVICE, Caution
from bonefx_page.application import build
from bonefx_page.films.site_figures import read_figures
from bonefx_page.settings import default_folders
from bonefx_page.store.users import Role
from example_profile import toy_profile
from page_client import NAME, answered, sign_in
from starlette.testclient import TestClient


def edit(out, sha256, **fields) -> None:
    """Change fields of a finding in the journal."""
    with closing(sqlite3.connect(out / "journal" / "journal.sqlite")) as connection, connection:
        (text,) = connection.execute(
            "SELECT record FROM image WHERE sha256 = ?", (sha256,)
        ).fetchone()
        record = json.loads(text)
        record["finding"] |= fields
        connection.execute(
            "UPDATE image SET record = ? WHERE sha256 = ?", (json.dumps(record), sha256)
        )


@pytest.fixture(name="hand")
def _hand(out, settings, tmp_path):
    """A client of a page where one film is an unfamiliar one of a hand, under a site profile."""
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    profile = tmp_path / "site-profile.json"
    profile.write_text(toy_profile().to_json())
    digits = read_figures(profile)[0][:12]
    film = answered(out)
    edit(
        copy, film, state="uncertain", caution="unfamiliar", body_part="hand", detail="odd film",
        site_profile={"sha256": digits, "date": "2026-11-29"},
    )  # fmt: skip
    folders = default_folders(copy) | {"data": settings.data}
    settings = dataclasses.replace(settings, out=copy, site_profile=profile, **folders)
    with TestClient(build(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
        sign_in(client, Role.READER)
        yield client, film, profile


@pytest.mark.parametrize("query", ["part=hand", "caution=unfamiliar", "part=hand&state=uncertain"])
def test_the_list_can_be_of_one_body_part_or_of_unfamiliar_films(hand, query) -> None:
    client, film, _ = hand
    page = client.get(f"/?day=all&{query}").text
    assert page.count('<a href="/film/') == 1
    assert f"/film/{film}?" in page
    assert page.count(NAME) == 1


def test_a_body_part_of_no_film_gives_an_empty_list_and_an_unknown_caution_none(hand) -> None:
    client, *_ = hand
    assert "No films." in client.get("/?day=all&part=foot").text
    assert client.get("/?day=all&caution=odd").status_code == 400
    assert client.get("/?day=all&part=" + "x" * 17).status_code == 400


def test_the_counts_of_today_name_the_uncertain_films_with_a_caution(hand) -> None:
    client, *_ = hand
    assert "1 uncertain by a caution" in client.get("/").text


def test_an_unfamiliar_film_says_why_and_what_to_do(hand) -> None:
    client, film, _ = hand
    page = client.get(f"/film/{film}").text
    assert "odd film" in page
    assert CAUTION_ADVICE[Caution.UNFAMILIAR] in page


def test_a_film_shows_what_the_model_was_worth_at_commissioning(hand) -> None:
    client, film, profile = hand
    share = toy_profile().specificity
    page = client.get(f"/film/{film}").text
    assert "Of normal films not called fracture" in page
    assert f"{100 * share.value:.0f} %" in page
    assert f"n {share.n})" in page
    profile.write_text(toy_profile().to_json() + " ")  # another one, of a later commissioning
    assert "does not have the site profile of this result" in client.get(f"/film/{film}").text
    profile.unlink()
    assert "does not have the site profile of this result" in client.get(f"/film/{film}").text


def test_a_film_without_site_profile_says_that_its_worth_is_not_known(reader, out) -> None:
    assert "nobody has measured it" in reader.get(f"/film/{answered(out)}").text
