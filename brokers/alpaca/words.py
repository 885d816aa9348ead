"""Alpaca's words for how an order stands, and for what it will not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokers.classifying import Problem, Refusals
from brokers.parsing import storable
from brokers.vocabulary import PositionEffect, Status

LONGEST_CODE = 64  # of what is kept of one

STATUSES: Mapping[str, Status] = {
    "pending_new": Status.PENDING_NEW,
    "accepted": Status.ACCEPTED,
    "accepted_for_bidding": Status.ACCEPTED,
    "pending_review": Status.ACCEPTED,  # it has it, and looks at it before it goes on
    "held": Status.HELD,
    "new": Status.NEW,
    "partially_filled": Status.PARTIALLY_FILLED,
    "pending_cancel": Status.PENDING_CANCEL,
    "pending_replace": Status.PENDING_REPLACE,
    "stopped": Status.STOPPED,
    "suspended": Status.SUSPENDED,
    "done_for_day": Status.DONE_FOR_DAY,
    "calculated": Status.CALCULATED,
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "expired": Status.EXPIRED,
    "rejected": Status.REJECTED,
    "replaced": Status.REPLACED,
}
INTENTS: Mapping[str, PositionEffect] = {
    "buy_to_open": PositionEffect.OPEN,
    "sell_to_open": PositionEffect.OPEN,
    "buy_to_close": PositionEffect.CLOSE,
    "sell_to_close": PositionEffect.CLOSE,
}

UNIQUE = "client_order_id must be unique"
# A duplicate has the code of a bad parameter, and only its text tells them apart.
REFUSALS = Refusals(
    dialect="alpaca",
    definitive=frozenset({"40010001", "40310000", "40310100", "42210000", "40410000"}),
    duplicate=frozenset({f"40010001 {UNIQUE}"}),
    absent=frozenset({"40410000"}),
)


def read_problem(told: Any) -> Problem | None:
    """Read a code and a message; None if the body is not Alpaca's own."""
    match told:
        case {"code": bool()}:
            return None
        case {"code": int(code), "message": str(message)}:
            said = f"{code} {UNIQUE}" if UNIQUE in message else str(code)
            return Problem(storable(said[:LONGEST_CODE]), storable(message[:500]))
        case _:
            return None
