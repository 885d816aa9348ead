"""Takes over orders that a broker has and this desk has no record of.

Most were entered elsewhere. One that bears our mark, or that turns up while we know our records to
be older than what we did, was ours and is forgotten: then the account is halted until a person has
looked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from brokers.messages import Fill, Snapshot
from orders import actors, alarming, auditing, halting
from orders.deriving import precedence
from orders.ids import is_of_this_desk
from orders.models import Account, Incident, Order, Severity
from orders.recording import branching, parking, transcribing
from orders.recording.changing import projection
from orders.recording.disputing import Hearing
from orders.recording.merging import merge
from orders.states import Submission

SWEEP = actors.component("sweep")
MAY_BE_IT = (Submission.READY, Submission.SENDING, Submission.UNKNOWN)

Kind = Incident.Kind


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
    latest = _as_leg(told)
    evidence = sorted({fact.evidence for fact in parked})
    # The earliest that anybody has told us of it: brokers need not say when it was entered.
    traded = [fact.executed_at for fact, _ in facts if isinstance(fact, Fill)]
    placed_at = min([*traded, *(fact.heard_at for fact in parked)])
    parent = _parent(account, latest)
    if parent is not None:
        order = branching.grow(
            account, latest, parent=parent, evidence=evidence, placed_at=placed_at, now=now
        )
    elif latest.parent and parking.waiting(account_id, latest.parent):
        return None  # first its parent, then itself
    else:
        order = transcribing.transcribe(account, told[-1], placed_at=placed_at, now=now)
        order.save(force_insert=True)
        auditing.write(
            account.id,
            action="order.adopted",
            actor=SWEEP,
            now=now,
            order_id=order.id,
            after=transcribing.in_words(order) | projection(order),
            evidence=evidence,
        )
    parking.take(order, broker_order_id)
    hearings = [
        (said, Hearing(heard=fact.heard, evidence=fact.evidence, now=fact.heard_at))
        for said, fact in facts
    ]
    merge(order, hearings, learned=None, actor=actors.broker(account), now=now)
    if parent is None:
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


def _as_leg(told: list[Snapshot]) -> Snapshot:
    """Return the latest word on an order, and whose leg it is if any word says so.

    Some brokers tell that only where they show the leg within its order.
    """
    of = next((said for said in reversed(told) if said.parent), None)
    return told[-1] if of is None else replace(told[-1], parent=of.parent, leg=of.leg)


def _parent(account: Account, told: Snapshot) -> Order | None:
    """Return the order of ours that this one is a leg of, if it is one."""
    if not told.parent:
        return None
    return Order.objects.filter(account=account, broker_order_id=told.parent).first()


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
