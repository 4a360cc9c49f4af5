"""Debian's Chromium over the page: no other origin can be reached, and every complaint is kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 20_000
DESKTOP = {"width": 1024, "height": 768}
PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
"""The width at which a page must not scroll sideways: WCAG 1.4.10."""
ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root; only our own page is opened
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the network is off
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the browser; without one a test is skipped, but fails in CI."""
    if CHROMIUM is None:
        said = "needs Debian's chromium; run: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        expect.set_options(timeout=PATIENCE_MS)
        yield browser
        browser.close()


class Visit:
    """One person's browser: cookies of its own, one origin."""

    def __init__(
        self, browser: Browser, origin: str, *, size=DESKTOP, language: str = "en", **more
    ) -> None:
        self.origin, self.complaints = origin, []
        self.context: BrowserContext = browser.new_context(
            viewport=size, locale=language, base_url=origin, **more
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.route("**/*", self._only_ours)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("console", self._listen)
        self.page: Page = self.context.new_page()

    def sign_in(self, name: str, password: str) -> None:
        """Sign in by mouse and keyboard, as people do."""
        self.page.goto("/sign-in")
        self.page.get_by_label("Name").or_(self.page.locator("#name")).first.fill(name)
        self.page.locator("#password").fill(password)
        self.page.locator("form button.main").click()
        self.page.wait_for_url(f"{self.origin}/")

    def close(self) -> None:
        """End the visit; the test fails if the browser complained or another origin was asked."""
        self.context.close()
        assert self.complaints == []

    def _only_ours(self, route: Route) -> None:
        if route.request.url.startswith(f"{self.origin}/"):
            route.continue_()
        else:
            self.complaints.append(f"asked another origin: {route.request.url}")
            route.abort()

    def _listen(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location})")
