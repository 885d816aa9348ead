"""Alpaca's stream, frame by frame: JSON as text or binary, MessagePack, or none of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.alpaca.streaming import TradeUpdates, decode
from brokers.errors import Unreadable
from brokers.streams import LONGEST_NAME, Step
from brokers.vocabulary import Status
from tests.brokers.alpaca.golden import ORDER_ID, an_order

STREAM = TradeUpdates()


def packed(message: Any) -> bytes:
    out: bytes = msgpack.packb(message, datetime=True)
    return out


def written(message: Any) -> bytes:
    return json.dumps(message).encode()


def update(**data: Any) -> dict[str, Any]:
    said = {"event": "new", "timestamp": "2026-03-02T15:00:02Z", "order": an_order()} | data
    return {"stream": "trade_updates", "data": said}


class TestAddress:
    @pytest.mark.parametrize(
        ("base_url", "address"),
        [
            ("https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream"),
            ("https://api.alpaca.markets/", "wss://api.alpaca.markets/stream"),
            ("https://api.alpaca.markets/v2", "wss://api.alpaca.markets/stream"),
            ("http://127.0.0.1:8000/alpaca", "ws://127.0.0.1:8000/alpaca/stream"),
            ("https://desk.example/alpaca/v2/", "wss://desk.example/alpaca/stream"),
        ],
    )
    def test_is_beside_the_api(self, base_url: str, address: str) -> None:
        assert STREAM.address(base_url) == address


class TestGreeting:
    def test_is_alpacas(self) -> None:
        assert json.loads(STREAM.greeting({"key": "K", "secret": "S"})) == {
            "action": "authenticate",
            "data": {"key_id": "K", "secret_key": "S"},
        }
        streams = {"streams": ["trade_updates", "trade_corrections"]}
        assert json.loads(STREAM.request(after="")) == {"action": "listen", "data": streams}
        resumed = {"action": "listen", "data": streams | {"since_id": "01J"}}
        assert json.loads(STREAM.request(after="01J")) == resumed


@pytest.mark.parametrize("encode", [written, packed])
class TestHear:
    @pytest.mark.parametrize(
        ("message", "step"),
        [
            (
                {
                    "stream": "authorization",
                    "data": {"status": "authorized", "action": "authenticate"},
                },
                Step.LET_IN,
            ),
            (
                {
                    "stream": "authorization",
                    "data": {"status": "unauthorized", "action": "authenticate"},
                },
                Step.TURNED_AWAY,
            ),
            (
                {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}},
                Step.TURNED_AWAY,
            ),
            ({"stream": "listening", "data": {"streams": ["trade_updates"]}}, Step.LISTENING),
            ({"stream": "listening", "data": {"streams": []}}, Step.NOTHING),
            ({"stream": "account_updates", "data": {}}, Step.TOLD),
            ({"stream": "error", "data": {"error": "too slow"}}, Step.COMPLAINT),
            ({"data": {"error": "internal"}}, Step.TOLD),
            (update(), Step.TOLD),
            ([1, 2], Step.TOLD),
        ],
    )
    def test_knows_each_frame(self, encode: Any, message: Any, step: Step) -> None:
        assert STREAM.hear(encode(message)).step is step

    def test_names_an_event_by_its_number(self, encode: Any) -> None:
        heard = STREAM.hear(encode(update(event_id="01JD")))

        assert (heard.name, heard.event_id) == ("01JD", "01JD")

    def test_names_one_without_by_what_tells_it_from_the_others(self, encode: Any) -> None:
        first = STREAM.hear(encode(update(event="fill", execution_id="E-1")))

        assert first.name == f"fill:{ORDER_ID}:E-1:2026-03-02T15:00:02Z"
        assert first.event_id == ""
        assert STREAM.hear(encode(update(event="fill", execution_id="E-1"))) == first
        others = [
            update(event="fill", execution_id="E-2"),
            update(event="partial_fill", execution_id="E-1"),
            update(event="fill", execution_id="E-1", timestamp="2026-03-02T15:00:03Z"),
            update(event="fill", execution_id="E-1", order=an_order(id="another")),
        ]
        assert first.name not in {STREAM.hear(encode(other)).name for other in others}

    @pytest.mark.parametrize("number", ["x" * 300, "a\x00b", "\x7f"])
    def test_no_name_is_more_than_the_inbox_takes(self, encode: Any, number: str) -> None:
        heard = STREAM.hear(encode(update(event_id=number)))

        assert heard.name.startswith("frame:")
        assert len(heard.name) <= LONGEST_NAME
        assert heard.event_id == ""


class TestHearWhatIsNone:
    @pytest.mark.parametrize("payload", [b"", b"\x01", b"\x00"])
    def test_a_heartbeat_is_no_news(self, payload: bytes) -> None:
        assert STREAM.hear(payload).step is Step.NOTHING

    @given(st.binary(min_size=2, max_size=200))
    def test_whatever_it_is_it_never_raises_and_has_a_name(self, payload: bytes) -> None:
        heard = STREAM.hear(payload)

        assert heard.step is not Step.TOLD or 0 < len(heard.name) <= LONGEST_NAME

    @pytest.mark.parametrize(
        "payload",
        [
            b"{" * 100_000,
            b'{"a":' * 50_000,
            b"[" * 100_000,
            b"\x91" * 100_000,
            b'{"stream":"trade_updates","data":null}',
            b'{"stream":"trade_updates","data":{"event":"new","order":null}}',
            b"\xc7\x0c\xff" + b"\xff" * 12,
        ],
    )
    def test_what_is_made_to_break_it_is_news_that_cannot_be_read(self, payload: bytes) -> None:
        assert STREAM.hear(payload).step is Step.TOLD

        with pytest.raises(Unreadable):
            STREAM.read(payload)


class TestRead:
    @pytest.mark.parametrize("encode", [written, packed])
    def test_is_the_same_in_each_encoding(self, encode: Any) -> None:
        told = STREAM.read(encode(update(event="canceled", order=an_order(status="canceled"))))

        [said] = told.report.snapshots
        assert (told.event, told.is_known) == ("canceled", True)
        assert (said.broker_order_id, said.status) == (ORDER_ID, Status.CANCELED)
        assert said.limit_price == Decimal("150.25")

    def test_numbers_of_messagepack_are_exact_as_written(self) -> None:
        assert decode(packed({"price": 0.1, "qty": 3})) == {"price": Decimal("0.1"), "qty": 3}

    def test_times_of_messagepack_are_written_out(self) -> None:
        at = msgpack.Timestamp(1772463600, 123456789)

        assert decode(packed({"at": at})) == {"at": "2026-03-02T15:00:00.123456789Z"}

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), b"\xff", {1: 2}])
    def test_what_json_has_no_word_for_is_not_read(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"."):
            decode(packed({"x": value}))

    def test_another_stream_is_not_known(self) -> None:
        told = STREAM.read(written({"stream": "account_updates", "data": {}}))

        assert (told.event, told.is_known) == ("account_updates", False)
