"""Ids that sort by the time they were made (RFC 9562, version 7), and that we know as our own."""

import hashlib
import hmac
import os
import time
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from brokers.vocabulary import Leg

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


def foretold_id(parent: UUID, leg: Leg) -> UUID:
    """Return the id of the first order that is such a leg of another: known before it is there.

    A UUIDv7 of its parent's moment, so that its parent can be found; and after that, where others
    are random, the leg's number, so that they sort by what they are for.
    """
    made = int.from_bytes(hashlib.sha256(f"{parent} {leg}".encode()).digest()[:8])
    bits = (parent.int >> 80) << 80 | 7 << 76 | list(Leg).index(leg) << 64 | made
    return UUID(int=bits & ~(0x3 << 62) | 2 << 62)  # variant


def same_moment(made: UUID) -> tuple[UUID, UUID]:
    """Return the first and the last id that are of the same millisecond as a UUIDv7."""
    first = made.int >> 80 << 80
    return UUID(int=first), UUID(int=first | (1 << 80) - 1)


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
