"""From signing in to the trainer's split, in a real browser with the network off."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_client import PASSWORD
from playwright.sync_api import Page, expect

SPLIT = "from bonefx_train.cli import main; main()"
FRACTURED, MISSED = "hand-1410.jpg", "leg-2307.jpg"
"""Films of the demo: the model finds the first fracture and misses the second."""
OTHERS = ("hand-0750", "leg-2347", "hand-0023", "hand-0035", "leg-0037", "leg-0042")


def open_film(page: Page, name: str) -> None:
    page.get_by_role("link", name=re.compile(re.escape(name))).click()
    expect(page.locator("p.name")).to_contain_text(name)
    expect(page.locator("#tools")).to_be_visible()
    assert page.locator("#plain").evaluate("image => image.decode().then(() => image.naturalWidth)")


def scale_of(page: Page) -> float:
    style = page.locator("#sheet").get_attribute("style") or ""
    found = re.search(r"scale\(([\d.]+)\)", style)
    return float(found[1]) if found else 1.0


def expect_overlay(page: Page) -> None:
    expect(page.locator("#overlay")).to_be_visible()
    expect(page.locator("#plain")).to_be_hidden()
    assert page.locator("#overlay").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )


def box_of(page: Page) -> list[float]:
    return [
        float(page.locator(f"#{name}").input_value()) for name in ("left", "top", "width", "height")
    ]


def expect_report(page: Page) -> None:
    """Of four fractures one is missed, of four other films one is called fracture."""
    expect(page.locator("main")).to_contain_text("Verdicts that count: 8.")
    rows = page.locator("table").first.locator("tbody tr")
    expect(rows.nth(0)).to_have_text(re.compile(r"fracture\s*2\s*1\s*1\s*0"))
    expect(rows.nth(1)).to_have_text(re.compile(r"no fracture\s*1\s*2\s*1\s*0"))
    expect(page.locator("dd").nth(0)).to_contain_text("75 % (30 % to 95 %, n 4)")


def assert_the_trainer_takes(folder: Path) -> None:
    manifest, done = folder / "manifest.csv", folder / "split.csv"
    command = [sys.executable, "-c", SPLIT, "split", manifest, "--out", done]
    command += ["--shares", "0.4,0.3,0.3"]  # of four films of a class
    split = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert split.returncode == 0, split.stderr
    assert done.read_text().count("\n") == 9, done.read_text()
    (box,) = list(csv.DictReader((folder / "boxes.csv").read_text().splitlines()))
    assert box["path"] == f"fractured/{MISSED}"
    for path in (manifest, done, folder / "boxes.csv"):
        path.unlink()


def truth_of(page: Page) -> str:
    """Return the answer that is right: the folder of a film is its label."""
    label = page.locator("p.name").inner_text().partition("/")[0]
    return {"fractured": "fracture", "not-fractured": "no fracture"}[label]


def test_by_mouse(visit, served) -> None:
    page = (person := visit()).page
    page.goto("/")
    expect(page).to_have_url(f"{person.origin}/sign-in")
    person.sign_in("reader", PASSWORD)

    unfamiliar = page.locator(".films li", has_text="leg-0042")
    expect(unfamiliar).to_contain_text("unfamiliar")
    page.get_by_label("Result").select_option("suspicious")
    page.get_by_role("button", name="Show").click()
    open_film(page, FRACTURED)
    expect(page.get_by_role("heading", level=1)).to_have_text("fracture")
    page.locator("#stage").hover()
    page.mouse.wheel(0, -100)
    expect(page.locator("#sheet")).to_have_attribute("style", re.compile(r"scale\(1\.2\)"))
    page.get_by_role("button", name="Larger").click()
    assert scale_of(page) == pytest.approx(1.8)
    before = page.locator("#sheet").get_attribute("style")
    drag(page, (0.5, 0.5), (0.4, 0.4))
    assert page.locator("#sheet").get_attribute("style") != before
    page.get_by_role("button", name="Whole film").click()
    assert scale_of(page) == 1.0
    page.get_by_role("button", name="Overlay").click()
    expect_overlay(page)
    page.get_by_role("button", name=re.compile("^Agree")).click()
    expect(page.get_by_role("status")).to_have_text("The verdict is saved.")

    page.get_by_role("link", name="Back to the list").click()
    page.get_by_label("Result").select_option("no_fracture")
    page.get_by_role("button", name="Show").click()
    open_film(page, MISSED)
    page.get_by_role("button", name="Disagree").click()
    expect(page.get_by_role("radio", name="fracture", exact=True)).to_be_checked()
    page.get_by_role("button", name="Draw").click()
    drag(page, (0.45, 0.4), (0.55, 0.6))
    expect(page.locator("#box")).to_be_visible()
    left, top, width, height = box_of(page)
    assert 0 <= left < left + width <= 100
    assert (top, height) == pytest.approx((40, 20), abs=1.0)
    page.get_by_label("Remark (no names)").fill("fine line")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".history li").first).to_contain_text("fracture, with place, reader")
    assert box_of(page) == [left, top, width, height]

    for name in OTHERS:
        page.goto("/")
        open_film(page, name)
        page.get_by_role("radio", name=truth_of(page), exact=True).check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("The verdict is saved.")

    page.get_by_role("link", name="Report").click()
    expect_report(page)
    for name in ("manifest.csv", "boxes.csv"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        download.value.save_as(served.films / name)
    assert_the_trainer_takes(served.films)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{person.origin}/sign-in")


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag on the stage; places are shares of its width and height."""
    box = page.locator("#stage").bounding_box()
    for index, (x, y) in enumerate((start, end)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        (page.mouse.up if index else page.mouse.down)()


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the element with this id, value or word has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        words = page.evaluate(
            "(({ id, value, textContent }) => [id, value, ...textContent.split(/\\s+/)])"
            "(document.activeElement)"
        )
        if wanted in words:
            return
    pytest.fail(f"Tab never comes to {wanted!r}")


def press(page: Page, key: str) -> None:
    """Press a key that leads to another film."""
    page.wait_for_load_state()
    with page.expect_navigation():
        page.keyboard.press(key)


def judge_by_keys(page: Page, *, is_missed: bool) -> None:
    """Give the right verdict about the film that is shown; about the missed one with a place."""
    keys = page.keyboard
    if is_missed:
        keys.press("d")
        expect(page.get_by_role("radio", name="fracture", exact=True)).to_be_checked()
        tab_to(page, "left")
        for value in ("40", "45", "12", "10"):
            keys.type(value)
            keys.press("Tab")
        expect(page.locator("#box")).to_be_visible()
    else:
        tab_to(page, "fracture")  # the first radio; arrows go to the others
        keys.press("Space")
        if truth_of(page) == "no fracture":
            keys.press("ArrowDown")
    tab_to(page, "save")
    keys.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The verdict is saved.")
    expect(page.locator(".history li").first).to_contain_text(
        "fracture, with place, reader" if is_missed else f"{truth_of(page)}, reader"
    )


def test_by_keyboard_only(visit, served) -> None:
    page = (person := visit()).page
    keys = page.keyboard
    page.goto("/sign-in")
    expect(page.locator("#name")).to_be_focused()
    keys.type("reader")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url(f"{person.origin}/")

    tab_to(page, FRACTURED)
    keys.press("Enter")
    expect(page.locator("p.name")).to_contain_text(FRACTURED)
    page.wait_for_load_state()  # keys are the script's
    keys.press("+")
    assert scale_of(page) == 1.5
    tab_to(page, "stage")
    before = page.locator("#sheet").get_attribute("style")
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    assert page.locator("#sheet").get_attribute("style") != before
    keys.press("0")
    keys.press("o")
    expect_overlay(page)
    keys.press("a")
    expect(page.get_by_role("status")).to_have_text("The verdict is saved.")

    while page.locator("#previous").count():
        press(page, "p")
    names = []
    while True:
        names.append(page.locator("p.name").inner_text())
        if names[-1].startswith(("fractured/", "not-fractured/")):
            judge_by_keys(page, is_missed=MISSED in names[-1])
        if not page.locator("#next").count():
            break
        press(page, "n")
    assert len(set(names)) == 11

    tab_to(page, "Report")
    keys.press("Enter")
    expect_report(page)
    for name in ("manifest.csv", "boxes.csv"):
        tab_to(page, name)
        with page.expect_download() as download:
            keys.press("Enter")
        download.value.save_as(served.films / name)
    assert_the_trainer_takes(served.films)
