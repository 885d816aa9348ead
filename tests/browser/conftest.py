"""Chromium, and a desk to show in it.

    def test_something(visit, trader, order):
        page = visit("/")                    # signed in as the trader, at this test's desk
        page = visit("/", theme="light", width=390, height=844)

A page that logs an error, breaks its content policy or throws fails its test.
Tests are skipped where there is no Chromium, with the reason, unless
DESK_REQUIRE_BROWSER=1. DESK_CHROMIUM names the binary.
"""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from config.asgi import application
from orders import asking
from orders.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.fakes import ScriptedBroker

START_WITHIN = 10  # seconds
Visit = Callable[..., Page]

# A page that closes abandons its requests, and Django the unpooled connections they were using.
ABANDONED = (
    "ignore:Exception ignored in. <function BaseConn:pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.filterwarnings(ABANDONED))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser for all tests of a module."""
    with ExitStack() as opened, pytest.MonkeyPatch.context() as patch:
        # Playwright's synchronous API leaves a loop running, in which Django refuses its database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        try:
            browser = opened.enter_context(sync_playwright()).chromium.launch(
                executable_path=os.environ.get("DESK_CHROMIUM") or shutil.which("chromium"),
                args=["--no-sandbox", "--disable-dev-shm-usage"],
            )
        except Exception as error:  # whatever is missing, it is missing here and not in the desk
            if os.environ.get("DESK_REQUIRE_BROWSER") == "1":
                raise
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class DeskServer(uvicorn.Server):
    """The desk's own entry point, in a thread of the test process: it sees the test's database."""

    def __enter__(self) -> str:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        give_up_at = time.monotonic() + START_WITHIN
        while not self.started:
            if time.monotonic() > give_up_at or not self._thread.is_alive():
                raise RuntimeError("The desk did not start.")
            time.sleep(0.02)
        port = self.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join(START_WITHIN)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()  # what was abandoned goes now, and not in the middle of another test


@pytest.fixture
def desk_url(chromium: Browser, transactional_db: None) -> Iterator[str]:
    """The address of a desk on this test's database."""
    config = uvicorn.Config(
        application, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    with DeskServer(config) as url:
        yield url


@pytest.fixture
def trader(desk_url: str) -> Any:
    return UserFactory(username="ana")


@pytest.fixture
def account(trader: Any, broker: ScriptedBroker) -> Account:
    asking._kept.clear()
    return AccountFactory(name="Scripted 1", trader=trader)


@pytest.fixture
def visit(chromium: Browser, desk_url: str, trader: Any) -> Iterator[Visit]:
    """Open a page of the desk as the trader. Whatever it complains of fails the test."""
    complaints: list[str] = []
    expected: list[str] = []

    with ExitStack() as opened:

        def open_page(
            path: str,
            *,
            theme: str = "dark",
            width: int = 1600,
            height: int = 900,
            signed_in: bool = True,
            forgive: str | tuple[str, ...] = (),
        ) -> Page:
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme="light" if theme == "light" else "dark",
                reduced_motion="reduce",
            )
            opened.callback(context.close)
            if signed_in:
                context.add_cookies([_session_of(trader, desk_url)])
            expected.extend([forgive] if isinstance(forgive, str) else forgive)
            page = context.new_page()
            page.on("console", lambda said: _note(complaints, said.type, said.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(desk_url + path)
            return page

        yield open_page

    assert [said for said in complaints if not any(word in said for word in expected)] == []


def live(page: Page) -> Page:
    """Wait until a page hears of changes, and return it."""
    page.wait_for_selector("html[data-link=live]")
    return page


def _note(complaints: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        complaints.append(text)


def _session_of(user: Any, url: str) -> Any:
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
