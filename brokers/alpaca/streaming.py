"""Alpaca's stream `trade_updates`: JSON as text, JSON in binary frames, or MessagePack.

Alpaca's paper host sends JSON in binary frames, and MessagePack to those who ask for it; each frame
is told apart by its first byte, whatever we asked for. Alpaca has no replay: what happens while
nobody listens is told to nobody. A desk tells what came after an event that is named to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgpack

from brokers.alpaca import reading
from brokers.errors import Unreadable
from brokers.messages import Delivery
from brokers.parsing import MISSHAPEN, parse_json
from brokers.streams import LONGEST_NAME, BrokerStream, Heard, Step

STREAM = "trade_updates"
CORRECTIONS = "trade_corrections"  # of a desk: trades taken back or corrected. Alpaca leaves it out
AS_JSON = b"{["  # what JSON begins with here; MessagePack takes these bytes for small numbers
SECURE = {"https": "wss", "http": "ws"}


class TradeUpdates(BrokerStream):
    """The stream of one Alpaca account, or of a desk that speaks as Alpaca does."""

    def address(self, base_url: str) -> str:
        parts = urlsplit(base_url)
        scheme = SECURE.get(parts.scheme, parts.scheme)
        path = parts.path.rstrip("/").removesuffix("/v2")
        return parts._replace(scheme=scheme, path=f"{path}/stream", query="", fragment="").geturl()

    def greeting(self, credentials: Mapping[str, str]) -> str:
        who = {"key_id": credentials["key"], "secret_key": credentials["secret"]}
        return json.dumps({"action": "authenticate", "data": who})

    def request(self, *, after: str) -> str:
        wanted = {"streams": [STREAM, CORRECTIONS]} | ({"since_id": after} if after else {})
        return json.dumps({"action": "listen", "data": wanted})

    def hear(self, payload: bytes) -> Heard:
        if len(payload) <= 1:
            return Heard(step=Step.NOTHING)  # a heartbeat: one byte, 0x01
        try:
            told = decode(payload)
        except ValueError as error:
            return Heard(step=Step.TOLD, name=_unnamed(payload), says=f"Unreadable: {error}")
        return _answered(told) or _told(told, payload)

    def read(self, payload: bytes) -> Delivery:
        try:
            return reading.update(decode(payload))
        except MISSHAPEN as error:
            raise Unreadable(repr(error)) from error


def _answered(told: Any) -> Heard | None:
    """Return what an answer to one of our two frames is, or None for what is not an answer."""
    match told:
        case {"stream": "authorization", "data": {"status": "authorized"}}:
            return Heard(step=Step.LET_IN)
        case {"stream": "authorization", "data": {"status": status}}:
            return Heard(step=Step.TURNED_AWAY, says=f"It answered: {str(status)[:100]}.")
        case {"stream": "error", "data": {"error": said}}:
            return Heard(step=Step.COMPLAINT, says=f"It says: {str(said)[:200]}.")
        case {"stream": "listening", "data": {"streams": [*streams]}}:
            return Heard(step=Step.LISTENING if STREAM in streams else Step.NOTHING)
        case _:
            return None


def _told(told: Any, payload: bytes) -> Heard:
    match told:
        case {"stream": "trade_updates", "data": {"event_id": str(event_id)}} if event_id:
            name = _storable(event_id, payload)
            return Heard(step=Step.TOLD, name=name, event_id=event_id if name == event_id else "")
        case {"stream": "trade_updates", "data": {"event": str(event), "order": {"id": str(id_)}}}:
            # No number of its own: what tells one event of an order from its others.
            marks = (told["data"].get(name) for name in ("execution_id", "timestamp"))
            name = ":".join([event, id_, *(str(mark) for mark in marks if mark)])
            return Heard(step=Step.TOLD, name=_storable(name, payload))
        case _:
            return Heard(step=Step.TOLD, name=_unnamed(payload))


def decode(payload: bytes) -> Any:
    """Return what a frame holds, with its numbers as Decimal. Raises ValueError."""
    if payload.lstrip()[:1] and payload.lstrip()[:1] in AS_JSON:
        return parse_json(payload)
    try:
        return _plain(msgpack.unpackb(payload, raw=False, strict_map_key=True))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"neither JSON nor MessagePack: {error!r}") from error


def _plain(value: Any) -> Any:
    """Return MessagePack's words in those of JSON."""
    match value:
        case dict():
            return {_text(name): _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float():
            amount = Decimal(repr(value))
            if not amount.is_finite():
                raise ValueError("not a number")
            return amount
        case msgpack.Timestamp():
            whole = msgpack.Timestamp(value.seconds, 0).to_datetime()
            return f"{whole:%Y-%m-%dT%H:%M:%S}.{value.nanoseconds:09d}Z"
        case str() | int() | None:
            return value
        case _:
            raise ValueError(f"{type(value).__name__} is not JSON's")


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError("a name is a string")  # noqa: TRY004
    return name


def _storable(name: str, payload: bytes) -> str:
    """Return a name that a database takes, or one made of the frame."""
    fits = len(name) <= LONGEST_NAME and name.isprintable()
    return name if fits else _unnamed(payload)


def _unnamed(payload: bytes) -> str:
    return f"frame:{hashlib.sha256(payload).hexdigest()}"
