"""Positions: what is held by the desk's own executions, closing it, and moving its legs.

There is one position in a symbol, and its id is the symbol.
"""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from brokers.vocabulary import Side
from orders import asking, canceling, closing, positioning, timing
from orders.actors import Actor
from orders.api.authenticating import actor_of
from orders.api.gateway import accepting, awaiting, guarding, showing
from orders.api.gateway.accepting import Close
from orders.api.gateway.fields import query, symbol
from orders.api.gateway.view import View
from orders.api.gateway.wording import Declined, not_found, of
from orders.asking import NoAnswer
from orders.closing import WHOLE
from orders.errors import DeskError, NotCancelable
from orders.ids import intent_id
from orders.models import Account, Execution, Order
from orders.models.order import OrderSource
from orders.money import ZERO, plain
from orders.positioning import Position

NOTHING: frozenset[str] = frozenset()
BY_SYMBOL = frozenset({"symbol"})
# The SDK sends a DELETE up to three times by itself, and waits thirty seconds for each answer.
SAME_WITHIN = timedelta(seconds=70)
CANCELED_WITHIN = 2.0  # seconds; what is being cancelled may still hold what is to be sold
LOOK_EVERY = 0.05
AT_MARKET = Close(part=WHOLE, limit_price=None, cancels_legs=True)


class Positions(View):
    def get(self, request: Request) -> Response:
        """What is held, by symbol."""
        account = self.account_of(request)
        wanted = symbol(query(request, BY_SYMBOL).get("symbol") or None)
        held = [one for one in _held(account) if not wanted or one.symbol == wanted]
        return Response([shown(account, position) for position in held])

    def delete(self, request: Request) -> Response:
        """Close every position, or that in a symbol, each by itself."""
        account = self.account_of(request)
        wanted = symbol(query(request, BY_SYMBOL).get("symbol") or None)
        held = [one.symbol for one in _held(account) if not wanted or one.symbol == wanted]
        handles: list[dict[str, Any]] = []
        refused: list[tuple[str, Declined]] = []
        for one in held:
            try:
                handles.append(_closed(account, one, AT_MARKET, request))
            except DeskError as error:
                refused.append((one, of(error, provider=account.broker)))
            except Declined as error:
                refused.append((one, error))
        if refused:
            raise _not_all(handles, refused)
        return Response(handles)


class PositionDetail(View):
    def get(self, request: Request, position_id: str) -> Response:
        account = self.account_of(request)
        query(request, NOTHING)
        return Response(shown(account, _the_position(account, position_id)))

    def delete(self, request: Request, position_id: str) -> Response:
        """Close a position, or a part of it, and answer with the order that does so."""
        account = self.account_of(request)
        query(request, NOTHING)
        asked = accepting.closing(request, account)
        if not Execution.objects.filter(account=account, symbol=_named(position_id)).exists():
            raise not_found("position", position_id)
        return Response(_closed(account, position_id, asked, request))

    def patch(self, request: Request, position_id: str) -> Response:
        """Move the legs that protect it. What is not said stays."""
        account = self.account_of(request)
        query(request, NOTHING)
        prices = accepting.protection(request)
        position = _the_position(account, position_id)
        moved = guarding.move_of_position(
            account, position.symbol, _exit_side(position.quantity), prices, actor=actor_of(request)
        )
        return Response({"position_id": position.symbol, **moved})


def _named(position_id: str) -> str:
    return "" if "\0" in position_id else position_id


def _held(account: Account) -> list[Position]:
    return [position for position in positioning.positions([account]) if position.quantity]


def _the_position(account: Account, position_id: str) -> Position:
    for position in _held(account):
        if position.symbol == position_id:
            return position
    raise not_found("position", position_id)


def _exit_side(quantity: Decimal) -> Side:
    return Side.SELL if quantity > 0 else Side.BUY


def shown(account: Account, position: Position, *, opened_at: str = "") -> dict[str, Any]:
    """Return a position as it is shown, at the broker's price, or else at that of its last trade,
    which is said in `blotter`: a client can't read a position without a price.
    """
    price, is_quoted = _price(account, position)
    return {
        "id": position.symbol,
        "symbol": position.symbol,
        "side": "LONG" if position.quantity > 0 else "SHORT",
        "quantity": plain(position.quantity.copy_abs()),
        "average_entry_price": plain(position.average_price),
        "current_price": plain(price),
        "unrealized_pnl": plain(position.unrealized(price)),
        "realized_pnl": plain(position.realized),
        "opened_at": opened_at or showing.moment(position.opened_at),
        "updated_at": showing.moment(position.traded_at) if position.traded_at else opened_at,
        "blotter": {"price_from": "quote" if is_quoted else "last_trade"},
    }


def _price(account: Account, position: Position) -> tuple[Decimal, bool]:
    try:
        quote = asking.quote(account, position.symbol)
    except NoAnswer:
        quote = None
    if quote is not None:
        return quote.last, True
    traded = Execution.objects.filter(account=account, symbol=position.symbol)
    last = traded.order_by("-executed_at", "-pk").values_list("price", flat=True).first()
    return last or position.average_price or ZERO, False


def _closed(account: Account, position_id: str, asked: Close, request: Request) -> dict[str, Any]:
    """Return the handle of the order that closes a position. The same wish again is the same order.

    Raises Declined or DeskError.
    """
    actor = actor_of(request)
    told = request.headers.get("Idempotency-Key", "")
    held = positioning.held(account).get(position_id, ZERO)
    if held and asked.part == WHOLE and asked.cancels_legs:
        _cancel_legs(account, position_id, held, actor)
    closed = closing.close(
        account,
        position_id,
        client_order_id=told or str(intent_id()),
        part=asked.part,
        limit_price=asked.limit_price,
        same_within=None if told else SAME_WITHIN,
        source=OrderSource.API,
        actor=actor,
        now=timing.database_now(),
    )
    bind_contextvars(order=str(closed.order.id))
    return showing.handle(awaiting.answered(account, closed.order))


def _cancel_legs(account: Account, symbol: str, held: Decimal, actor: Actor) -> None:
    """Ask for the legs of a position to be cancelled, and give the broker a moment to do it."""
    legs = guarding.legs_of(account, symbol, _exit_side(held))
    for leg in legs:
        try:
            canceling.cancel(leg.id, actor=actor, now=timing.database_now())
        except NotCancelable:
            continue  # it has just ended: that is as well
    ids = [leg.id for leg in legs]
    give_up_at = time.monotonic() + CANCELED_WITHIN
    while Order.objects.filter(id__in=ids).open().exists() and time.monotonic() < give_up_at:
        time.sleep(LOOK_EVERY)


def _not_all(handles: list[dict[str, Any]], refused: list[tuple[str, Declined]]) -> Declined:
    """Return that some positions stay open, and the orders that close the others."""
    first = refused[0][1]
    failed = [{"position_id": name, **no.body} for name, no in refused]
    names = ", ".join(name for name, _ in refused)
    told = f"Not closed: {names}. {first.message}"
    return Declined(first.status_code, first.code, told, closed=handles, failed=failed)
