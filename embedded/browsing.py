"""Gives tests a Chromium, or says plainly why there is none.

A test that asks for `chromium` is marked `browser`, and is skipped where Chromium does not start.
DESK_CHROMIUM names a binary; DESK_REQUIRE_BROWSER=1 makes the lack of one a failure.
"""

import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = [
    "--no-sandbox",  # it will not sandbox for root, and shows nothing but our own pages
    "--disable-dev-shm-usage",  # containers give it little
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that drives a browser."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start one Chromium for the tests of a module. Ask for it before the database.

    Playwright keeps an event loop running in this thread, which Django takes for a view that blocks
    one; for as long as the browser lives it is told that this is meant.
    """
    binary = os.environ.get("DESK_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with pytest.MonkeyPatch.context() as patch:
        try:
            playwright = sync_playwright().start()
        except (Error, OSError) as reason:
            give_up(f"Playwright does not start here: {reason}")
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        try:
            try:
                browser = playwright.chromium.launch(executable_path=binary, args=OPTIONS)
            except Error as reason:
                give_up(f"No Chromium starts here (DESK_CHROMIUM names one): {reason.message}")
            yield browser
            browser.close()
        finally:
            playwright.stop()


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get("DESK_REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
