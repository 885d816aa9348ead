"""A desk whose pages are open, and nothing left running when they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orders import placing
from orders.web import hub, rereading
from tests.fakes import ScriptedBroker
from tests.live.desk import in_database


@pytest.fixture(autouse=True)
def _nobody_sends(broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "ring", lambda *args: True)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round take a tenth of the time."""
    monkeypatch.setattr(hub, "BEAT", 0.2)


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no round come: what arrives was nudged."""
    monkeypatch.setattr(hub, "BEAT", 60)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, bool]]:
    """The rows drawn so far, as (order id, for one who may trade)."""
    rows: list[tuple[Any, bool]] = []

    def draw(name: str, context: dict[str, Any]) -> str:
        order, can_trade = context["order"], context["can_trade"]
        rows.append((order.id, can_trade))
        return f'<tr id="order-{order.id}" data-version="{order.version}">{order.submission}</tr>'

    monkeypatch.setattr(rereading, "render_to_string", draw)
    return rows


@pytest.fixture(autouse=True)
async def _nothing_is_left_running(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """The last page to go takes the hub with it."""
    yield
    assert not hub._hubs.get(asyncio.get_running_loop())
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
    if request.node.get_closest_marker("django_db"):
        # Channels' test sockets keep connections open behind its back; asking again closes them.
        await in_database(lambda: None)()
