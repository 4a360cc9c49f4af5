"""Pictures of the page over the films of the demo, at three sizes; those of docs/page.md, too.

    python tests/support/make_page_pictures.py FOLDER DOCS

FOLDER gets all, to be looked at; DOCS those of the documentation, with fewer colors.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import DESKTOP, PHONE, Visit, chromium
from page_client import PASSWORD
from page_server import SERVICE, Served, classify_demo, free_port, serve
from PIL import Image
from playwright.sync_api import Page

SIZES = {"phone": PHONE, "desktop": DESKTOP, "monitor": {"width": 1920, "height": 1080}}
SHOWN = "hand-1410.jpg"
"""A fractured film that the model calls so."""
IN_DOCS = ("list-desktop", "film-desktop", "report-desktop", "film-phone")
COLORS = 256


def judge_all(visit: Visit) -> None:
    """Give the verdict of its label about each film; about one fracture with a place."""
    page = visit.page
    page.goto("/?day=all")
    cards = page.locator(".films a").all()
    for address in [card.get_attribute("href") for card in cards]:
        page.goto(address)
        label = page.locator("p.name").inner_text().partition("/")[0]
        answer = {"fractured": "fracture", "not-fractured": "no_fracture"}.get(label)
        if answer:
            page.locator(f"#verdict input[value={answer}]").check()
            page.locator("#save").click()
            page.locator("p.saved").wait_for()


def open_shown(page: Page) -> None:
    """Open the film of the pictures, with the overlay."""
    page.goto("/")
    page.get_by_role("link", name=re.compile(re.escape(SHOWN))).click()
    page.wait_for_load_state()
    page.locator("#switch").click()
    page.locator("#overlay").evaluate("image => image.decode()")


def take_all(served: Served, folder: Path) -> None:
    """Write a picture of list, film and report at each size."""
    with chromium() as browser:
        for index, (size_name, size) in enumerate(SIZES.items()):
            visit = Visit(browser, served.origin, size=size)
            page = visit.page
            visit.sign_in("reader", PASSWORD)
            if not index:
                judge_all(visit)
            for name, show in (
                ("list", lambda page: page.goto("/")),
                ("film", open_shown),
                ("report", lambda page: page.goto("/report")),
            ):
                show(page)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=folder / f"{name}-{size_name}.png")
            visit.close()


def main(folder: Path, docs: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        clinic, health = Path(made), str(free_port())
        classify_demo(clinic, with_dicom=False)  # others than FracAtlas are not in this repository
        films, out = clinic / "films", clinic / "results"
        options = ["--watch", films, "--out", out, "--health-port", health, "--min-free", "1"]
        service = [sys.executable, "-c", SERVICE, *map(str, options)]
        with (
            subprocess.Popen(service, stderr=subprocess.DEVNULL) as process,
            serve(out, clinic / "page", films=films, health_port=health) as served,
        ):
            take_all(served, folder)
            process.terminate()
    docs.mkdir(exist_ok=True)
    for name in IN_DOCS:
        with Image.open(folder / f"{name}.png") as picture:
            # The default method loses the few colors of the states among many grays.
            small = picture.convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE)
            small.save(docs / f"page-{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
