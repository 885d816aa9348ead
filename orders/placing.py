"""Places orders: recorded once per intent, then sent once the record is safe."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from brokers import tickets
from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.passport import fit_wire_id
from brokers.reasons import Reason
from brokers.vocabulary import Leg, OrderType, TimeInForce
from orders import announcing, auditing, connecting, terms, timing
from orders.actors import Actor
from orders.aftercommit import after_commit
from orders.errors import AccountClosed, AccountHalted, BadTicket, OrderIdTaken
from orders.ids import mark, uuid7
from orders.models import Account, Order
from orders.ringing import ring
from orders.states import Submission
from orders.tasks import send_order

# Printable ASCII without spaces: what every broker and every URL can carry.
LONGEST_ID = 128
CLIENT_ORDER_ID = re.compile(rf"[!-~]{{1,{LONGEST_ID}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protects:
    """Whose fills a leg protects, and from which of them on; None: all, as the broker has it."""

    parent: Order
    leg: Leg
    covers_from: Decimal | None


def place(
    account: Account, ticket: Ticket, *, source: str, actor: Actor, now: datetime
) -> tuple[Order, bool]:
    """Record an order and have it sent. Returns it, and whether it is new.

    The ticket's wire id is the client order id, and makes this repeatable: a
    second click, or a client that retries, gets the order it placed the first
    time. Raises BadTicket, AccountClosed, or OrderIdTaken if the id is another
    order's.
    """
    check_id(ticket.wire_id)
    try:
        return _place(account, ticket, source=source, actor=actor, now=now)
    except IntegrityError:
        # Somebody else's commit came between our look and our insert: look again.
        return _place(account, ticket, source=source, actor=actor, now=now)


def check_id(client_order_id: str) -> None:
    """Raise BadTicket for a client order id that no broker or URL could carry."""
    if not CLIENT_ORDER_ID.fullmatch(client_order_id):
        is_long = len(client_order_id) > LONGEST_ID
        raise BadTicket(
            f"A client order id is 1 to {LONGEST_ID} printable ASCII characters without spaces.",
            field="client_order_id",
            reason=Reason.CLIENT_ORDER_ID_TOO_LONG if is_long else Reason.INVALID_CLIENT_ORDER_ID,
        )


def placed_as(account: Account, client_order_id: str) -> Order | None:
    """Return the order that an account's client already has by this id, if there is one."""
    return Order.objects.filter(account=account, client_order_id=client_order_id).first()


def check(account: Account, ticket: Ticket) -> None:
    """Raise BadTicket or AccountClosed for an order that would not leave this desk."""
    try:
        tickets.check(ticket)
        connecting.passport(account).check(_as_told(account, ticket))
    except InvalidTicket as error:
        raise BadTicket(str(error), field=error.field, reason=error.reason) from error
    if account.halted_at is not None:
        raise AccountHalted(f"{account} is halted. {account.halt_reason}".strip(), field="account")
    if not account.is_open:
        raise AccountClosed(f"{account} takes no new orders.", field="account")


def as_taken(account: Account, ticket: Ticket, preferred: Iterable[TimeInForce]) -> Ticket:
    """Return a ticket with the first of some times in force that the broker takes it with.

    Raises what the desk says to the first of them, if it takes none.
    """
    first: BadTicket | None = None
    for tif in preferred:
        one = with_changes(ticket, time_in_force=tif)
        try:
            check(account, one)
        except BadTicket as error:
            first = first or error
        else:
            return one
    raise first or BadTicket("The broker takes no such orders.")


def _as_told(account: Account, ticket: Ticket) -> Ticket:
    """Return a ticket as the broker is told: by the client's id if it can carry that."""
    passport = connecting.passport(account)
    return with_changes(ticket, wire_id=fit_wire_id(ticket.wire_id, passport, mark=mark))


def check_change(account: Account, old: Ticket, new: Ticket) -> None:
    """Raise BadTicket for a change that the broker can't make to a working order."""
    try:
        connecting.passport(account).check_replace(old, new)
    except InvalidTicket as error:
        raise BadTicket(str(error), field=error.field, reason=error.reason) from error


def check_in_time(ticket: Ticket, *, now: datetime) -> None:
    """Raise BadTicket for an order that is good until a moment that has passed."""
    if ticket.expires_at is not None and ticket.expires_at <= now:
        raise BadTicket("The order would have expired by now.", field="expires_at")


def same_terms(order: Order, ticket: Ticket) -> bool:
    """Whether a ticket asks for what an order already is."""
    return order.terms() == ticket


def create(
    account: Account,
    ticket: Ticket,
    *,
    source: str,
    actor: Actor,
    now: datetime,
    replaces: Order | None = None,
    protects: Protects | None = None,
) -> Order:
    """Write a new order, ready to be sent, with its audit row. Belongs inside a transaction.

    What replaces a leg is the same leg.
    """
    if replaces is not None and replaces.parent is not None:
        protects = Protects(
            parent=replaces.parent, leg=Leg(replaces.leg), covers_from=replaces.covers_from
        )
    order = Order(
        id=uuid7(),
        account=account,
        client_order_id=ticket.wire_id,
        wire_id=_as_told(account, ticket).wire_id,
        **terms.columns(ticket),
        # What took the place of an order with legs has the same legs, and they come the same way.
        strategy=replaces.strategy
        if replaces
        else connecting.passport(account).strategy(ticket.order_class) or "",
        parent=protects.parent if protects else None,
        leg=protects.leg if protects else "",
        covers_from=protects.covers_from if protects else None,
        source=source,
        placed_by_id=actor.user_id,
        placed_with_id=actor.key_id,
        placed_at=now,
        submit_by=_submit_by(account, ticket, now=now),
        replaces=replaces,
        replaces_filled=replaces.filled_quantity if replaces else None,
        submission=Submission.READY,
        submission_at=now,
        changed_at=now,
        look_at=now + timing.DOORBELL,
    )
    order.save(force_insert=True)
    sequence = auditing.write(
        account.id,
        action="order.placed",
        actor=actor,
        now=now,
        order_id=order.id,
        after=in_words(order),
    )
    announcing.announce(account.id, order.id, sequence=sequence)
    after_commit(ring, send_order, str(order.id))
    return order


def _submit_by(account: Account, ticket: Ticket, *, now: datetime) -> datetime:
    """Return until when an order may leave: no later than it would be good for."""
    at_latest = now + account.submit_window(OrderType(ticket.order_type))
    return at_latest if ticket.expires_at is None else min(at_latest, ticket.expires_at)


def in_words(order: Order) -> dict[str, str | None]:
    """Return what an order was placed as, in the words of the audit."""
    return {
        "client_order_id": order.client_order_id,
        **terms.in_words(order.terms()),
        "source": str(order.source),
        "submit_by": order.submit_by.isoformat(),
        "replaces": str(order.replaces_id) if order.replaces_id else None,
        **({"strategy": str(order.strategy)} if order.strategy else {}),
        **({"parent": str(order.parent_id), "leg": str(order.leg)} if order.parent_id else {}),
    }


@transaction.atomic(durable=True)
def _place(
    account: Account,
    ticket: Ticket,
    *,
    source: str,
    actor: Actor,
    now: datetime,
) -> tuple[Order, bool]:
    earlier = placed_as(account, ticket.wire_id)
    if earlier is not None:
        if earlier.replaces_id is not None or not same_terms(earlier, ticket):
            raise OrderIdTaken(
                "This client order id already belongs to another order.", field="client_order_id"
            )
        return earlier, False
    check(account, ticket)
    check_in_time(ticket, now=now)
    return create(account, ticket, source=source, actor=actor, now=now), True
