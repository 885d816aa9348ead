"""Streams of a desk that sends nothing by itself, and nothing left running when they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orders import placing
from orders.api.alpaca.streaming import following, listening
from tests.api.alpaca.streaming.wire import in_database
from tests.fakes import ScriptedBroker


@pytest.fixture(autouse=True)
def _nobody_sends(broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "ring", lambda *args: True)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round take a tenth of the time."""
    monkeypatch.setattr(following, "BEAT", 0.2)


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no round come: what arrives was nudged, or asked for."""
    monkeypatch.setattr(following, "BEAT", 60)
    monkeypatch.setattr(listening, "TRUSTED", 60)


@pytest.fixture
async def _nothing_is_left_running() -> AsyncIterator[None]:
    """The last stream to go takes the hub with it."""
    yield
    assert not following._hubs.get(asyncio.get_running_loop())
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
    await in_database(lambda: None)()
