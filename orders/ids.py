"""Ids that sort by the time they were made (RFC 9562, version 7)."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits.

    Time first keeps an index's new rows together, and a list by id a list by age.
    """
    random = int.from_bytes(os.urandom(10))
    bits = (time.time_ns() // 1_000_000) << 80 | random
    bits = bits & ~(0xF << 76) | 7 << 76  # version
    bits = bits & ~(0x3 << 62) | 2 << 62  # variant
    return UUID(int=bits)
