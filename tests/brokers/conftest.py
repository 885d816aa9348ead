"""What broker tests may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brokers import http
from tests.brokers.wire import Wire
from tests.paper_exchange import paper, paper_process  # noqa: F401


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A socket that answers as it is told, and counts."""
    with Wire() as wire:
        yield wire


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for answers a fifth of a second instead of twenty, and half of one in all."""
    monkeypatch.setattr(http, "READ", 0.2)
    monkeypatch.setattr(http, "IN_ALL", 0.5)
    http._client.cache_clear()
    yield
    http._client.cache_clear()
