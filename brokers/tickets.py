"""What makes a ticket one that any broker could act on, before any one broker's own rules.

Rules about shares hold for symbols without a slash: pairs such as BTC/USD trade in fractions, for
money and round the clock.
"""

from __future__ import annotations

from decimal import Decimal

from brokers import legs
from brokers.amounts import check_amount, has_at_most
from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.reasons import Reason
from brokers.ticks import is_pair, prices
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)

LEAST_PERCENT, MOST_PERCENT = Decimal("0.1"), Decimal(100)

RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
AUCTIONS = frozenset({TimeInForce.OPG, TimeInForce.CLS})
IN_AUCTIONS = frozenset({OrderType.MARKET, OrderType.LIMIT})
NAMES = {
    "limit_price": "Limit price",
    "stop_price": "Stop price",
    "take_profit.limit_price": "The target's limit price",
    "stop_loss.stop_price": "The stop-loss's stop price",
    "stop_loss.limit_price": "The stop-loss's limit price",
}


def check(ticket: Ticket) -> None:
    """Raise InvalidTicket for the first thing wrong with a ticket, naming its field and why."""
    check_kept(ticket)
    _check_time(ticket)
    _check_trail(ticket)
    _check_extended_hours(ticket)
    if not is_pair(ticket.symbol):
        _check_shares(ticket)
    legs.check(ticket)


def check_kept(ticket: Ticket) -> None:
    """Raise InvalidTicket for what our records could not hold, whoever placed it and where."""
    if not ticket.symbol:
        raise InvalidTicket("symbol", "Name the instrument to trade.", reason=Reason.MISSING_FIELD)
    _check_size(ticket)
    _check_goes("limit_price", ticket.limit_price, needed=ticket.order_type in NEEDS_LIMIT)
    _check_goes("stop_price", ticket.stop_price, needed=ticket.order_type in NEEDS_STOP)
    for field, price in prices(ticket):
        check_amount(field, NAMES[field], price)
    for field, trail in (
        ("trail_price", ticket.trail_price),
        ("trail_percent", ticket.trail_percent),
    ):
        if trail is not None:
            check_amount(field, "The trail", trail)


def _check_size(ticket: Ticket) -> None:
    if ticket.quantity is not None and ticket.notional is not None:
        raise InvalidTicket(
            "notional",
            "An order is for a quantity or for an amount of money, not for both.",
            reason=Reason.UNWANTED_FIELD,
        )
    if ticket.quantity is not None:
        check_amount("quantity", "Quantity", ticket.quantity)
    elif ticket.notional is not None:
        check_amount("notional", "The amount of money", ticket.notional)
    else:
        raise InvalidTicket(
            "quantity", "Say how many, or for how much money.", reason=Reason.MISSING_FIELD
        )


def _check_goes(field: str, price: Decimal | None, *, needed: bool) -> None:
    if needed and price is None:
        raise InvalidTicket(
            field,
            f"{NAMES[field]} is required for this order type.",
            reason=Reason.MISSING_FIELD,
        )
    if not needed and price is not None:
        raise InvalidTicket(
            field,
            f"{NAMES[field]} does not go with this order type.",
            reason=Reason.UNWANTED_FIELD,
        )


def _check_time(ticket: Ticket) -> None:
    tif, expires_at = ticket.time_in_force, ticket.expires_at
    if tif is TimeInForce.GTD and expires_at is None:
        raise InvalidTicket(
            "expires_at", "Say until when the order is good.", reason=Reason.MISSING_FIELD
        )
    if tif is not TimeInForce.GTD and expires_at is not None:
        raise InvalidTicket(
            "expires_at",
            "A moment of expiry goes with time in force gtd only.",
            reason=Reason.UNWANTED_FIELD,
        )
    if expires_at is not None and expires_at.utcoffset() is None:
        raise InvalidTicket("expires_at", "Name the time zone of the expiry.")
    if tif in AUCTIONS and ticket.order_type not in IN_AUCTIONS:
        raise InvalidTicket(
            "time_in_force",
            "Auctions take market and limit orders only.",
            reason=Reason.UNSUPPORTED_TIME_IN_FORCE,
        )


def _check_trail(ticket: Ticket) -> None:
    trails = {"trail_price": ticket.trail_price, "trail_percent": ticket.trail_percent}
    given = [field for field, trail in trails.items() if trail is not None]
    if ticket.order_type is not OrderType.TRAILING_STOP:
        if given:
            raise InvalidTicket(
                given[0],
                "A trail goes with trailing stop orders only.",
                reason=Reason.UNWANTED_FIELD,
            )
        return
    if not given:
        raise InvalidTicket(
            "trail_price",
            "Say how far the stop trails: by a price, or by percent.",
            reason=Reason.MISSING_FIELD,
        )
    if len(given) > 1:
        raise InvalidTicket(
            "trail_percent",
            "A stop trails by a price or by percent, not by both.",
            reason=Reason.UNWANTED_FIELD,
        )
    percent = ticket.trail_percent
    if percent is not None and not LEAST_PERCENT <= percent < MOST_PERCENT:
        raise InvalidTicket("trail_percent", "A stop trails by 0.1 percent up to less than 100.")
    if ticket.time_in_force not in RESTING:
        raise InvalidTicket(
            "time_in_force",
            "A trailing stop is good for the day or until cancelled.",
            reason=Reason.UNSUPPORTED_TIME_IN_FORCE,
        )
    if ticket.order_class is not OrderClass.SIMPLE:
        raise InvalidTicket(
            "order_class",
            "A trailing stop stands alone: it has no legs.",
            reason=Reason.UNSUPPORTED_CLASS,
        )


def _check_extended_hours(ticket: Ticket) -> None:
    if not ticket.extended_hours:
        return
    if ticket.order_type is not OrderType.LIMIT or ticket.time_in_force not in RESTING:
        raise InvalidTicket(
            "extended_hours",
            "Outside regular hours there are only limit orders, for the day or until cancelled.",
            reason=Reason.UNSUPPORTED_EXTENDED_HOURS,
        )
    if ticket.order_class is not OrderClass.SIMPLE:
        raise InvalidTicket(
            "extended_hours",
            "An order with legs trades in regular hours only.",
            reason=Reason.UNSUPPORTED_EXTENDED_HOURS,
        )


def _check_shares(ticket: Ticket) -> None:
    """Check what goes for shares only: parts of one, and amounts of money for them."""
    if ticket.notional is not None:
        field, what, reason = "notional", "for an amount of money", Reason.UNSUPPORTED_NOTIONAL
    elif ticket.quantity is not None and not has_at_most(0, ticket.quantity):
        field, what, reason = "quantity", "for parts of a share", Reason.UNSUPPORTED_FRACTIONAL
    else:
        return
    if ticket.time_in_force is not TimeInForce.DAY:
        problem = f"An order {what} is good for the day only."
    elif ticket.order_type is OrderType.TRAILING_STOP:
        problem = f"A trailing stop can't be {what}."
    elif ticket.order_class is not OrderClass.SIMPLE:
        problem = f"An order {what} has no legs."
    elif ticket.side is Side.SELL and ticket.position_effect is PositionEffect.OPEN:
        problem = f"A short sale can't be {what}."
    else:
        return
    raise InvalidTicket(field, problem, reason=reason)
