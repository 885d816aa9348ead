"""What a broker accepts and promises, dated: the desk obeys it, and never guesses past it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from brokers import stating, vetting
from brokers.messages import Instrument, Ticket
from brokers.terms import Doubt, Kinds, Read, Strategy, Terms, Trail

__all__ = [
    "Doubt",
    "Kinds",
    "Passport",
    "Read",
    "Strategy",
    "Trail",
    "fit_wire_id",
    "smallest_step",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport(Terms):
    """One broker's terms, and what the desk asks of them."""

    def check(self, ticket: Ticket, *, instrument: Instrument | None = None) -> None:
        """Raise InvalidTicket for what this broker can't carry out accurately.

        `instrument` is its own word on what is traded, where that is at hand.
        """
        vetting.check(self, ticket, instrument=instrument)

    def check_instrument(self, ticket: Ticket, instrument: Instrument) -> None:
        """Raise InvalidTicket for what can't be done with an instrument, by its broker's word."""
        vetting.check_instrument(self, ticket, instrument)

    def check_replace(self, old: Ticket, new: Ticket) -> None:
        """Raise InvalidTicket for a change that this broker can't make to a working order."""
        vetting.check_replace(self, old, new)

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return these terms as people read them: a heading and words each."""
        return tuple(stating.rows(self))


def smallest_step(decimals: int) -> Decimal:
    """Return the smallest quantity that a number of decimals allows: 3 gives 0.001."""
    return Decimal(1).scaleb(-decimals)


def fit_wire_id(client_order_id: str, passport: Passport, *, mark: Callable[[bytes], bytes]) -> str:
    """Return the id that a broker is told: the client's own if it can carry that, else a UUID.

    The UUID is made of the client's id, always the same one, and ends in the four bytes that
    `mark` gives for its first twelve: so the desk knows it for its own without a record.
    """
    if passport.fits(client_order_id):
        return client_order_id
    made = bytearray(hashlib.sha256(client_order_id.encode()).digest()[:12])
    made[6] = made[6] & 0x0F | 0x80  # version 8: made in a way of one's own
    made[8] = made[8] & 0x3F | 0x80  # the usual variant
    return str(UUID(bytes=bytes(made) + mark(bytes(made))))
