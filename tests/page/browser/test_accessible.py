"""Every page of the route table under axe, and at the width of a small phone."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from bonefx_page.routes import ROUTES
from bonefx_page.store.users import Role
from browser import NARROW, PHONE
from page_client import PASSWORD, contents
from playwright.sync_api import Page, expect

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,  # reads style sheets by a request, which the page's policy forbids
}
FORMS = (
    "/?state=x",  # not possible
    "/?day=2020-01-01",  # no films
    "/?day=all&state=refused",
)
"""What the pages show otherwise: errors, an empty list."""


def addresses(out) -> list[str]:
    """Return the address of each page, films in each state; files to save are left out."""
    found = []
    for route in ROUTES:
        if route.method == "GET" and not route.path.startswith(("/picture", "/export")):
            films = states(out).values() if "{sha256}" in route.path else [""]
            found += [route.path.format(sha256=film) for film in films]
    return [*found, *FORMS]


def states(out) -> dict[str, str]:
    """Return a film of each state."""
    return {
        json.loads((out / f"{sha256}.json").read_text())["finding"]["state"]: sha256
        for sha256 in contents(out)
    }


def complaints_of_axe(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{page.url}: {each['id']} {node['target']} {node['html'][:120]}"
        for each in found
        for node in each["nodes"]
    ]


def sideways(page: Page) -> list[str]:
    """Return what reaches beyond the right edge at a width of 320 px."""
    page.set_viewport_size(NARROW)
    width = page.evaluate("document.documentElement.scrollWidth")
    return [f"{page.url}: {width} px wide"] if width > NARROW["width"] else []


def judge(page: Page, out) -> None:
    """Give one verdict with a place, so that report, history and list have something to show."""
    page.goto(f"/film/{states(out)['fracture']}")
    page.get_by_role("radio", name="fracture", exact=True).check()
    for name, value in (("left", "10"), ("top", "20"), ("width", "30"), ("height", "40")):
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_be_visible()


def test_every_page_is_accessible_and_fits_a_phone(visit, served) -> None:
    person = visit(size=PHONE)
    page = person.page
    page.goto("/sign-in")
    found = complaints_of_axe(page) + sideways(page)
    person.sign_in(Role.ADMIN, PASSWORD)
    judge(page, served.out)
    for address in addresses(served.out):
        page.set_viewport_size(PHONE)
        page.goto(address)
        found += complaints_of_axe(page)
        found += sideways(page)
    person.complaints = [text for text in person.complaints if "400 (Bad Request)" not in text]
    assert found == []


@pytest.mark.parametrize(
    ("language", "words"),
    [("de-CH", ("Aufnahmen", "Abmelden")), ("es", ("Radiografías", "Cerrar sesión"))],
)
def test_the_longer_words_of_other_languages_fit_too(visit, served, language, words) -> None:
    person = visit(size=PHONE, language=language)
    page = person.page
    person.sign_in(Role.READER, PASSWORD)
    for address in ("/", f"/film/{states(served.out)['fracture']}", "/report"):
        page.goto(address)
        for word in words:
            expect(page.locator("header")).to_contain_text(word)
        assert complaints_of_axe(page) + sideways(page) == []
        page.set_viewport_size(PHONE)


def test_a_slip_is_printed_on_one_page(visit, served) -> None:
    person = visit()
    person.sign_in(Role.TECHNICIAN, PASSWORD)
    for sha256 in states(served.out).values():
        person.page.goto(f"/film/{sha256}/slip")
        person.page.wait_for_load_state("networkidle")
        printed = person.page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type /Page\b", printed)) == 1, sha256
