"""What a held key, a click and a page that loads itself again do not spoil."""

import pytest
from bonefx_page.store.users import Role
from page_client import PASSWORD, answered
from playwright.sync_api import Page, expect


@pytest.fixture(name="film")
def _film(visit, served) -> Page:
    """A page with a film that a reader may judge."""
    person = visit()
    person.sign_in(Role.READER, PASSWORD)
    person.page.goto(f"/film/{answered(served.out)}")
    expect(person.page.locator("#tools")).to_be_visible()
    return person.page


def test_a_key_that_is_held_down_acts_once(film) -> None:
    film.keyboard.down("o")
    film.keyboard.down("o")  # what a keyboard repeats
    film.keyboard.up("o")
    expect(film.locator("#switch")).to_have_attribute("aria-pressed", "true")


def test_a_click_draws_no_place_and_a_drag_after_it_does(film) -> None:
    film.keyboard.press("b")
    frame = film.locator("#plain").bounding_box()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    film.mouse.click(x, y)
    expect(film.locator("#draw")).to_have_attribute("aria-pressed", "true")
    film.mouse.move(x, y)
    film.mouse.down()
    film.mouse.move(x + 40, y + 30)
    film.mouse.up()
    expect(film.locator("#draw")).to_have_attribute("aria-pressed", "false")
    assert float(film.locator("#width").input_value()) > 0


def test_the_progress_is_not_loaded_again_while_a_button_has_the_focus(visit) -> None:
    person = visit()
    page = person.page
    person.sign_in(Role.ADMIN, PASSWORD)
    page.clock.install()
    page.goto("/commissioning")
    page.add_script_tag(url="/static/progress.js")
    page.evaluate("window.isTheSame = true")
    page.get_by_role("button", name="Start").focus()
    page.clock.run_for(10_000)
    assert page.evaluate("window.isTheSame")
    page.get_by_role("button", name="Start").blur()
    with page.expect_navigation():
        page.clock.run_for(4_000)
