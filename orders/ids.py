"""Ids that sort by the time they were made (RFC 9562, version 7), and that we know as our own."""

import hashlib
import hmac
import os
import time
from decimal import Decimal
from uuid import UUID

from django.conf import settings

MARK = 4  # bytes: a stranger's id passes for ours once in four thousand million


def uuid7() -> UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits.

    Time first keeps an index's new rows together, and a list by id a list by age.
    """
    random = int.from_bytes(os.urandom(10))
    bits = (time.time_ns() // 1_000_000) << 80 | random
    bits = bits & ~(0xF << 76) | 7 << 76  # version
    bits = bits & ~(0x3 << 62) | 2 << 62  # variant
    return UUID(int=bits)


def intent_id() -> UUID:
    """Return a new UUIDv7 that bears this desk's mark: the id of an intent made on its pages.

    Brokers are told it. Should our records lose the order, we know it for ours when they show it.
    """
    made = uuid7().bytes[:-MARK]
    return UUID(bytes=made + mark(made))


def mark(made: bytes) -> bytes:
    """Return the four bytes that make an id of ours out of twelve."""
    return _mark(made, settings.DESK_CREDENTIAL_KEYS[0])


def leg_id(parent: UUID, leg: str, covers_from: Decimal, number: int) -> str:
    """Return the id of a leg that this desk lets out: the same whenever it is asked for again.

    It bears this desk's mark, and fits every broker: thirty-six letters, digits and dashes.
    """
    name = f"{parent} {leg} {covers_from.normalize():f} {number}"
    made = hashlib.sha256(name.encode()).digest()[: 16 - MARK]
    return str(UUID(bytes=made + _mark(made, settings.DESK_CREDENTIAL_KEYS[0])))


def is_of_this_desk(text: str) -> bool:
    """Whether an id bears this desk's mark, made with any of the keys it still knows."""
    try:
        told = UUID(text).bytes
    except ValueError:
        return False
    made, mark = told[:-MARK], told[-MARK:]
    return any(hmac.compare_digest(mark, _mark(made, key)) for key in settings.DESK_CREDENTIAL_KEYS)


def _mark(made: bytes, key: str) -> bytes:
    return hmac.digest(f"intent:{key}".encode(), made, "sha256")[:MARK]
