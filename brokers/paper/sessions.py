"""When an order may trade: which phases of its market are for it, and which auctions.

The market is open around the clock, and its day ends and begins at midnight UTC: with a closing
auction, the end of the day's orders, and an opening auction. An admin may open and close a listing
at any time; whatever is then waiting for that auction has it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from brokers.paper.market import Phase
from brokers.paper.orders import WITH_STOP, Order, Standing
from brokers.paper.terms import Terms
from brokers.vocabulary import TimeInForce

AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def trades_in(terms: Terms, phase: Phase) -> bool:
    """Say whether an order works in a phase of its market, auctions aside."""
    if terms.time_in_force in AUCTIONS:
        return False
    return phase is Phase.OPEN or (phase is Phase.EXTENDED and terms.extended_hours)


def active_standing(terms: Terms) -> Standing:
    """Return how an order stands that has just come into the market."""
    return Standing.WAITING if terms.type in WITH_STOP else Standing.WORKING


def midnight_before(at: datetime) -> datetime:
    """Return when the day of a time began."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def expiry(order: Order) -> datetime | None:
    """Return when an order's time is up: that of a day order begins with its market's opening."""
    if order.terms.time_in_force is TimeInForce.GTD:
        return order.terms.expires_at
    if order.terms.time_in_force is not TimeInForce.DAY or order.active_at is None:
        return None
    return midnight_before(order.active_at) + timedelta(days=1)
