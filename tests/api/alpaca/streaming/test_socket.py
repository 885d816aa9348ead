"""Alpaca's socket, frame by frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgpack
import pytest
from django.db import OperationalError

from orders import announcing
from orders.api.alpaca.streaming import following, listening, sockets
from orders.models import ApiKey
from tests.api.alpaca.streaming.wire import (
    bust,
    connected,
    new_bot,
    place,
    revoke,
    trade_an_order,
)
from tests.api.alpaca.streaming.wire import listening as hearing

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_nothing_is_left_running"),
]

AUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "authorized", "action": "authenticate"},
}
UNAUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "unauthorized", "action": "authenticate"},
}


class TestTheDoor:
    async def test_lets_a_key_in_and_tells_it_what_happens(self) -> None:
        bot = await new_bot()
        async with connected() as wire:
            assert await wire.authenticate(bot) == AUTHORIZED
            assert await wire.listen("trade_updates") == {
                "stream": "listening",
                "data": {"streams": ["trade_updates"]},
            }

            await trade_an_order(bot)
            told = await wire.updates(5)

        assert [one["event"] for one in told] == [
            "accepted",
            "pending_new",
            "new",
            "partial_fill",
            "fill",
        ]
        assert all(one["timestamp"] and one["event_id"] and one["at"] for one in told)

    @pytest.mark.parametrize(
        "shown",
        [
            {"key_id": "BLTNONE", "secret_key": "x"},
            {"key_id": "\0", "secret_key": "x"},
            {"key_id": "\ud800", "secret_key": "\ud800"},
            {"key_id": None, "secret_key": None},
            {"key_id": ["a"], "secret_key": {"b": 1}},
            {},
        ],
    )
    async def test_turns_others_away(self, shown: dict[str, Any]) -> None:
        async with connected() as wire:
            await wire.say("authenticate", **shown)

            assert await wire.hear() == UNAUTHORIZED

    async def test_takes_no_key_without_its_secret(self) -> None:
        bot = await new_bot()
        async with connected() as wire:
            await wire.say("authenticate", key_id=bot.key.key, secret_key="another")
            assert await wire.hear() == UNAUTHORIZED

            assert await wire.authenticate(bot) == AUTHORIZED

    async def test_takes_the_newer_words_too(self) -> None:
        bot = await new_bot()
        async with connected() as wire:
            await wire.send({"action": "auth", "key": bot.key.key, "secret": bot.secret})

            assert await wire.hear() == AUTHORIZED

    async def test_lets_nobody_listen_before(self) -> None:
        async with connected() as wire:
            assert await wire.listen("trade_updates") == {
                "stream": "authorization",
                "data": {"status": "unauthorized", "action": "listen"},
            }

    async def test_closes_on_who_never_shows_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sockets, "AUTHENTICATE_WITHIN", 0.2)
        async with connected() as wire:
            assert await wire.hear() == UNAUTHORIZED
            assert await wire.closed_with() == sockets.UNAUTHORIZED

    async def test_closes_on_who_goes_on_trying(self) -> None:
        async with connected() as wire:
            for _ in range(sockets.MOST_TRIES):
                await wire.say("authenticate", key_id="x", secret_key="y")

            assert await wire.closed_with() == sockets.NOT_UNDERSTOOD

    async def test_shuts_on_a_key_that_is_taken_back(self, often: None) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire, connected() as idle:
            await idle.authenticate(bot)
            await revoke(bot.key)

            for one in (wire, idle):
                assert await one.hear() == UNAUTHORIZED
                assert (await one.hear())["data"]["code"] == "revoked"
                assert await one.closed_with() == sockets.UNAUTHORIZED

    async def test_calls_no_key_wrong_that_it_can_not_look_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*shown: str) -> None:
            raise OperationalError("away")

        monkeypatch.setattr(ApiKey, "find", away)
        async with connected() as wire:
            await wire.say("authenticate", key_id="x", secret_key="y")

            told = await wire.hear()
            assert (told["stream"], told["data"]["code"]) == ("error", "away")
            assert await wire.closed_with() == sockets.TRY_AGAIN_LATER

    async def test_shows_a_key_no_account_but_its_own(self, often: None) -> None:
        bot, stranger = await new_bot(), await new_bot()
        async with hearing(bot) as wire, hearing(stranger) as elsewhere:
            await trade_an_order(bot)
            await wire.updates(5)

            assert await elsewhere.heard_nothing(within=1)


class TestListening:
    async def test_drops_streams_that_are_none(self) -> None:
        bot = await new_bot()
        async with connected() as wire:
            await wire.authenticate(bot)

            told = await wire.listen("account_updates", "trade_updates", "AM.*")

            assert told["data"] == {"streams": ["trade_updates"]}

    async def test_ends_with_an_empty_list_and_begins_anew(self) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire:
            assert (await wire.listen())["data"] == {"streams": []}
            await trade_an_order(bot)
            assert await wire.heard_nothing()
            await wire.listen("trade_updates")
            await place(bot.account)

            assert (await wire.update())["event"] == "accepted"
            assert await wire.heard_nothing()

    async def test_leaves_nothing_out_when_it_is_asked_for_again(self) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire:
            await place(bot.account)
            await wire.say("listen", streams=["trade_updates"])
            frames = [await wire.hear(), await wire.hear()]

        assert {frame["stream"] for frame in frames} == {"listening", "trade_updates"}

    async def test_goes_on_after_an_event(self) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire:
            await trade_an_order(bot)
            whole = await wire.updates(5)

        for cut in range(5):
            async with hearing(bot, since=whole[cut]["event_id"]) as wire:
                assert await wire.updates(4 - cut) == whole[cut + 1 :]
                assert await wire.heard_nothing(within=0.2)

    async def test_begins_elsewhere_in_the_middle_of_it(self) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire:
            await trade_an_order(bot)
            whole = await wire.updates(5)
            read_on = wire.stop_reading()
            await trade_an_order(bot)
            await wire.say("listen", streams=["trade_updates"], since_id=whole[1]["event_id"])
            await asyncio.sleep(0.3)
            read_on()

            while (await wire.hear())["stream"] != "listening":
                pass
            again = await wire.updates(8)

        assert again[:3] == whole[2:]
        assert [one["event"] for one in again[3:]][-1] == "fill"

    @pytest.mark.parametrize("since", ["", "x", "0" * 26, "7" + "Z" * 25, 5, [], "é" * 26])
    async def test_goes_on_after_no_event_that_is_none(self, since: object) -> None:
        bot = await new_bot()
        await place(bot.account)
        async with connected() as wire:
            await wire.authenticate(bot)

            told = await wire.listen("trade_updates", since_id=since)

            assert told["stream"] == "error"
            assert "since_id" in told["data"]["error"]

    async def test_tells_corrections_to_who_asks_for_them(self) -> None:
        bot = await new_bot()
        async with (
            hearing(bot) as plain,
            hearing(bot, path="/alpaca/stream?corrections=true") as by_address,
            connected() as by_name,
        ):
            await by_name.authenticate(bot)
            await by_name.listen("trade_updates", "trade_corrections")
            await trade_an_order(bot)
            await bust(bot)
            order = await place(bot.account)

            for wire, more in (
                (plain, []),
                (by_address, ["trade_bust"]),
                (by_name, ["trade_bust"]),
            ):
                await wire.updates(5)
                told = await wire.updates(len(more) + 1)
                assert [one["event"] for one in told] == [*more, "accepted"]
                assert told[-1]["order"]["id"] == str(order.id)

    async def test_hears_all_of_it_though_every_nudge_is_lost(
        self, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(announcing, "_publish", lambda *nudge: None)
        bot = await new_bot()
        async with hearing(bot) as wire:
            await trade_an_order(bot)

            assert [one["event"] for one in await wire.updates(5)][-1] == "fill"

    async def test_hears_of_it_at_once(self, seldom: None) -> None:
        bot = await new_bot()
        async with hearing(bot) as wire:
            await trade_an_order(bot)

            assert [one["event"] for one in await wire.updates(5)][-1] == "fill"

    async def test_tells_nothing_while_nobody_knows_whether_its_key_is_live(
        self, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        standing, is_away = following._standing, True

        def sometimes(*asked: Any) -> Any:
            if is_away:
                raise OperationalError("away")
            return standing(*asked)

        bot = await new_bot()
        async with hearing(bot) as wire:
            monkeypatch.setattr(listening, "TRUSTED", 0.3)
            monkeypatch.setattr(following, "_standing", sometimes)
            await asyncio.sleep(0.5)
            await place(bot.account)
            assert await wire.heard_nothing(within=1)
            is_away = False
            monkeypatch.setattr(listening, "TRUSTED", 60)

            assert (await wire.update())["event"] == "accepted"

    async def test_tells_every_socket_of_an_account(self) -> None:
        bot = await new_bot()
        async with hearing(bot) as one, hearing(bot) as two:
            await trade_an_order(bot)

            assert await one.updates(5) == await two.updates(5)


class TestItsFrames:
    async def test_are_packed_for_who_packs_its_own(self) -> None:
        bot = await new_bot()
        async with connected() as wire:
            asked = {
                "action": "authenticate",
                "data": {"key_id": bot.key.key, "secret_key": bot.secret},
            }
            await wire.socket.send_to(bytes_data=msgpack.packb(asked))
            told = await wire.socket.receive_from()

            assert msgpack.unpackb(told) == AUTHORIZED
            assert json.dumps(await wire.listen("trade_updates"))  # now in JSON
            await place(bot.account)
            assert (await wire.update())["event"] == "accepted"

    async def test_are_packed_for_who_says_so_in_the_handshake(self) -> None:
        bot = await new_bot()
        async with connected(packed_by_header=True) as wire:
            await wire.say("authenticate", key_id=bot.key.key, secret_key=bot.secret)
            assert isinstance(told := await wire.socket.receive_from(), bytes)
            assert msgpack.unpackb(told) == AUTHORIZED
            await wire.say("listen", streams=["trade_updates"])
            await wire.hear()
            await place(bot.account)
            assert isinstance(told := await wire.socket.receive_from(timeout=8), bytes)
            assert msgpack.unpackb(told)["data"]["event"] == "accepted"

    async def test_may_be_json_in_binary(self) -> None:
        async with connected() as wire:
            await wire.socket.send_to(bytes_data=b'{"action": "listen"}')

            told = await wire.socket.receive_from()

            assert isinstance(told, str)

    @pytest.mark.parametrize(
        "frame",
        [
            " ",
            "no JSON",
            "null",
            "17",
            "[]",
            '"authenticate"',
            "{}",
            '{"action": null}',
            '{"action": 7, "data": {}}',
            '{"action": "authenticate", "data": []}',
            '{"action": "authenticate", "data": NaN}',
            '{"action": "sell everything", "data": {}}',
            "[" * 4000,
            "1" * 4000,
            b"\x00",
            b"\xff\xfe\xfd",
            b"\xc1",
            b"\xdf\xff\xff\xff\xff",
            b"\x91" * 4000,
            b"\xd6\xff\x00\x00\x00\x00",
            msgpack.packb({"action": "authenticate", "data": 5}),
            msgpack.packb({1: 2}),
            bytes(range(256)),
            b'{"action": "\xff"}',
        ],
    )
    async def test_that_say_nothing_are_declined_in_words(self, frame: str | bytes) -> None:
        async with connected() as wire:
            if isinstance(frame, bytes):
                await wire.socket.send_to(bytes_data=frame)
            else:
                await wire.socket.send_to(text_data=frame)

            told = await wire.hear()

            assert told["stream"] == "error"
            assert told["data"]["error"]

    @pytest.mark.parametrize("streams", [None, "trade_updates", {}, [None], [["x"]], 5])
    async def test_that_list_no_names_are_declined(self, streams: object) -> None:
        bot = await new_bot()
        async with connected() as wire:
            await wire.authenticate(bot)
            await wire.say("listen", streams=streams)

            assert (await wire.hear())["stream"] == "error"

    async def test_that_are_too_long_close_it(self) -> None:
        async with connected() as wire:
            await wire.socket.send_to(text_data="x" * 5000)

            assert await wire.closed_with() == sockets.TOO_BIG


class TestASlowClient:
    async def test_is_told_where_it_stopped(
        self, often: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "KEPT", 20)
        monkeypatch.setattr(listening, "AT_ONCE", 3)
        bot = await new_bot()
        async with hearing(bot) as slow, hearing(bot) as quick:
            read_on = slow.stop_reading()
            whole = []
            for _ in range(8):
                await trade_an_order(bot)
                whole += await quick.updates(5)
            read_on()

            heard = []
            while (frame := await slow.hear())["stream"] == "trade_updates":
                heard.append(frame["data"])
            assert frame["stream"] == "error"
            assert frame["data"]["code"] == "too_slow"
            last_id = frame["data"]["last_event_id"]
            assert await slow.closed_with() == sockets.TOO_SLOW

        assert heard == whole[: len(heard)]
        assert heard[-1]["event_id"] == last_id
        async with hearing(bot, since=last_id) as again:
            rest = await again.updates(len(whole) - len(heard))
        assert heard + rest == whole

    async def test_that_begins_far_back_takes_its_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listening, "KEPT", 5)
        bot = await new_bot()
        async with hearing(bot) as quick:
            whole = []
            for _ in range(6):
                await trade_an_order(bot)
                whole += await quick.updates(5)

            async with hearing(bot, since=whole[0]["event_id"]) as late:
                assert await late.updates(29) == whole[1:]
                await place(bot.account)
                assert (await late.update())["event"] == "accepted"
