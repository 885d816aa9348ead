"""Reads and writes the frames of Alpaca's socket: JSON as text, or MessagePack in binary.

A client is answered as it speaks. Whatever a frame holds, it is read or refused in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Never

import msgpack

LONGEST = 4096  # bytes of a frame: a key, a secret and a few names


class Unreadable(Exception):
    """A frame says nothing that can be understood: why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants: the name of an action, and what it says with it."""

    action: str
    data: dict[str, Any]
    packed: bool  # it came as MessagePack


def read(text: str | None, binary: bytes | None) -> Asked:
    """Return what a frame asks for. Raises Unreadable."""
    told, packed = _understood(text, binary)
    if not isinstance(told, dict):
        raise Unreadable("a message must be an object")
    action = told.get("action")
    if not isinstance(action, str):
        raise Unreadable("action must be a string")
    data = told.get("data")
    if data is None:
        # As Alpaca's newer pages write it: {"action": "auth", "key": …, "secret": …}.
        data = {name: value for name, value in told.items() if name != "action"}
    if not isinstance(data, dict):
        raise Unreadable("data must be an object")
    return Asked(action, data, packed)


def written(stream: str, data: dict[str, Any], *, packed: bool) -> str | bytes:
    """Return a frame. `data` is an object in every one: clients look into it without asking."""
    frame = {"stream": stream, "data": data}
    if packed:
        packed_frame: bytes = msgpack.packb(frame)
        return packed_frame
    return json.dumps(frame)


def _understood(text: str | None, binary: bytes | None) -> tuple[object, bool]:
    if text is not None:
        return _json(text), False
    raw = binary or b""
    if raw[:1] in {b"{", b"[", b" ", b"\n"}:
        return _json(raw), False  # JSON, in a binary frame
    try:
        told: object = msgpack.unpackb(raw, strict_map_key=True)
    except Exception as error:  # it raises whatever it likes
        raise Unreadable("a binary message must be MessagePack, or JSON") from error
    return told, True


def _json(told: str | bytes) -> object:
    try:
        return json.loads(told, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Unreadable("a message must be JSON") from error


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
