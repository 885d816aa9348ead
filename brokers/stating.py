"""Says a passport in words, the same in the documents and on the broker's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from brokers.messages import Ticket
from brokers.terms import Kinds, Strategy, Terms, Trail
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, TimeInForce

# What one might want to change about a working order.
CHANGEABLE = frozenset(
    {"quantity", "limit_price", "stop_price", "time_in_force", "trail_price", "trail_percent"}
)
STRATEGIES: Mapping[Strategy, str] = {
    Strategy.NATIVE: "in one request; the broker keeps the orders together",
    Strategy.NATIVE_OCO: "the entry first; as it fills, a pair of which one cancels the other",
    Strategy.PENDING: "the entry first; as it fills, orders that this desk keeps together",
}


def spelt(word: str) -> str:
    """Return a canonical word as people write it: stop_limit is "stop limit"."""
    return str(word).replace("_", " ")


def listed(words: Iterable[str]) -> str:
    """Return words in the order of the vocabulary, with commas."""
    told = set(words)
    known = [word for word in (*TimeInForce, *PositionEffect) if word in told]
    return ", ".join([spelt(word) for word in known] + sorted(told - set(known))) or "none"


def kinds(table: Kinds) -> str:
    """Return types of orders with their times in force, those with the same ones together."""
    together: dict[str, list[str]] = {}
    for kind in OrderType:
        if kind in table:
            together.setdefault(listed(table[kind]), []).append(spelt(kind))
    told = [f"{', '.join(names)} ({tifs})" for tifs, names in together.items()]
    return "; ".join(told) or "none"


def legs(ticket: Ticket) -> Iterator[tuple[Leg, OrderType]]:
    """Yield what each leg of a ticket is for, and which type of order it becomes."""
    if ticket.stop_loss is not None:
        has_limit = ticket.stop_loss.limit_price is not None
        yield Leg.STOP_LOSS, OrderType.STOP_LIMIT if has_limit else OrderType.STOP
    if ticket.take_profit is not None:
        yield Leg.TAKE_PROFIT, OrderType.LIMIT


def rows(terms: Terms) -> Iterator[tuple[str, str]]:
    """Yield a passport's terms: a heading and words each, always in the same order."""
    for kind in OrderType:
        yield f"{spelt(kind).capitalize()} orders", listed(terms.tifs(kind))
    yield "Trailing", _trailing(terms)
    yield "Parts of a share", _parts(terms)
    yield "For an amount of money", kinds(terms.for_money)
    yield "Outside regular hours", kinds(terms.extended_hours)
    yield "Pairs such as BTC/USD", _pairs(terms)
    yield "Position effects", listed(terms.position_effects)
    yield "Short sales", "yes" if terms.sells_short else "no"
    for order_class in OrderClass:
        if order_class is not OrderClass.SIMPLE:
            yield f"Class {order_class}", _class(terms, order_class)
    yield "Prices", "to the cent from 1.00 up, to 0.0001 below; never rounded"
    yield "Client order id", f"up to {terms.wire_id_length} of `{terms.wire_id_pattern}`"
    yield "The same id again", terms.duplicate_id_answer
    yield "Replace", _replacing(terms)
    yield "No such order", _absence(terms)
    yield "Patience", _patience(terms)
    yield "Tells of fills by", terms.pushes
    yield "Last checked", f"{terms.tested_on:%Y-%m-%d}: {terms.source}"


def _trailing(terms: Terms) -> str:
    if OrderType.TRAILING_STOP not in terms.takes:
        return "none"
    told = [f"by {trail}" for trail in Trail if trail in terms.trails]
    if Trail.PERCENT in terms.trails and terms.trail_percent_decimals < 9:
        told[told.index("by percent")] += f" to {terms.trail_percent_decimals} decimals"
    return ", ".join(told)


def _parts(terms: Terms) -> str:
    if not terms.quantity_decimals or not terms.in_parts:
        return "none"
    return f"to {terms.quantity_decimals} decimals: {kinds(terms.in_parts)}"


def _pairs(terms: Terms) -> str:
    if terms.pairs is None:
        return "as shares, in parts and with any time in force"
    return kinds(terms.pairs) + (", without legs" if terms.pairs else "")


def _class(terms: Terms, order_class: OrderClass) -> str:
    strategy = terms.strategy(order_class)
    if strategy is None:
        return "none"
    told = f"{spelt(strategy)}: {STRATEGIES[strategy]}"
    if strategy is not Strategy.NATIVE and OrderType.STOP not in terms.takes:
        return (
            "none: it has no stop orders"
            if order_class is OrderClass.BRACKET
            else (f"{told}; a target only, for it has no stop orders")
        )
    return told


def _replacing(terms: Terms) -> str:
    how = "a new order takes its place" if terms.replace_makes_new_order else "the same order"
    fields = ", ".join(spelt(field) for field in sorted(terms.replaceable))
    if not terms.replaces_partly_filled:
        return f"{fields}, until it has partly filled; {how}"
    return f"{fields}; {how}"


def _absence(terms: Terms) -> str:
    doubt = terms.doubt
    if not doubt.absence_is_definitive:
        return "only a person concludes it"
    told = ", ".join(read for read in doubt.reads if read in doubt.absence_by)
    return f"the desk may conclude it once these deny it past both graces: {told}"


def _patience(terms: Terms) -> str:
    doubt = terms.doubt
    return (
        f"means nothing for {_seconds(doubt.first_grace)}, is asked again past"
        f" {_seconds(doubt.second_grace)}; a person is told after"
        f" {_seconds(doubt.escalate_after)}"
    )


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
