"""Numbers the events of an account: ULIDs that only grow, and say where in the record they stand.

A ULID holds a time of 48 bits and 80 bits of whatever tells two apart. Here those are the sequence
of the audit row that an event is read off, and its place among that row's events. An id can
therefore be made again whenever the event is, and leads straight back to its place.

The time in it, and the `at` of an event, is when the change was recorded, except that it never
goes back: the clocks of a desk's machines differ, and the record's order is that of its commits.
Each row is a microsecond or more after the one before, each of its events a nanosecond later.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
NTH_BITS = 32
SEQUENCE_BITS = 48
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 2**NTH_BITS - 1


class Place(NamedTuple):
    """Where an event stands in its account's record."""

    sequence: int  # of the audit row
    nth: int  # among the events of that row, from 0


def after(sequence: int) -> Place:
    """Return the place after everything up to a row, that one included."""
    return Place(sequence, LAST)


def event_id(place: Place, *, at_ns: int) -> str:
    """Return the id of the event at a place, which was published at so many nanoseconds."""
    number = at_ns // 1_000_000 << 80 | place.sequence << NTH_BITS | place.nth
    return "".join(LETTERS[number >> 5 * step & 31] for step in reversed(range(LENGTH)))


def read(event_id: str) -> tuple[Place, int]:
    """Return the place that an id leads to, and the milliseconds in it. Raises ValueError."""
    if len(event_id) != LENGTH:
        raise ValueError(event_id)
    number = 0
    for letter in event_id.upper():
        number = number << 5 | LETTERS.index(letter)
    if number >> 128:
        raise ValueError(event_id)
    sequence = number >> NTH_BITS & (1 << SEQUENCE_BITS) - 1
    return Place(sequence, number & LAST), number >> 80


def nanoseconds(at: datetime) -> int:
    """Return a time as nanoseconds since 1970."""
    return microseconds(at) * 1000


def microseconds(at: datetime) -> int:
    """Return a time as microseconds since 1970, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


def published(row_us: int, nth: int) -> int:
    """Return when an event was published, in nanoseconds: its row's moment, and its place in it."""
    # A row has a thousand nanoseconds to itself. Beyond that many events, ids still tell apart.
    return row_us * 1000 + min(nth, 999)


def written(at_ns: int) -> str:
    """Return a time in nanoseconds as RFC 3339, in UTC."""
    seconds, part = divmod(at_ns, 1_000_000_000)
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{part:09}Z"
