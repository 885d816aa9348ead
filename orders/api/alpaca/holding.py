"""Positions: what is held by the desk's own executions, and closing it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from brokers.reasons import Reason
from brokers.vocabulary import Side
from orders import asking, canceling, closing, positioning, timing
from orders.actors import Actor
from orders.api.alpaca import naming, showing
from orders.api.alpaca.fields import amount, yes_or_no
from orders.api.alpaca.refusing import Declined, declined, not_found, of_desk
from orders.api.alpaca.view import View
from orders.api.authenticating import actor_of, key_of
from orders.asking import NoAnswer
from orders.closing import Outcome, Part
from orders.ids import intent_id
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.money import EXACT, NINE, ZERO, plain, total, worth
from orders.positioning import Position

HUNDRED = Decimal(100)
# What is being cancelled may still hold the shares, at the broker, that are to be sold.
CANCELED_WITHIN = 2.0  # seconds that anyone waits for that
LOOK_EVERY = 0.05


class Positions(View):
    def get(self, request: Request) -> Response:
        account = key_of(request).account
        return Response([_shown(account, position) for position in _held(account)])

    def delete(self, request: Request) -> Response:
        """Close every position by a market order, each by itself; first, if told to, cancel every
        open order.
        """
        account, actor = key_of(request).account, actor_of(request)
        if yes_or_no("cancel_orders", request.query_params.get("cancel_orders", "")):
            _cancel_all(account, actor)
        outcomes = closing.close_all(
            account,
            client_order_id=str(intent_id()),
            source=OrderSource.API,
            actor=actor,
            now=timing.database_now(),
        )
        return Response([_outcome(one) for one in outcomes], status=207)


class PositionDetail(View):
    def get(self, request: Request, symbol: str) -> Response:
        account = key_of(request).account
        wanted = naming.symbol_of(account, symbol)
        for position in _held(account):
            if position.symbol == wanted:
                return Response(_shown(account, position))
        raise not_found("position does not exist")

    def delete(self, request: Request, symbol: str) -> Response:
        """Close a position, or a part of it, by one market order, and answer with that."""
        account = key_of(request).account
        wanted = naming.symbol_of(account, symbol)
        part = _part(request)
        held = positioning.held(account).get(wanted, ZERO)
        if not held:
            raise not_found("position does not exist")
        if part.quantity is not None and part.quantity > held.copy_abs():
            raise _too_much(wanted, part.quantity, held)
        closed = closing.close(
            account,
            wanted,
            client_order_id=str(intent_id()),
            part=part,
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        bind_contextvars(order=str(closed.order.id))
        return Response(showing.one(closed.order), headers=showing.page(closed.order))


def _held(account: Account) -> list[Position]:
    return [position for position in positioning.positions([account]) if position.quantity]


def _shown(account: Account, position: Position) -> dict[str, Any]:
    """Return a position as it is shown. What needs a price is null where nobody tells one."""
    symbol, quantity = position.symbol, position.quantity
    cost = worth(quantity, position.average_price or ZERO)
    price = _price(account, symbol)
    value = None if price is None else worth(quantity, price)
    gain = None if price is None else position.unrealized(price)
    return {
        "asset_id": naming.asset_id(symbol),
        "symbol": naming.without_slash(symbol),
        "exchange": naming.exchange(symbol),
        "asset_class": naming.asset_class(symbol),
        "asset_marginable": False,
        "qty": plain(quantity),
        "qty_available": plain(_available(account, position)),
        "avg_entry_price": plain(position.average_price),
        "side": "long" if quantity > 0 else "short",
        "market_value": plain(value),
        "cost_basis": plain(cost),
        "unrealized_pl": plain(gain),
        "unrealized_plpc": plain(_part_of(gain, cost.copy_abs())),
        # Nobody keeps what it was worth when the day began.
        "unrealized_intraday_pl": None,
        "unrealized_intraday_plpc": None,
        "current_price": plain(price),
        "lastday_price": None,
        "change_today": None,
    }


def _price(account: Account, symbol: str) -> Decimal | None:
    try:
        quote = asking.quote(account, symbol)
    except NoAnswer:
        return None
    return quote.last if quote else None


def _available(account: Account, position: Position) -> Decimal | None:
    """Return what no open order is there to close; None if one is for an amount of money."""
    side = Side.SELL if position.quantity > 0 else Side.BUY
    taken: dict[UUID, Decimal] = {}
    for order in Order.objects.filter(account=account, symbol=position.symbol, side=side).open():
        if order.leaves_quantity is None:
            return None
        family = order.parent_id or order.id  # of two exits that cancel each other, one trades
        taken[family] = max(taken.get(family, ZERO), order.leaves_quantity)
    left = EXACT.subtract(position.quantity.copy_abs(), total(taken.values()))
    return max(left, ZERO).copy_sign(position.quantity)


def _part_of(gain: Decimal | None, cost: Decimal) -> Decimal | None:
    return None if gain is None or not cost else EXACT.quantize(EXACT.divide(gain, cost), NINE)


def _part(request: Request) -> Part:
    told = request.query_params
    quantity = amount("qty", told.get("qty"))
    percentage = amount("percentage", told.get("percentage"))
    if quantity is not None and percentage is not None:
        raise declined(Reason.UNWANTED_FIELD, "only one of qty or percentage is accepted")
    if percentage is not None and percentage > HUNDRED:
        raise declined(Reason.INVALID_FIELD, "percentage must be <= 100")
    return Part(quantity=quantity, percentage=percentage)


def _too_much(symbol: str, wanted: Decimal, held: Decimal) -> Declined:
    requested, available = plain(wanted) or "", plain(held.copy_abs()) or ""
    no = declined(Reason.INSUFFICIENT_POSITION, requested=requested, available=available)
    no.more |= {"symbol": symbol, "existing_qty": available, "available": available}
    return no


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """Return what became of the wish to close one position of many."""
    told: dict[str, Any] = {"symbol": naming.without_slash(outcome.symbol)}
    if outcome.closing is not None:
        return told | {"status": 200, "body": showing.one(outcome.closing.order)}
    if outcome.error is None:
        raise ValueError(outcome)  # nothing came of it, and nobody says why
    no = of_desk(outcome.error)
    return told | {"status": no.status_code, "body": no.body}


def _cancel_all(account: Account, actor: Actor) -> None:
    """Ask for every open order to be cancelled, and give the broker a moment to do it."""
    asked = canceling.cancel_all(account, actor=actor, now=timing.database_now())
    ids = [one.order.id for one in asked]
    give_up_at = time.monotonic() + CANCELED_WITHIN
    while Order.objects.filter(id__in=ids).open().exists() and time.monotonic() < give_up_at:
        time.sleep(LOOK_EVERY)
