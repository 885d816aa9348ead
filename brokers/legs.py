"""What makes an order's legs make sense: which there are, and where their prices stand.

Exits are on the other side of an entry. Of class OCO the order is itself the target, and exits on
its own side. For a sell exit the target is above the stop; for a buy exit it is below.
"""

from __future__ import annotations

from brokers.amounts import plain
from brokers.errors import InvalidTicket
from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.reasons import Reason
from brokers.ticks import increment
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce

RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
ENTRIES = frozenset({OrderType.MARKET, OrderType.LIMIT})
ENTERING = frozenset({OrderClass.BRACKET, OrderClass.OTO})


def check(ticket: Ticket) -> None:
    """Raise InvalidTicket for legs that are missing, too many, or at prices that make no sense."""
    _check_which(ticket)
    if ticket.order_class is OrderClass.SIMPLE:
        return
    _check_order(ticket)
    exit_side = ticket.side
    if ticket.order_class in ENTERING:
        exit_side = Side.BUY if ticket.side is Side.SELL else Side.SELL
    up = 1 if exit_side is Side.SELL else -1  # which way the gain lies
    if ticket.order_class in ENTERING:
        _check_against_entry(ticket, up=up)
    _check_against_each_other(ticket, up=up)
    _check_stop_limit(ticket.stop_loss, up=up)


def _check_which(ticket: Ticket) -> None:
    target, stop = ticket.take_profit, ticket.stop_loss
    match ticket.order_class:
        case OrderClass.SIMPLE:
            _refuse_legs("A simple order has no legs: say bracket, oto or oco.", target, stop)
        case OrderClass.BRACKET if target is None:
            raise _missing("take_profit", "A bracket has a target and a stop-loss: say both.")
        case OrderClass.BRACKET if stop is None:
            raise _missing("stop_loss", "A bracket has a target and a stop-loss: say both.")
        case OrderClass.OTO if target is None and stop is None:
            raise _missing("stop_loss", "An OTO order has one leg: a target or a stop-loss.")
        case OrderClass.OTO if target is not None and stop is not None:
            raise InvalidTicket(
                "take_profit",
                "An OTO order has one leg only. With both it is a bracket.",
                reason=Reason.UNWANTED_FIELD,
            )
        case OrderClass.OCO if stop is None:
            raise _missing("stop_loss", "An OCO order needs its other half, the stop-loss.")
        case OrderClass.OCO:
            _refuse_legs("An OCO order is itself the target: its limit price says it.", target)


def _refuse_legs(why: str, *given: TakeProfit | StopLoss | None) -> None:
    for leg in given:
        if leg is not None:
            field = "take_profit" if isinstance(leg, TakeProfit) else "stop_loss"
            raise InvalidTicket(field, why, reason=Reason.UNWANTED_FIELD)


def _check_order(ticket: Ticket) -> None:
    """Check the order that the legs belong to."""
    is_oco = ticket.order_class is OrderClass.OCO
    if is_oco and ticket.order_type is not OrderType.LIMIT:
        raise InvalidTicket(
            "order_type",
            "An OCO order is a limit order, with a stop-loss as its other half.",
            reason=Reason.UNSUPPORTED_TYPE,
        )
    if ticket.order_type not in ENTRIES:
        raise InvalidTicket(
            "order_type",
            "An order with legs enters by a market or a limit order.",
            reason=Reason.UNSUPPORTED_TYPE,
        )
    if ticket.time_in_force not in RESTING:
        raise InvalidTicket(
            "time_in_force",
            "An order with legs is good for the day or until cancelled.",
            reason=Reason.UNSUPPORTED_TIME_IN_FORCE,
        )
    wrong = PositionEffect.OPEN if is_oco else PositionEffect.CLOSE
    if ticket.order_class is not OrderClass.OTO and ticket.position_effect is wrong:
        raise InvalidTicket(
            "position_effect",
            "An OCO order leaves a position: it opens none."
            if is_oco
            else "A bracket enters a position: it closes none.",
            reason=Reason.POSITION_EFFECT_MISMATCH,
        )


def _check_against_entry(ticket: Ticket, *, up: int) -> None:
    """Check that the target gains and the stop loses, as seen from a limit entry."""
    entry = ticket.limit_price
    if entry is None:
        return  # a market order's is not known yet
    target, stop = ticket.take_profit, ticket.stop_loss
    tick = increment(ticket.symbol, entry)
    if target is not None and up * (target.limit_price - entry) < tick:
        raise InvalidTicket(
            "take_profit.limit_price",
            f"The target must be at least {tick:f} {_above(up)} the entry at {plain(entry)}.",
            reason=Reason.TAKE_PROFIT_WRONG_SIDE,
        )
    if stop is not None and up * (entry - stop.stop_price) < tick:
        raise InvalidTicket(
            "stop_loss.stop_price",
            f"The stop must be at least {tick:f} {_above(-up)} the entry at {plain(entry)}.",
            reason=Reason.STOP_LOSS_WRONG_SIDE,
        )


def _check_against_each_other(ticket: Ticket, *, up: int) -> None:
    is_oco, stop = ticket.order_class is OrderClass.OCO, ticket.stop_loss
    target = ticket.limit_price if is_oco else None
    if ticket.take_profit is not None:
        target = ticket.take_profit.limit_price
    if target is None or stop is None or up * (target - stop.stop_price) > 0:
        return
    raise InvalidTicket(
        "stop_loss.stop_price" if is_oco else "take_profit.limit_price",
        f"The stop at {plain(stop.stop_price)} must be {_above(-up)} the target at"
        f" {plain(target)}.",
        reason=Reason.LEGS_CROSSED,
    )


def _check_stop_limit(stop: StopLoss | None, *, up: int) -> None:
    """Check that a stop's limit leaves it room to fill once the stop is reached."""
    if stop is None or stop.limit_price is None:
        return
    if up * (stop.limit_price - stop.stop_price) > 0:
        raise InvalidTicket(
            "stop_loss.limit_price",
            f"The stop-loss's limit must not be {_above(up)} its stop at"
            f" {plain(stop.stop_price)}: it would rest where it can't fill.",
            reason=Reason.STOP_LIMIT_WRONG_SIDE,
        )


def _missing(field: str, why: str) -> InvalidTicket:
    return InvalidTicket(field, why, reason=Reason.MISSING_FIELD)


def _above(up: int) -> str:
    return "above" if up > 0 else "below"
