"""Trailing stops: how a stop follows the market.

The high-water mark is the best price since the order came into the market: the highest for a sell,
the lowest for a buy. The stop stays the trail behind it, rounded to a price that there is, away
from the market: a stop is never closer than was asked. So neither of them ever goes back.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from brokers.paper.amounts import EXACT
from brokers.paper.market import Instrument
from brokers.paper.orders import Order
from brokers.paper.terms import Terms
from brokers.vocabulary import Side

DOWN = Context(prec=80, rounding=ROUND_FLOOR)
UP = Context(prec=80, rounding=ROUND_CEILING)
HUNDRED = Decimal(100)


def follow(order: Order, instrument: Instrument, *, last: Decimal) -> bool:
    """Move an order's mark and stop to a better price. Returns whether it was one."""
    best = better(order.terms.side, order.high_water_mark, last)
    if best == order.high_water_mark:
        return False
    order.high_water_mark = best
    order.trailing_at = stop_behind(order.terms, instrument, mark=best)
    return True


def better(side: Side, mark: Decimal | None, last: Decimal) -> Decimal:
    """Return the better of a mark, if there is one, and a price."""
    if mark is None:
        return last
    return max(mark, last) if side is Side.SELL else min(mark, last)


def stop_behind(terms: Terms, instrument: Instrument, *, mark: Decimal) -> Decimal:
    """Return where a high-water mark puts a trailing stop; it is at least one step above zero."""
    trail = terms.trail_price
    if trail is None:
        percent = terms.trail_percent or HUNDRED
        trail = EXACT.divide(EXACT.multiply(mark, percent), HUNDRED)
    if terms.side is Side.SELL:
        exact, context = EXACT.subtract(mark, trail), DOWN
    else:
        exact, context = EXACT.add(mark, trail), UP
    tick = instrument.tick(exact)
    return max(tick, EXACT.multiply(context.to_integral_value(context.divide(exact, tick)), tick))
