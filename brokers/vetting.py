"""Holds a ticket against a broker's terms. What it can't say accurately is refused, and why."""

from __future__ import annotations

from brokers import stating, ticks
from brokers.amounts import has_at_most
from brokers.errors import InvalidTicket
from brokers.messages import Instrument, Ticket
from brokers.reasons import Reason
from brokers.terms import Kinds, Strategy, Terms, Trail
from brokers.vocabulary import Leg, OrderClass, PositionEffect, Side, TimeInForce


def check(terms: Terms, ticket: Ticket, *, instrument: Instrument | None = None) -> None:
    """Raise InvalidTicket for the first thing that the broker can't carry out accurately."""
    taken = _taken(terms, ticket)
    _check_kind(terms, ticket, taken)
    _check_size(terms, ticket)
    _check_hours(terms, ticket)
    _check_trail(terms, ticket)
    _check_effect(terms, ticket)
    _check_legs(terms, ticket, taken)
    if instrument is not None:
        check_instrument(terms, ticket, instrument)
    ticks.check(ticket, told=None if instrument is None else instrument.price_increment)
    _check_wire_id(terms, ticket.wire_id)


def check_replace(terms: Terms, old: Ticket, new: Ticket) -> None:
    """Raise InvalidTicket for a change that the broker can't make to a working order."""
    if old.notional is not None:
        raise InvalidTicket(
            "notional",
            "An order for an amount of money can't be replaced: cancel it and place another.",
            reason=Reason.NOT_REPLACEABLE,
        )
    for field in sorted(stating.CHANGEABLE - terms.replaceable):
        if getattr(old, field) != getattr(new, field):
            raise InvalidTicket(
                field,
                f"{terms.title} can't change the {stating.spelt(field)} of a working order.",
                reason=Reason.NOT_REPLACEABLE,
            )


def check_instrument(terms: Terms, ticket: Ticket, instrument: Instrument) -> None:
    """Raise InvalidTicket for what can't be done with an instrument, by its broker's word."""
    name = instrument.symbol
    if not instrument.tradable:
        raise InvalidTicket(
            "symbol", f"{name} can't be traded at {terms.title}.", reason=Reason.NOT_TRADABLE
        )
    in_parts = ticket.quantity is None or not has_at_most(0, ticket.quantity)
    if in_parts and not instrument.fractionable:
        raise InvalidTicket(
            "quantity" if ticket.notional is None else "notional",
            f"{name} trades in whole quantities only.",
            reason=Reason.NOT_FRACTIONABLE,
        )
    is_short = ticket.side is Side.SELL and ticket.position_effect is PositionEffect.OPEN
    if is_short and not instrument.shortable:
        raise InvalidTicket(
            "position_effect", f"{name} can't be sold short.", reason=Reason.NOT_SHORTABLE
        )


def _taken(terms: Terms, ticket: Ticket) -> Kinds:
    """Return the kinds of order that the broker takes of what a ticket is for."""
    if not ticks.is_pair(ticket.symbol) or terms.pairs is None:
        return terms.takes
    if not terms.pairs:
        raise InvalidTicket(
            "symbol",
            f"{terms.title} trades no pairs such as {ticket.symbol}.",
            reason=Reason.NOT_TRADABLE,
        )
    return terms.pairs


def _check_wire_id(terms: Terms, wire_id: str) -> None:
    if len(wire_id) > terms.wire_id_length:
        raise InvalidTicket(
            "client_order_id",
            f"{terms.title} takes order ids of up to {terms.wire_id_length} characters.",
            reason=Reason.CLIENT_ORDER_ID_TOO_LONG,
        )
    if not terms.fits(wire_id):
        raise InvalidTicket(
            "client_order_id",
            f"{terms.title} can't carry this order id.",
            reason=Reason.INVALID_CLIENT_ORDER_ID,
        )


def _check_kind(terms: Terms, ticket: Ticket, taken: Kinds) -> None:
    kind, tif = ticket.order_type, ticket.time_in_force
    of_pairs = "" if taken is terms.takes else f" for {ticket.symbol}"
    if kind not in taken:
        raise InvalidTicket(
            "order_type",
            f"{terms.title} takes no {stating.spelt(kind)} orders{of_pairs}.",
            reason=Reason.UNSUPPORTED_TYPE,
        )
    if tif in taken[kind]:
        return
    is_gtd = tif is TimeInForce.GTD
    raise InvalidTicket(
        "time_in_force",
        f"{terms.title} takes no {stating.spelt(kind)} orders{of_pairs} with time in force"
        f" {tif}. It takes {stating.listed(taken[kind])}.",
        reason=Reason.UNSUPPORTED_EXPIRY if is_gtd else Reason.UNSUPPORTED_TIME_IN_FORCE,
    )


def _check_size(terms: Terms, ticket: Ticket) -> None:
    is_pair = ticks.is_pair(ticket.symbol)
    if ticket.notional is not None:
        of_type = terms.for_money.get(ticket.order_type)
        if of_type is None or not (is_pair or ticket.time_in_force in of_type):
            raise InvalidTicket(
                "notional",
                f"{terms.title} takes no such order for an amount of money. It takes"
                f" {stating.kinds(terms.for_money)}.",
                reason=Reason.UNSUPPORTED_NOTIONAL,
            )
    elif ticket.quantity is not None and not has_at_most(0, ticket.quantity):
        if not has_at_most(terms.quantity_decimals, ticket.quantity):
            raise InvalidTicket(
                "quantity",
                f"{terms.title} takes quantities to {terms.quantity_decimals} decimals."
                if terms.quantity_decimals
                else f"{terms.title} takes whole quantities only.",
                reason=Reason.UNSUPPORTED_FRACTIONAL,
            )
        of_type = terms.in_parts.get(ticket.order_type, frozenset())
        if not is_pair and ticket.time_in_force not in of_type:
            raise InvalidTicket(
                "quantity",
                f"{terms.title} takes no such order for parts of a share. It takes"
                f" {stating.kinds(terms.in_parts)}.",
                reason=Reason.UNSUPPORTED_FRACTIONAL,
            )


def _check_hours(terms: Terms, ticket: Ticket) -> None:
    of_type = terms.extended_hours.get(ticket.order_type, frozenset())
    if ticket.extended_hours and (
        ticket.time_in_force not in of_type or ticks.is_pair(ticket.symbol)
    ):
        raise InvalidTicket(
            "extended_hours",
            f"{terms.title} takes no such order outside regular hours. It takes"
            f" {stating.kinds(terms.extended_hours)}.",
            reason=Reason.UNSUPPORTED_EXTENDED_HOURS,
        )


def _check_trail(terms: Terms, ticket: Ticket) -> None:
    for trail, field, distance in (
        (Trail.PRICE, "trail_price", ticket.trail_price),
        (Trail.PERCENT, "trail_percent", ticket.trail_percent),
    ):
        if distance is None:
            continue
        if trail not in terms.trails:
            raise InvalidTicket(
                field,
                f"{terms.title} has no stops that trail by a {trail}.",
                reason=Reason.UNSUPPORTED_TRAIL,
            )
        if trail is Trail.PERCENT and not has_at_most(terms.trail_percent_decimals, distance):
            raise InvalidTicket(
                field,
                f"{terms.title} takes a percentage to {terms.trail_percent_decimals} decimals.",
                reason=Reason.UNSUPPORTED_TRAIL,
            )


def _check_effect(terms: Terms, ticket: Ticket) -> None:
    effect = ticket.position_effect
    if effect is None:
        return
    if effect not in terms.position_effects:
        raise InvalidTicket(
            "position_effect",
            f"{terms.title} can't be told whether an order is to {effect} a position.",
            reason=Reason.UNSUPPORTED_POSITION_EFFECT,
        )
    if effect is PositionEffect.OPEN and ticket.side is Side.SELL and not terms.sells_short:
        raise InvalidTicket(
            "position_effect",
            f"{terms.title} sells nothing short.",
            reason=Reason.NOT_SHORTABLE,
        )


def _check_legs(terms: Terms, ticket: Ticket, taken: Kinds) -> None:
    order_class = ticket.order_class
    if order_class is OrderClass.SIMPLE:
        return
    strategy = terms.strategy(order_class)
    if strategy is None:
        raise InvalidTicket(
            "order_class",
            f"{terms.title} takes no {order_class.upper()} orders: there, no two orders cancel"
            " each other.",
            reason=Reason.UNSUPPORTED_CLASS,
        )
    if taken is not terms.takes:
        raise InvalidTicket(
            "order_class",
            f"{terms.title} takes no orders with legs for {ticket.symbol}.",
            reason=Reason.UNSUPPORTED_CLASS,
        )
    if strategy is Strategy.NATIVE:
        return
    for leg, kind in stating.legs(ticket):
        if ticket.time_in_force not in terms.tifs(kind):
            what = "stop-loss" if leg is Leg.STOP_LOSS else "target"
            rests = f" good for {ticket.time_in_force}" if kind in terms.takes else ""
            raise InvalidTicket(
                str(leg),
                f"{terms.title} has no {stating.spelt(kind)} orders{rests}, so it can't hold"
                f" a {what}.",
                reason=Reason.UNSUPPORTED_CLASS,
            )
