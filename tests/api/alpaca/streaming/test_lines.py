"""The events over HTTP, line by line."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from orders import announcing
from orders.api.alpaca.streaming import following, listening, recalling, sending
from tests.api.alpaca.conftest import Bot, a_bot, check_declined
from tests.api.alpaca.streaming import telling
from tests.api.alpaca.streaming.lines import reading
from tests.api.alpaca.streaming.wire import (
    bust,
    in_database,
    new_bot,
    place,
    revoke,
    trade_an_order,
)
from tests.api.alpaca.streaming.wire import listening as hearing
from tests.factories import place as place_now

live = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_nothing_is_left_running"),
]


def marked(test: Any) -> Any:
    for mark in live:
        test = mark(test)
    return test


@marked
class TestTheEvents:
    async def test_are_those_of_the_socket(self) -> None:
        bot = await new_bot()
        async with hearing(bot, path="/alpaca/stream?corrections=true") as wire:
            async with reading(bot) as lines:
                await trade_an_order(bot)
                await bust(bot)

                told = await lines.events(6)

            assert told == await wire.updates(6)
        assert [one["event"] for one in told][-1] == "trade_bust"

    async def test_begin_now_if_nothing_is_said(self) -> None:
        bot = await new_bot()
        await trade_an_order(bot)
        async with reading(bot) as lines:
            order = await place(bot.account)

            assert (await lines.events(1))[0]["order"]["id"] == str(order.id)

    async def test_cut_anywhere_go_on_without_a_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recalling, "MOST_ROWS", 3)
        monkeypatch.setattr(listening, "KEPT", 4)
        bot = await new_bot()
        async with reading(bot) as lines:
            for _ in range(3):
                await trade_an_order(bot)
            whole = await lines.events(15)

            for cut in range(15):
                async with reading(bot, since_id=whole[cut]["event_id"]) as again:
                    assert await again.events(len(whole) - cut - 1) == whole[cut + 1 :]
                    if cut == 7:
                        await place(bot.account)
                        whole += await again.events(1)

    async def test_go_on_a_moment_after_the_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As the Go SDK does: with the last `at`, and a nanosecond."""
        monkeypatch.setattr(sending, "SETTLED", 0)
        bot = await new_bot()
        async with reading(bot) as lines:
            for _ in range(2):
                await trade_an_order(bot)
            whole = await lines.events(10)

            until = _a_moment_after(whole[-1]["at"])
            for cut in range(10):
                since = _a_moment_after(whole[cut]["at"])
                async with reading(bot, since=since, until=until) as again:
                    assert await again.rest() == whole[cut + 1 :]

    async def test_end_with_the_last_one_wanted(self) -> None:
        bot = await new_bot()
        async with reading(bot) as lines:
            await trade_an_order(bot)
            whole = await lines.events(5)

        for last in range(1, 5):
            asked = {"since_id": whole[0]["event_id"], "until_id": whole[last]["event_id"]}
            async with reading(bot, **asked) as lines:
                assert await lines.rest() == whole[1 : last + 1]

    async def test_end_with_it_though_nobody_here_has_read_so_far(
        self, seldom: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(announcing, "_publish", lambda *nudge: None)
        bot = await new_bot()
        await place(bot.account)
        async with reading(bot):
            await trade_an_order(bot)
            whole = [event.said for event in await in_database(telling.events)(bot.account)]
            asked = {"since_id": whole[0]["event_id"], "until_id": whole[-1]["event_id"]}

            async with reading(bot, **asked) as lines:
                assert await lines.rest() == whole[1:]

    async def test_end_when_their_time_is_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "SETTLED", 200_000_000)
        bot = await new_bot()
        until = datetime.now(UTC) + timedelta(seconds=1)
        async with reading(bot, since="2026-01-01", until=until.isoformat()) as lines:
            await trade_an_order(bot)

            assert len(await lines.rest()) <= 5

    async def test_are_nobody_elses(self) -> None:
        bot, stranger = await new_bot(), await new_bot()
        async with reading(bot) as lines, reading(stranger, since="2026-01-01") as elsewhere:
            await trade_an_order(bot)
            event = (await lines.events(5))[0]
            await place(stranger.account)
            told = await elsewhere.events(1)
            assert told[0]["order"]["id"] != event["order"]["id"]


@marked
class TestTheLine:
    async def test_is_kept_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "HEARTBEAT", 0.1)
        bot = await new_bot()
        async with reading(bot) as lines:
            assert await lines.line() == ":heartbeat"
            assert await lines.line() == ":heartbeat"

    async def test_ends_for_a_key_that_is_taken_back(self, often: None) -> None:
        bot = await new_bot()
        async with reading(bot) as lines:
            await revoke(bot.key)

            assert await lines.rest() == []
            assert lines.comments[-1].startswith(":revoked: ")

    async def test_tells_who_is_too_slow_where_it_stopped(
        self, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "KEPT", 20)
        monkeypatch.setattr(listening, "AT_ONCE", 3)
        bot = await new_bot()
        async with reading(bot) as slow, hearing(bot) as quick:
            read_on = slow.stop_reading()
            whole = []
            for _ in range(8):
                await trade_an_order(bot)
                whole += await quick.updates(5)
            read_on()
            heard = await slow.rest()
            last_id = heard[-1]["event_id"]

            assert slow.comments[-1].startswith(":too_slow: ")
            assert slow.comments[-1].endswith(f"resume with since_id={last_id}")

        async with reading(bot, since_id=last_id) as again:
            assert heard + await again.events(len(whole) - len(heard)) == whole

    async def test_ends_where_the_record_is_out_of_reach(
        self, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bot = await new_bot()
        async with reading(bot) as lines:

            def away(*args: object) -> None:
                raise OperationalError("away")

            monkeypatch.setattr(following, "DEAF", 0.5)
            monkeypatch.setattr(following, "_standing", away)

            assert await lines.rest() == []
            assert lines.comments[-1].startswith(":away: ")

    async def test_holds_no_connection_of_its_own(self) -> None:
        bot = await new_bot()
        before = await in_database(_connections)()
        streams = [reading(bot) for _ in range(10)]
        for stream in streams:
            await stream.__aenter__()

        # Those that read for all of them, however many they are.
        most = before + following.READERS + following.CATCHERS
        give_up_at = time.monotonic() + 10
        while (now := await in_database(_connections)()) > most:
            assert time.monotonic() < give_up_at, now
        for stream in streams:
            await stream.__aexit__(None, None, None)


def _a_moment_after(at: str) -> str:
    """Return a time a nanosecond later."""
    return f"{at[:-4]}{int(at[-4:-1]) + 1:03}Z"


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ("since=yesterday", "invalid since"),
            ("until=5", "invalid until"),
            ("since=2026-01-01&since_id=x", "only one of since or since_id"),
            ("since=2026-01-01&until=2026-01-02&until_id=x", "only one of until or until_id"),
            ("since_id=x", "since_id is not"),
            ("since_id=00000000000000000000000000", "since_id is not"),
            ("since_id=7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "since_id is not"),
            ("since_id=%F0%9F%92%A9%00", "since_id is not"),
            ("until_id=01M8030XS10000000004000000", "until_id is not"),
            ("since=2026-01-02&until=2026-01-01", "until must not be before since"),
        ],
    )
    def test_is_what_can_not_be_told(self, bot: Bot, asked: str, message: str) -> None:
        answer = bot.get(f"events/trades?{asked}")

        check_declined(answer, 422, 40010001, message)

    def test_is_an_end_without_a_beginning(self, bot: Bot) -> None:
        place_now(bot.account)
        told = telling.events(bot.account)[0].said

        answer = bot.get(f"events/trades?until_id={told['event_id']}")

        assert answer.status_code == 422

    def test_is_another_accounts_event(self, bot: Bot) -> None:
        stranger = a_bot()
        place_now(stranger.account)
        told = telling.events(stranger.account)[0].said

        answer = bot.get(f"events/trades?since_id={told['event_id']}")

        assert answer.status_code == 422

    def test_is_who_has_no_key(self, bot: Bot) -> None:
        answer = bot.client.get("/alpaca/v2/events/trades")

        assert answer.status_code == 401
        assert answer.json()["code"] == 40110000
