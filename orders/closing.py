"""Closes positions: one order against what our own executions hold, whole or in part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import uuid5

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from brokers.messages import Ticket
from brokers.passport import smallest_step
from brokers.vocabulary import OrderType, PositionEffect, Side, TimeInForce
from orders import auditing, connecting, placing, positioning
from orders.actors import Actor
from orders.errors import (
    BadTicket,
    DeskError,
    MayTurnRound,
    NothingHeld,
    NotRecorded,
    OrderIdTaken,
)
from orders.models import Account, Execution, Order
from orders.money import EXACT, ZERO, plain
from orders.ranging import most_left
from orders.states import IN_FLIGHT

log = structlog.get_logger(__name__)

ASKED = "position.close_asked"
HUNDRED = Decimal(100)
# What a closing order says, in this order of preference: not every broker takes each.
GOOD_FOR = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC)
RESTS = (TimeInForce.GTC, TimeInForce.DAY)  # the same, of one that waits for its price


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How much of a position to close: a quantity, a part of a hundred, or all of it."""

    quantity: Decimal | None = None
    percentage: Decimal | None = None

    def in_words(self) -> dict[str, str]:
        """Return it as the audit has it, to know the same request again."""
        said = {"quantity": plain(self.quantity), "percentage": plain(self.percentage)}
        return {name: word for name, word in said.items() if word is not None}


WHOLE = Part()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The order that closes a position, and what else is open in its symbol."""

    order: Order
    is_new: bool
    still_open: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the wish to close one position of many: an order, or why there is none."""

    symbol: str
    closing: Closing | None
    error: DeskError | None = None


def close(
    account: Account,
    symbol: str,
    *,
    client_order_id: str,
    part: Part = WHOLE,
    limit_price: Decimal | None = None,
    same_within: timedelta | None = None,
    despite_doubt: bool = False,
    source: str,
    actor: Actor,
    now: datetime,
) -> Closing:
    """Place the order that closes a position, or a part of it: at the market, for the day, unless
    a price is named.

    The client order id makes this repeatable: the same order again, whatever is
    held by then. Where clients repeat a request without an id, the same wish of
    the same key within a time is the same wish: see `_lately`.

    Raises NothingHeld; MayTurnRound, unless told to go on `despite_doubt`, where
    other orders may close the position unseen; and whatever `placing.place` raises.
    """
    placing.check_id(client_order_id)
    return _close(
        account,
        symbol,
        client_order_id=client_order_id,
        part=part,
        limit_price=limit_price,
        same_within=same_within,
        together="",
        despite_doubt=despite_doubt,
        source=source,
        actor=actor,
        now=now,
    )


def close_all(
    account: Account,
    *,
    client_order_id: str,
    despite_doubt: bool = False,
    source: str,
    actor: Actor,
    now: datetime,
) -> list[Outcome]:
    """Close every position of an account, and return what became of each.

    Each is a transaction of its own: one that can't be closed keeps no other
    open. The id makes this repeatable: each order's own is made of it and the symbol.
    """
    placing.check_id(client_order_id)
    outcomes = []
    for symbol, name in sorted(_to_close(account, client_order_id).items()):
        closing, error = None, None
        try:
            closing = _close(
                account,
                symbol,
                client_order_id=name,
                part=WHOLE,
                limit_price=None,
                same_within=None,
                together=client_order_id,
                despite_doubt=despite_doubt,
                source=source,
                actor=actor,
                now=now,
            )
        except DeskError as declined:
            error = declined
        except (OperationalError, InterfaceError) as lost:
            log.warning("close_not_recorded", symbol=symbol, error=str(lost))
            error = NotRecorded("The desk can't tell whether this was done. Ask again: it is safe.")
        outcomes.append(Outcome(symbol=symbol, closing=closing, error=error))
    return outcomes


def _to_close(account: Account, client_order_id: str) -> dict[str, str]:
    """Return the symbols held, and those closed by this very request before, with an id each."""
    traded = Execution.objects.filter(account=account).order_by().values_list("symbol").distinct()
    names = {symbol: str(uuid5(account.id, f"{client_order_id} {symbol}")) for (symbol,) in traded}
    there = Order.objects.filter(account=account, client_order_id__in=names.values())
    wanted = positioning.held(account).keys() | set(there.values_list("symbol", flat=True))
    return {symbol: name for symbol, name in names.items() if symbol in wanted}


def _close(account: Account, symbol: str, **asked: Any) -> Closing:
    try:
        return _record(account, symbol, **asked)
    except IntegrityError:
        # Somebody else's order took the id between our look and our insert: look again.
        return _record(account, symbol, **asked)


@transaction.atomic(durable=True)
def _record(
    account: Account,
    symbol: str,
    *,
    client_order_id: str,
    part: Part,
    limit_price: Decimal | None,
    same_within: timedelta | None,
    together: str,
    despite_doubt: bool,
    source: str,
    actor: Actor,
    now: datetime,
) -> Closing:
    _one_at_a_time(account, symbol)
    asked = {"symbol": symbol, **part.in_words(), **({"together": together} if together else {})}
    if limit_price is not None:
        asked["limit_price"] = plain(limit_price) or ""
    earlier = placing.placed_as(account, client_order_id)
    if earlier is not None:
        if not earlier.events.filter(action=ASKED, after=asked).exists():
            raise OrderIdTaken(
                "This client order id already belongs to another order.", field="client_order_id"
            )
        return _with_others(earlier, is_new=False)
    held = positioning.held(account).get(symbol, ZERO)
    if same_within is not None:
        lately = _lately(account, asked, held=held, actor=actor, since=now - same_within)
        if lately is not None:
            return _with_others(lately, is_new=False)
    if not held:
        raise NothingHeld(f"By the desk's own executions, nothing is held of {symbol}.")
    ticket = _ticket(
        account, symbol, client_order_id, held=held, part=part, limit_price=limit_price
    )
    if not despite_doubt:
        _check_turns_nothing_round(account, ticket, held=held)
    order = placing.create(account, ticket, source=source, actor=actor, now=now)
    auditing.write(
        account.id,
        action=ASKED,
        actor=actor,
        now=now,
        order_id=order.id,
        after=asked,
        reason=f"It is to close {plain(order.quantity)} of {plain(held.copy_abs())} held"
        f"{' short' if held < 0 else ''}{', despite doubt' if despite_doubt else ''}.",
    )
    return _with_others(order, is_new=True)


def _lately(
    account: Account, asked: dict[str, str], *, held: Decimal, actor: Actor, since: datetime
) -> Order | None:
    """Return the order by which the same key lately asked for the same, if this repeats that.

    A part closed twice is twice the part: asked for again, it is the one asked for before, unless
    nothing came of that. The whole is asked for anew once something is held that the earlier order
    can't have meant: it has ended, and there is a position all the same.
    """
    earlier = (
        Order.objects.filter(
            account=account,
            symbol=asked["symbol"],
            placed_with_id=actor.key_id,
            placed_at__gte=since,
            events__action=ASKED,
            events__after=asked,
        )
        .order_by("-id")
        .first()
    )
    if actor.key_id is None or earlier is None:
        return None
    if not earlier.has_ended:
        return earlier
    is_part = "quantity" in asked or "percentage" in asked
    return earlier if earlier.filled_quantity and (is_part or not held) else None


def _one_at_a_time(account: Account, symbol: str) -> None:
    """Let only one transaction at a time close a position: two would each close all of it."""
    with connection.cursor() as cursor:
        name = f"{account.id}:close:{symbol}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _ticket(
    account: Account,
    symbol: str,
    client_order_id: str,
    *,
    held: Decimal,
    part: Part,
    limit_price: Decimal | None,
) -> Ticket:
    passport = connecting.passport(account)
    effect = PositionEffect.CLOSE
    ticket = Ticket(
        wire_id=client_order_id,
        symbol=symbol,
        side=Side.SELL if held > 0 else Side.BUY,
        quantity=_quantity(held.copy_abs(), part, decimals=passport.quantity_decimals),
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=limit_price,
        position_effect=effect if effect in passport.position_effects else None,
    )
    return placing.as_taken(account, ticket, GOOD_FOR if limit_price is None else RESTS)


def _quantity(held: Decimal, part: Part, *, decimals: int) -> Decimal:
    if part.quantity is not None:
        if part.quantity > held:
            raise BadTicket(f"Only {plain(held)} are held.", field="quantity")
        return part.quantity
    share = HUNDRED if part.percentage is None else part.percentage
    if not 0 < share <= HUNDRED:
        raise BadTicket("A percentage is more than 0 and at most 100.", field="percentage")
    wanted = EXACT.divide(EXACT.multiply(held, share), HUNDRED)
    down = EXACT.copy()
    down.rounding = ROUND_DOWN
    quantity = down.quantize(wanted, smallest_step(decimals))
    if not quantity:
        raise BadTicket(
            f"{plain(wanted)} is less than the broker takes.",
            field=None if part.percentage is None else "percentage",
        )
    return quantity


def _check_turns_nothing_round(account: Account, ticket: Ticket, *, held: Decimal) -> None:
    """Raise MayTurnRound if orders that may close the position unseen leave less than we close.

    Those in doubt and on their way may have traded already; a market order is about to. What
    rests at a price, a stop for instance, is no reason to wait: one closes to be rid of it.
    """
    others = [
        order
        for order in _open(account, ticket.symbol)
        if order.side == ticket.side
        and (order.submission in IN_FLIGHT or order.order_type == OrderType.MARKET)
    ]
    if not others or ticket.quantity is None:
        return
    left = held.copy_abs()
    for order in others:
        most = most_left(order)
        left = ZERO if most is None else EXACT.subtract(left, most)
    if ticket.quantity <= left:
        return
    named = ", ".join(f"{order.client_order_id} ({order})" for order in others)
    raise MayTurnRound(
        f"To close {plain(ticket.quantity)} of the {plain(held.copy_abs())} held might turn the"
        f" position round: nobody knows yet what becomes of {named}."
        " Wait, or go on despite the doubt.",
        orders=[order.id for order in others],
    )


def _with_others(order: Order, *, is_new: bool) -> Closing:
    others: Iterable[Any] = _open(order.account, order.symbol).exclude(id=order.id)
    return Closing(order=order, is_new=is_new, still_open=tuple(others))


def _open(account: Account, symbol: str) -> Any:
    return (
        Order.objects.filter(account=account, symbol=symbol)
        .open()
        .select_related("account")
        .order_by("id")
    )
