"""Records what people rule on orders in doubt, and carries it out: alone, or once confirmed.

A ruling counts only while its order is in doubt. Whatever else settles the
order first drops the ruling with it (`noticing`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as with_changes
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from brokers.messages import Report
from orders.actors import Actor
from orders.errors import NotInDoubt, NotThatOrder, RulingEnded, RulingOpen
from orders.models import Order, Ruling
from orders.models.facts import Heard
from orders.recording import heeding, parking
from orders.recording.changing import change, lock_all, projection
from orders.recording.concluding import close_absent
from orders.states import Submission

State, Verdict = Ruling.State, Ruling.Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says of an order in doubt, and on what grounds."""

    verdict: str
    broker_order_id: str  # of the order found, else ""
    reason: str
    broker_ticket: str


def rule(
    order_id: UUID,
    word: Word,
    *,
    found: Report | None,
    needs_second: bool,
    user: User,
    actor: Actor,
    now: datetime,
) -> Ruling:
    """Record a ruling on an order in doubt, and carry it out unless it needs a second person.

    `found` is what the broker says of the order by the id ruled on. Raises
    NotInDoubt, RulingOpen or NotThatOrder.
    """

    def record() -> Ruling:
        orders, order = _lock(order_id, found)
        if order.rulings.filter(state=State.PROPOSED).exists():
            raise RulingOpen("Another ruling on this order waits for a second person.")
        ruling = Ruling.objects.create(
            order=order,
            verdict=word.verdict,
            broker_order_id=word.broker_order_id,
            reason=word.reason,
            broker_ticket=word.broker_ticket,
            proposed_by=user,
            proposed_at=now,
            needs_second=needs_second,
        )
        if needs_second:
            _note(order, ruling, "order.ruling_proposed", actor=actor, now=now)
        else:
            _carry_out(ruling, order, orders, found, actor=actor, now=now)
        return ruling

    return _until_learned(record)


def confirm(
    ruling_id: int, *, found: Report | None, user: User, actor: Actor, now: datetime
) -> Ruling:
    """Carry a ruling out on a second person's word.

    Raises RulingEnded, NotInDoubt or NotThatOrder.
    """

    def record() -> Ruling:
        order_id = Ruling.objects.values_list("order_id", flat=True).get(id=ruling_id)
        orders, order = _lock(order_id, found)
        ruling = _open(ruling_id)
        ruling.confirmed_by, ruling.confirmed_at = user, now
        _carry_out(ruling, order, orders, found, actor=actor, now=now)
        return ruling

    return _until_learned(record)


@transaction.atomic
def drop(ruling_id: int, *, reason: str, actor: Actor, now: datetime) -> Ruling:
    """Take back a ruling that waits for a second person. Raises RulingEnded."""
    order_id = Ruling.objects.values_list("order_id", flat=True).get(id=ruling_id)
    order = lock_all([order_id])[order_id]
    ruling = _open(ruling_id)
    ruling.state, ruling.ended_at = State.DROPPED, now
    ruling.save(update_fields=["state", "ended_at"])
    _note(order, ruling, "order.ruling_dropped", actor=actor, now=now, reason=reason)
    return ruling


def _until_learned(record: Callable[[], Ruling]) -> Ruling:
    while True:
        try:
            with transaction.atomic():
                return record()
        except heeding.LearnedMeanwhile:
            continue


def _lock(order_id: UUID, found: Report | None) -> tuple[dict[UUID, Order], Order]:
    about = heeding.related(_account_of(order_id), found) if found else set()
    orders = lock_all({order_id, *about})
    order = orders[order_id]
    if order.submission != Submission.UNKNOWN:
        raise NotInDoubt(f"The order is not in doubt: {order.get_submission_display().lower()}.")
    return orders, order


def _account_of(order_id: UUID) -> UUID:
    account_id: UUID = Order.objects.values_list("account_id", flat=True).get(id=order_id)
    return account_id


def _open(ruling_id: int) -> Ruling:
    """Return a ruling that still waits. Its order is locked, so it goes on waiting till we end."""
    ruling = Ruling.objects.get(id=ruling_id)
    if ruling.state != State.PROPOSED:
        raise RulingEnded(f"This ruling has ended: {ruling.get_state_display().lower()}.")
    return ruling


def _carry_out(
    ruling: Ruling,
    order: Order,
    orders: dict[UUID, Order],
    found: Report | None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    # Before the order changes, or that would drop it as overtaken.
    ruling.state, ruling.ended_at = State.CARRIED_OUT, now
    ruling.save(update_fields=["state", "ended_at", "confirmed_by", "confirmed_at"])
    if ruling.verdict == Verdict.ABSENT:
        why = f"The broker does not have it: {_grounds(ruling)}"
        close_absent(order, why=why, actor=actor, evidence=[f"ruling:{ruling.id}"], now=now)
        return
    if found is None:
        raise NotThatOrder("Nothing was read by this broker order id.", field="broker_order_id")
    # Before the audit chain, which the first change locks.
    parking.guard(order.account_id, {ruling.broker_order_id})
    _note(order, ruling, "order.attached", actor=actor, now=now)
    # The person says that it is ours, so it is, whatever id of ours the broker has it under.
    heeding.merge_all(
        orders,
        with_changes(
            found,
            snapshots=tuple(with_changes(s, wire_id=order.wire_id) for s in found.snapshots),
        ),
        account=order.account,
        heard=Heard.PERSON,
        evidence=f"ruling:{ruling.id}",
        now=now,
    )
    if order.broker_order_id != ruling.broker_order_id:
        raise NotThatOrder(
            f"{ruling.broker_order_id} stands here already, as another order. If it is what became"
            " of this one, rule that the broker has nothing else, and say so.",
            field="broker_order_id",
        )


def _note(
    order: Order, ruling: Ruling, action: str, *, actor: Actor, now: datetime, reason: str = ""
) -> None:
    change(
        order,
        projection(order),
        action=action,
        actor=actor,
        now=now,
        reason=reason or _grounds(ruling),
        evidence=[f"ruling:{ruling.id}"],
    )


def _grounds(ruling: Ruling) -> str:
    return f"{ruling.reason} (ticket {ruling.broker_ticket})"
