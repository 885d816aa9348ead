"""When the door's notes are written down: soon, together, and no more often than they must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from webhooks import noting, trusting
from webhooks.noting import Notes

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)
Written = list[dict[int, datetime]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    rounds: Written = []
    monkeypatch.setattr(noting, "EVERY", 0.01)
    monkeypatch.setattr(trusting, "note_used", rounds.append)
    monkeypatch.setattr(noting.connections, "close_all", lambda: None)
    return rounds


@pytest.fixture
async def notes(written: Written) -> AsyncIterator[Notes]:
    notes = Notes()
    yield notes
    await notes.close()


async def write(rounds: Written, count: int) -> None:
    """Wait until so many rounds are written, and a few rounds longer."""
    async with asyncio.timeout(5):
        while len(rounds) < count:  # noqa: ASYNC110 — what is waited for is in another thread
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def test_a_first_use_is_written_at_once_and_the_next_within_a_minute(
    notes: Notes, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes.used(1, NOON)
    await write(written, 1)
    notes.used(1, LATER)
    notes.used(2, LATER)
    await write(written, 2)
    assert written == [{1: NOON}, {2: LATER}]

    monkeypatch.setattr(noting, "USED_EVERY", 0.0)  # the minute is over, and nothing else came
    await write(written, 3)
    assert written == [{1: NOON}, {2: LATER}, {1: LATER}]


async def test_what_waits_is_written_at_the_end(notes: Notes, written: Written) -> None:
    notes.used(1, NOON)
    await write(written, 1)
    notes.used(1, LATER)

    closed, _ = await asyncio.wait([asyncio.create_task(notes.close())], timeout=5)

    assert closed  # and not only after the minute
    assert written == [{1: NOON}, {1: LATER}]
