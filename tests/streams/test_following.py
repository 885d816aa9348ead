"""One stream, followed through whatever its broker and the database do. No second passes here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from brokers.alpaca.streaming import TradeUpdates
from brokers.dialing import Crowded, Lost, Mute, Unwelcome
from brokers.streams import BrokerStream, Heard
from orders.ids import uuid7
from tests.streams.upstream import as_binary, update
from webhooks import following
from webhooks.following import Follower, World, pause_after
from webhooks.keeping import Parcel
from webhooks.leasing import Errand

STREAM = TradeUpdates()


class Lines:
    """Connections by a script: each an error, or the frames that come before it breaks."""

    def __init__(self, *script: Lost | list[bytes]) -> None:
        self.script = list(script)
        self.dialed: list[str] = []
        self.after: list[str] = []
        self.address = "ws://scripted/stream"
        self.held = asyncio.Event()  # while it is not set, the last connection stays open
        self.clock = 0.0
        self.lasts = 0.0  # seconds that each connection lasts
        self.told = 0  # frames

    @asynccontextmanager
    async def __call__(
        self, stream: BrokerStream, *, base_url: str, credentials: Mapping[str, str], after: str
    ) -> AsyncIterator[Lines]:
        self.dialed.append(base_url)
        self.after.append(after)
        if self.script and isinstance(self.script[0], Lost):
            raise self.script.pop(0)  # type: ignore[misc]
        yield self

    async def frames(self) -> AsyncIterator[tuple[bytes, Heard]]:
        said = self.script.pop(0) if self.script else None
        if isinstance(said, list):
            for payload in said:
                self.told += 1
                yield payload, STREAM.hear(payload)
        self.clock += self.lasts
        if not self.script:
            await self.held.wait()
        raise Lost("It broke off.")


class Inbox:
    """Keeps parcels, unless the database is away so many times."""

    def __init__(self, *, away: int = 0, trouble: Exception | None = None) -> None:
        self.kept: list[Parcel] = []
        self.away, self.trouble = away, trouble or psycopg.OperationalError("away")
        self.opened = asyncio.Event()
        self.opened.set()

    async def keep(self, parcel: Parcel) -> None:
        await self.opened.wait()
        if self.away > 0:
            self.away -= 1
            raise self.trouble
        self.kept.append(parcel)


def frame(number: int) -> bytes:
    return as_binary(update("new", more={"event_id": f"E{number}"}))


class Scene:
    """A follower, its line and its inbox, and how long it slept."""

    def __init__(self, lines: Lines, inbox: Inbox) -> None:
        self.lines, self.inbox = lines, inbox
        self.slept: list[float] = []
        self.rung = 0
        errand = Errand(
            account_id=uuid7(),
            broker="scripted",
            base_url="http://scripted",
            credentials={"key": "k", "secret": "s"},
            endpoint_id=uuid7(),
        )
        world = World(dial=lines, sleep=self._sleep, clock=lambda: lines.clock, chance=lambda: 1.0)
        self.follower = Follower(
            errand, STREAM, inbox, changed=lambda: None, kept=self._ring, world=world
        )
        self.follower.start()

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for _ in range(20):  # whatever else was to be done by then is done
            await asyncio.sleep(0)

    def _ring(self) -> None:
        self.rung += 1

    async def until(self, holds: Callable[[], Any]) -> None:
        for _ in range(2000):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not come to be so")


Stage = Callable[..., Scene]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    scenes: list[Scene] = []

    def begin(*script: Lost | list[bytes], inbox: Inbox | None = None, **lasts: float) -> Scene:
        lines = Lines(*script)
        lines.lasts = lasts.get("lasts", 0.0)
        scenes.append(Scene(lines, inbox or Inbox()))
        return scenes[-1]

    yield begin
    for scene in scenes:
        await scene.follower.stop()


class TestPauses:
    def test_double_up_to_the_most(self) -> None:
        pauses = [pause_after(Lost(""), n, chance=1.0) for n in range(1, 10)]

        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    def test_are_half_chance(self) -> None:
        assert pause_after(Lost(""), 5, chance=0.0) == 4
        assert pause_after(Lost(""), 5, chance=0.5) == 6

    def test_are_longer_where_another_connection_is_open(self) -> None:
        pauses = [pause_after(Crowded(""), n, chance=1.0) for n in range(1, 8)]

        assert pauses == [5, 10, 20, 40, 80, 90, 90]

    def test_are_longest_where_our_key_is_not_taken(self) -> None:
        pauses = [pause_after(Unwelcome(""), n, chance=1.0) for n in range(1, 8)]

        assert pauses == [60, 120, 240, 480, 900, 900, 900]

    def test_never_overflow(self) -> None:
        assert pause_after(Lost(""), 10**9, chance=1.0) == 30


class TestFollower:
    async def test_connects_again_and_again_ever_more_slowly(self, stage: Stage) -> None:
        scene = stage(Lost("a"), Lost("b"), Crowded("c"), Lost("d"), [])

        await scene.until(lambda: scene.follower.is_connected)

        assert scene.slept == [0.5, 1, 20, 4]
        standing = scene.follower.standing()
        assert (standing.state, standing.failures, standing.error) == ("delayed", 0, "d")

    async def test_a_connection_that_breaks_off_at_once_is_a_failure_like_any(
        self, stage: Stage
    ) -> None:
        scene = stage([], [], [], [], [])

        await scene.until(lambda: len(scene.lines.dialed) == 5)

        assert scene.slept == [0.5, 1, 2, 4]

    async def test_one_that_lasted_clears_the_record(self, stage: Stage) -> None:
        scene = stage([], [], [], [], [], lasts=61.0)

        await scene.until(lambda: len(scene.lines.dialed) == 5)

        assert scene.slept == [0.5, 0.5, 0.5, 0.5]

    async def test_says_that_it_is_turned_away_and_when_it_tries_again(self, stage: Stage) -> None:
        scene = stage(Unwelcome("no"), Unwelcome("no"), [])
        await scene.until(lambda: scene.follower.is_connected)

        assert scene.slept == [60, 120]

    async def test_keeps_each_frame_as_it_came_and_remembers_the_last_event(
        self, stage: Stage
    ) -> None:
        scene = stage([frame(1), b"\x01", b"rubbish", frame(2)])

        await scene.until(lambda: len(scene.inbox.kept) == 3 and scene.rung)

        assert [parcel.body for parcel in scene.inbox.kept] == [frame(1), b"rubbish", frame(2)]
        assert scene.inbox.kept[0].delivery_id == "E1"
        assert scene.inbox.kept[1].delivery_id.startswith("frame:")
        await scene.until(lambda: scene.follower.standing().event_id == "E2")
        assert scene.follower.is_connected

    async def test_asks_for_what_came_after_the_last_event_unless_that_is_not_liked(
        self, stage: Stage
    ) -> None:
        scene = stage([frame(1), frame(2)], Lost("a"), Mute("what?"), [frame(3)], [])

        await scene.until(lambda: len(scene.lines.dialed) == 5)

        assert scene.lines.after == ["", "E2", "E2", "", "E3"]

    async def test_waits_for_the_database_and_loses_nothing(self, stage: Stage) -> None:
        scene = stage([frame(number) for number in range(9)], inbox=Inbox(away=3))

        await scene.until(lambda: len(scene.inbox.kept) == 9)

        assert {parcel.delivery_id for parcel in scene.inbox.kept} == {f"E{n}" for n in range(9)}

    async def test_reads_no_further_than_so_much_ahead_of_a_slow_database(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(following, "WAITING", 4)
        inbox = Inbox()
        inbox.opened.clear()
        scene = stage([frame(number) for number in range(50)], inbox=inbox)
        await scene.until(lambda: scene.follower.is_connected)
        scene.follower.note_caught_up(1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert scene.follower.standing().state == "live"

        scene.lines.clock += 6  # seconds in which nothing could be kept
        assert scene.follower.standing().state == "delayed"
        assert scene.lines.told <= 4 + 4 + 1  # being kept, waiting, in hand

        inbox.opened.set()
        await scene.until(lambda: len(inbox.kept) == 50)
        assert scene.follower.standing().state == "live"

    async def test_what_the_database_never_takes_opens_the_gap_again(self, stage: Stage) -> None:
        inbox = Inbox(away=1, trouble=psycopg.DataError("no"))
        scene = stage([frame(1), frame(2)], inbox=inbox)
        await scene.until(lambda: scene.follower.is_connected)
        scene.follower.note_caught_up(1)

        await scene.until(lambda: len(inbox.kept) == 1 and scene.rung)

        assert scene.follower.is_connected
        assert not scene.follower.is_caught_up

    async def test_what_was_missed_before_one_connection_says_nothing_of_the_next(
        self, stage: Stage
    ) -> None:
        scene = stage([], [])
        await scene.until(lambda: scene.follower.connection == 2)

        scene.follower.note_caught_up(1)

        assert scene.follower.standing().state == "delayed"
        scene.follower.note_caught_up(2)
        assert scene.follower.standing().state == "live"

    async def test_a_mistake_of_ours_is_no_end(self, stage: Stage) -> None:
        scene = stage([], [])
        scene.lines.held.set()
        frames, failing = scene.lines.frames, [True]

        async def broken() -> AsyncIterator[tuple[bytes, Heard]]:
            if failing.pop() if failing else False:
                raise ZeroDivisionError("ours")
            async for each in frames():
                yield each

        scene.lines.frames = broken  # type: ignore[method-assign]

        await scene.until(lambda: len(scene.lines.dialed) >= 3)
