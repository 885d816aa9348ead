"""What a person confirms: the order as the broker will get it, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from brokers.messages import Balance, Ticket
from brokers.passport import Strategy
from brokers.vocabulary import Leg, OrderClass, Side
from orders import asking, connecting, positioning, terms, timing
from orders.asking import NoAnswer
from orders.models import Account, Order
from orders.money import EXACT, ZERO, average, plain, worth
from orders.positioning import Position
from orders.ranging import likely_price
from orders.web import family, phrasing
from orders.web.offering import TicketForm

ALIKE = 5  # recent orders of the same kind shown beside a preview
ALIKE_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One way out of a position, and what it would bring or cost."""

    leg: Leg
    price: Decimal
    limit: Decimal | None
    distance: Decimal | None  # from the price it is reckoned from; None while none is known
    result: Decimal | None  # in money, a loss below zero; None while that or the size is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a person confirms."""

    account: Account
    ticket: Ticket
    intent: UUID
    broker: str
    strategy: Strategy | None
    price: Decimal | None
    value: Decimal | None
    held: Decimal
    after: Decimal | None
    exits: list[Exit]
    reckoned_from: str  # what an exit's distance is measured from
    balance: Balance | None
    window: timedelta
    alike: list[Order]
    in_doubt: list[Order]

    @property
    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield the ticket's own fields, as a form sends them."""
        yield "account", str(self.account.id)
        for name, value in terms.columns(self.ticket).items():
            if written := _as_sent(value):
                yield name, written

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the broker is told in the one request that leaves on confirmation."""
        sent = self.ticket
        if self.strategy not in {None, Strategy.NATIVE}:
            sent = with_changes(
                sent, order_class=OrderClass.SIMPLE, take_profit=None, stop_loss=None
            )
        said = {"client order id": sent.wire_id, **terms.in_words(sent)}
        return [(name.replace("_", " "), word) for name, word in said.items() if word]

    @property
    def how(self) -> str:
        """How the legs come to the broker; nothing for an order without legs."""
        return family.how(self.strategy or "", self.ticket.order_class)

    @property
    def is_bare_at_first(self) -> bool:
        """Whether what it fills is without its legs for a while."""
        return self.strategy in {Strategy.PENDING, Strategy.NATIVE_OCO}

    @property
    def ratio(self) -> Decimal | None:
        """What the target would bring for each unit of money that the stop would cost."""
        gains = [e.result for e in self.exits if e.result is not None and e.result > 0]
        costs = [e.result for e in self.exits if e.result is not None and e.result < 0]
        if len(gains) != 1 or len(costs) != 1:
            return None
        return EXACT.quantize(EXACT.divide(gains[0], costs[0].copy_abs()), Decimal("0.01"))


def preview(form: TicketForm, intent: UUID) -> Preview:
    """Return what a ticket that was filled in well would come to."""
    account: Account = form.cleaned_data["account"]
    ticket = form.ticket(intent)
    passport = connecting.passport(account)
    price = likely_price(account, ticket.order_type, ticket.symbol, of=ticket)
    position = next(
        (p for p in positioning.positions([account]) if p.symbol == ticket.symbol), None
    )
    held = position.quantity if position else ZERO
    quantity = _quantity(ticket, price)
    exits, reckoned_from = _exits(account, ticket, price, quantity, position)
    same = Order.objects.filter(account=account, symbol=ticket.symbol).select_related("account")
    since = timing.database_now() - ALIKE_WITHIN
    return Preview(
        account=account,
        ticket=ticket,
        intent=intent,
        broker=passport.title,
        strategy=passport.strategy(ticket.order_class),
        price=price,
        value=ticket.notional
        or (None if price is None else worth((quantity or ZERO).copy_abs(), price)),
        held=held,
        after=None if quantity is None else EXACT.add(held, quantity),
        exits=exits,
        reckoned_from=reckoned_from,
        balance=_balance(account),
        window=account.submit_window(ticket.order_type),
        alike=list(same.filter(side=ticket.side, placed_at__gt=since)[:ALIKE]),
        in_doubt=list(same.in_doubt()),
    )


def _exits(
    account: Account,
    ticket: Ticket,
    price: Decimal | None,
    quantity: Decimal | None,
    position: Position | None,
) -> tuple[list[Exit], str]:
    """Return the ways out, and in words what they are reckoned from."""
    if ticket.order_class is OrderClass.SIMPLE:
        return [], ""
    said = phrasing.legs(ticket)
    leaving = ticket.side
    if ticket.order_class is OrderClass.OCO:
        cost = position.average_price if position else None
        begin = cost or likely_price(account, "market", ticket.symbol, of=ticket)
        named = "what the position cost" if cost else "the last price"
    else:
        leaving = Side.SELL if ticket.side is Side.BUY else Side.BUY
        begin = price
        named = "the entry's limit" if ticket.limit_price is not None else "the last price"
    up = 1 if leaving is Side.SELL else -1
    found = []
    for leg, at, limit in said:
        distance = None if begin is None else EXACT.multiply(EXACT.subtract(at, begin), up)
        found.append(
            Exit(
                leg=leg,
                price=at,
                limit=limit,
                distance=distance,
                result=None
                if distance is None or quantity is None
                else worth(distance, quantity.copy_abs()),
            )
        )
    return found, named if begin is not None else ""


def _quantity(ticket: Ticket, price: Decimal | None) -> Decimal | None:
    """Return what a ticket would trade, signed, or None for money while no price is known."""
    quantity = ticket.quantity
    if quantity is None:
        quantity = average(ticket.notional or ZERO, price) if price else None
    if quantity is None or ticket.side is Side.BUY:
        return quantity
    return quantity.copy_negate()


def _as_sent(value: object) -> str:
    match value:
        case None | False:
            return ""
        case True:
            return "on"
        case Decimal():
            return plain(value) or ""
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat()
        case _:
            return str(value)


def _balance(account: Account) -> Balance | None:
    try:
        return asking.balance(account)
    except NoAnswer:
        return None
