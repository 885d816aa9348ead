"""Takes over orders that a broker has and this desk has no record of.

Most were entered elsewhere. One that bears our mark, or that turns up while we know our records to
be older than what we did, was ours and is forgotten: then the account is halted until a person has
looked.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from brokers import tickets
from brokers.errors import InvalidTicket
from brokers.messages import Fill, Snapshot, Ticket
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, Status
from orders import actors, alarming, auditing, halting, terms
from orders.deriving import precedence
from orders.ids import is_of_this_desk, uuid7
from orders.models import Account, Incident, Order, ParkedFact, Severity
from orders.models.order import OrderSource
from orders.recording import parking
from orders.recording.changing import projection
from orders.recording.disputing import Hearing
from orders.recording.merging import merge
from orders.states import Submission

SWEEP = actors.component("sweep")
SYMBOL, NAME = 32, 128  # characters that an order's columns hold
MAY_BE_IT = (Submission.READY, Submission.SENDING, Submission.UNKNOWN)

Kind = Incident.Kind


class Unadoptable(Exception):
    """What the broker shows can't be written down as an order of ours: why."""


@transaction.atomic
def adopt(account_id: UUID, broker_order_id: str, *, now: datetime) -> Order | None:
    """Make an order of what a broker has told of one that we have no record of.

    The caller has just seen that the broker has it. Returns None if it is not
    to be taken over (any more): one of ours has it, or may yet turn out to be
    it. Raises Unadoptable: then it stays parked.
    """
    # A lost intent halts the account, so its row comes first, as for everyone who takes it.
    account = Account.objects.select_for_update(no_key=True).get(id=account_id)
    parking.guard(account_id, [broker_order_id])
    if Order.objects.filter(account=account, broker_order_id=broker_order_id).exists():
        return None
    parked = parking.waiting(account_id, broker_order_id)
    facts = [(parking.read(fact), fact) for fact in parked]
    told = sorted((fact for fact, _ in facts if isinstance(fact, Snapshot)), key=precedence)
    if not told or _is_spoken_for(account, told[-1]):
        return None
    order = _order(account, told[-1], facts, now=now)
    order.save(force_insert=True)
    auditing.write(
        account.id,
        action="order.adopted",
        actor=SWEEP,
        now=now,
        order_id=order.id,
        after=_in_words(order) | projection(order),
        evidence=sorted({fact.evidence for fact in parking.take(order, broker_order_id)}),
    )
    hearings = [
        (said, Hearing(heard=fact.heard, evidence=fact.evidence, now=fact.heard_at))
        for said, fact in facts
    ]
    merge(order, hearings, learned=None, actor=actors.broker(account), now=now)
    _tell(account, order, now=now)
    return order


def leave(account: Account, broker_order_id: str, *, why: str, now: datetime) -> None:
    """Say that the broker has an order that we can't take over. What was told stays parked."""
    with transaction.atomic():
        alarming.alarm(
            Kind.UNREADABLE,
            account=account,
            subject=_subject(account, broker_order_id),
            says=f"{account} has order {broker_order_id} at its broker, unseen here: {why}",
            now=now,
        )


def settle_left(account: Account, still: Collection[str], *, now: datetime) -> None:
    """End what `leave` said of orders that nothing waits for any more: one of ours has them."""
    said = Incident.objects.filter(kind=Kind.UNREADABLE, account=account).open()
    for subject in said.values_list("subject", flat=True):
        if subject not in {_subject(account, name) for name in still}:
            with transaction.atomic():
                alarming.settle(
                    Kind.UNREADABLE, subject=subject, outcome="An order here has it now.", now=now
                )


def _is_spoken_for(account: Account, told: Snapshot) -> bool:
    """Whether one of ours has its wire id (another order under our id is a conflict, not a new
    order), or, where the broker tells no wire id, may turn out to be it."""
    ours = Order.objects.filter(account=account)
    if told.wire_id:
        return ours.filter(wire_id=told.wire_id).exists()
    return ours.filter(
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        notional=told.notional,
        broker_order_id__isnull=True,
        submission__in=MAY_BE_IT,
    ).exists()


def _order(
    account: Account,
    told: Snapshot,
    facts: list[tuple[Snapshot | Fill, ParkedFact]],
    *,
    now: datetime,
) -> Order:
    ticket = _ticket(told)
    name = _free_name(account, told)
    traded = [fact.executed_at for fact, _ in facts if isinstance(fact, Fill)]
    return Order(
        id=uuid7(),
        account=account,
        client_order_id=name,
        wire_id=name,
        **terms.columns(ticket),
        source=OrderSource.BROKER,
        # The earliest that anybody has told us of it: brokers need not say when it was entered.
        placed_at=min([*traded, *(fact.heard_at for _, fact in facts)]),
        submit_by=now,
        submission=Submission.ACCEPTED,
        submission_at=now,
        changed_at=now,
        broker_order_id=told.broker_order_id,
        status=Status.INDETERMINATE,  # until, before this commits, its facts say what it is
    )


def _ticket(told: Snapshot) -> Ticket:
    if told.order_type is None or told.time_in_force is None:
        raise Unadoptable("it is of a kind that this desk does not know.")
    if len(told.symbol) > SYMBOL or len(told.broker_order_id) > NAME:
        raise Unadoptable("its symbol or its id is longer than any known here.")
    ticket = Ticket(
        wire_id=told.wire_id,
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        notional=told.notional,
        order_type=told.order_type,
        time_in_force=told.time_in_force,
        limit_price=told.limit_price if told.order_type in NEEDS_LIMIT else None,
        stop_price=told.stop_price if told.order_type in NEEDS_STOP else None,
        trail_price=told.trail_price,
        trail_percent=told.trail_percent,
        expires_at=told.expires_at,
        extended_hours=told.extended_hours,
        position_effect=told.position_effect,
        # A class is between the orders of a group: each is taken over for itself.
    )
    try:
        tickets.check_kept(ticket)
    except InvalidTicket as error:
        raise Unadoptable(f"its terms can't be kept exactly. {error}") from error
    return ticket


def _free_name(account: Account, told: Snapshot) -> str:
    """Return its wire id, or else the broker's own, as what we call it."""
    names = [name for name in (told.wire_id, told.broker_order_id) if 0 < len(name) <= NAME]
    ours = Order.objects.filter(account=account)
    taken = {
        *ours.filter(client_order_id__in=names).values_list("client_order_id", flat=True),
        *ours.filter(wire_id__in=names).values_list("wire_id", flat=True),
    }
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise Unadoptable("its id already belongs to another order.")
    return free


def _in_words(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        **terms.in_words(order.terms()),
        "source": str(order.source),
    }


def _tell(account: Account, order: Order, *, now: datetime) -> None:
    what = f"{order}, {order.broker_order_id} at the broker"
    if not is_of_this_desk(order.wire_id) and account.unsure_since is None:
        alarming.alarm(
            Kind.EXTERNAL,
            account=account,
            severity=Severity.NOTICE,
            says=f"{account} has orders that were entered elsewhere. The latest: {what}.",
            now=now,
        )
        return
    why = (
        "It bears this desk's mark."
        if is_of_this_desk(order.wire_id)
        else "It turned up while our records are known to be older than what we did."
    )
    alarming.alarm(
        Kind.LOST_INTENT,
        account=account,
        order=order,
        severity=Severity.CRITICAL,
        says=f"The broker has an order of ours that we had no record of: {what}. {why}",
        now=now,
    )
    halting.halt(
        account.id,
        reason=f"An order of ours was missing from our records: {what}.",
        actor=SWEEP,
        now=now,
    )


def _subject(account: Account, broker_order_id: str) -> str:
    return f"account:{account.id}:{broker_order_id}"[:200]
