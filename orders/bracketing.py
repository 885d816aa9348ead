"""Tends brackets: lets legs out as their entry fills, keeps them to size, and says what is bare.

Nothing is remembered between one call and the next but what stands in the database: what there is
to do is read off the orders themselves (`orders.protecting`). So it may be interrupted anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from brokers.vocabulary import (
    OrderClass,
)
from orders import (
    attending,
    canceling,
    connecting,
    drafting,
    exposing,
    placing,
    protecting,
    replacing,
    timing,
)
from orders.actors import Actor
from orders.covering import Group, may_be_live
from orders.errors import DeskError, NothingToFlatten
from orders.exposing import DESK
from orders.ids import leg_id
from orders.measures import Action, Cancel, Look, Place, Plan, Resize
from orders.models import AuditEvent, Order
from orders.models.order import OrderSource
from orders.placing import Protects
from orders.recording import chaining
from orders.recording.changing import lock_all, reschedule

log = structlog.get_logger(__name__)

SOON, LATER = timedelta(seconds=0.5), timedelta(seconds=15)  # between two looks at what is bare
REFUSED = Q(action="order.cancel_refused")
BY_PEOPLE = (AuditEvent.ActorKind.PERSON, AuditEvent.ActorKind.API_KEY)


class Moved(Exception):
    """A leg came into being between our look and our lock: begin again."""


def tend(order_id: UUID, *, now: datetime) -> None:
    """Do what a bracket needs now, given any of its orders. Harmless when it needs nothing.

    New legs are on record with the decision to let them out; what is to change about those that
    are there is asked for after it, and asked for again if that got lost.
    """
    while True:
        try:
            plan = _decide(order_id, now=now)
            break
        except Moved:
            continue
    for action in plan.actions:
        try:
            _ask(action, now=now)
        except DeskError as error:
            log.info("leg_not_changed", action=repr(action), error=str(error))


def tend_due(*, now: datetime) -> None:
    """Tend every bracket of which an order has changed, or that is to be looked at again."""
    for order_id in attending.brackets_due(now=now):
        try:
            tend(order_id, now=timing.database_now())
        except Exception:
            log.exception("bracket_not_tended", order=str(order_id))


def flatten(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Have what a bracket opened closed at the market, once none of its orders may trade any more.

    Returns its entry. Repeating is harmless. Raises NothingToFlatten if nothing is left of it.
    """
    while True:
        try:
            with transaction.atomic():
                group = _gather(order_id, now=now)
                is_over = group.is_exit and not any(map(may_be_live, group.entries))
                if group.remaining <= 0 or is_over:
                    raise NothingToFlatten("Nothing is left of what it opened.")
                if group.root.flatten_at is None:
                    exposing.want_flat(group, actor=actor, now=now)
            break
        except Moved:
            continue
    tend(group.root.id, now=now)
    return group.root


def look(order_id: UUID, *, now: datetime) -> Group:
    """Return a bracket as it stands, given any of its orders. Changes and locks nothing."""
    entries, legs = _members(order_id)
    found = Order.objects.select_related("account").in_bulk([*entries, *legs])
    return _group([found[one] for one in entries], [found[one] for one in legs], now=now)


@transaction.atomic
def _decide(order_id: UUID, *, now: datetime) -> Plan:
    group = _gather(order_id, now=now)
    plan = protecting.plan(group)
    failures = []
    for action in plan.actions:
        if isinstance(action, Place):
            failures += _place(group, action, now=now)
    exposing.say(group, plan, failures, now=now)
    _schedule(group, plan, now=now)
    return plan


def _gather(order_id: UUID, *, now: datetime) -> Group:
    """Lock every order of a bracket, and read what else there is to know."""
    entries, legs = _members(order_id)
    locked = lock_all({*entries, *legs})
    if _members(order_id) != (entries, legs):
        raise Moved
    return _group([locked[one] for one in entries], [locked[one] for one in legs], now=now)


def _group(entries: list[Order], legs: list[Order], *, now: datetime) -> Group:
    root = entries[0]
    passport = connecting.passport(root.account)
    return Group(
        entries=entries,
        legs=legs,
        cancelled_by_people=_cancelled_by_people(legs),
        pairs=OrderClass.OCO in passport.classes,
        resizes="quantity" in passport.replaceable,
        is_halted=root.account.halted_at is not None or not root.account.is_open,
        now=now,
    )


def _cancelled_by_people(legs: Iterable[Order]) -> frozenset[UUID]:
    """Return which legs somebody has taken off, or is taking off. Where the broker refused that,
    they stand as before."""
    asked = [one.id for one in legs if one.has_ended or one.cancel_requested_at is not None]
    if not asked:
        return frozenset()
    by_people = Q(action__in=["order.cancel_asked", "order.withdrawn"], actor_kind__in=BY_PEOPLE)
    events = AuditEvent.objects.filter(by_people | REFUSED, order_id__in=asked)
    latest = dict(events.order_by("sequence").values_list("order_id", "action"))
    return frozenset(name for name, action in latest.items() if action != "order.cancel_refused")


def _members(order_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Return the ids of a bracket's entries and of its legs, each oldest first."""
    top = order_id
    while (
        above := Order.objects.filter(legs=top).values_list("id", flat=True).first()
    ) is not None:
        top = above
    entries = [one.id for one in chaining.members(top)]
    of_entries = Q(parent_id__in=entries)
    of_legs = Q(parent__parent_id__in=entries)  # the stop of a pair
    legs = Order.objects.filter(of_entries | of_legs).order_by("id")
    return entries, list(legs.values_list("id", flat=True))


# Acting -----------------------------------------------------------------------------------


def _place(group: Group, action: Place, *, now: datetime) -> list[str]:
    """Record a leg, to be sent when this commits. Returns why not, where it can't be."""
    protects = Protects(parent=group.root, leg=action.legs[-1], covers_from=action.covers_from)
    account = group.root.account
    try:
        ticket = drafting.draft(group, action)
    except DeskError as error:
        return [error.message]
    placing.create(account, ticket, source=OrderSource.LEG, actor=DESK, now=now, protects=protects)
    return []


def _ask(action: Action, *, now: datetime) -> None:
    match action:
        case Cancel(order=order):
            canceling.cancel(order.id, actor=DESK, now=now)
        case Resize(order=order, quantity=quantity, number=number):
            replacing.replace(
                order,
                client_order_id=leg_id(order.id, "size", quantity, number),
                quantity=quantity,
                source=OrderSource.LEG,
                actor=DESK,
                now=now,
            )
        case Look(order=order):
            Order.objects.filter(id=order.id).filter(
                Q(look_at__isnull=True) | Q(look_at__gt=now + timing.DOORBELL)
            ).update(look_at=now)


def _schedule(group: Group, plan: Plan, *, now: datetime) -> None:
    """Say when to look again: soon while something is wanting, else when anything changes."""
    root = group.root
    root.tend_at = None
    if plan.is_settling:
        pause = SOON
        if root.unprotected_since is not None:
            pause = min(max((now - root.unprotected_since) / 4, SOON), LATER)
        elif group.is_halted:
            pause = LATER
        root.tend_at = now + pause
    reschedule(root)
    others = [one.id for one in (*group.entries[1:], *group.legs) if one.tend_at is not None]
    Order.objects.filter(id__in=others).update(tend_at=None)
