"""Tends brackets: lets legs out as their entry fills, keeps them to size, and says what is bare.

Nothing is remembered between one call and the next but what stands in the database: what there is
to do is read off the orders themselves (`orders.protecting`). So it may be interrupted anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from brokers.messages import StopLoss, Ticket
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders import (
    actors,
    alarming,
    attending,
    canceling,
    connecting,
    placing,
    protecting,
    replacing,
    timing,
)
from orders.actors import Actor
from orders.errors import DeskError, NothingToFlatten
from orders.ids import leg_id
from orders.models import AuditEvent, Incident, Order, Severity
from orders.models.account import Unprotected
from orders.models.order import OrderSource
from orders.money import ZERO, plain
from orders.placing import Protects
from orders.protecting import Cancel, Group, Look, Place, Plan, Resize
from orders.recording import chaining
from orders.recording.changing import change, lock_all, projection, reschedule

log = structlog.get_logger(__name__)

DESK = actors.component("brackets")
ALARM_AFTER = timedelta(seconds=3)  # a person hears of it within five
SOON, LATER = timedelta(seconds=0.5), timedelta(seconds=15)  # between two looks at what is bare
BY_PEOPLE = (AuditEvent.ActorKind.PERSON, AuditEvent.ActorKind.API_KEY)
NAMES = {Leg.STOP_LOSS: "stop", Leg.TAKE_PROFIT: "target", Leg.EXIT: "closing order"}

Kind = Incident.Kind


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
                if group.remaining <= 0:
                    raise NothingToFlatten("Nothing is left of what it opened.")
                if group.root.flatten_at is None:
                    _want_flat(group, actor=actor, now=now)
            break
        except Moved:
            continue
    tend(group.root.id, now=now)
    return group.root


@transaction.atomic
def _decide(order_id: UUID, *, now: datetime) -> Plan:
    group = _gather(order_id, now=now)
    plan = protecting.plan(group)
    failures = []
    for action in plan.actions:
        if isinstance(action, Place):
            failures += _place(group, action, now=now)
    _say(group, plan, failures, now=now)
    _schedule(group, plan, now=now)
    return plan


def _gather(order_id: UUID, *, now: datetime) -> Group:
    """Lock every order of a bracket, and read what else there is to know."""
    entries, legs = _members(order_id)
    locked = lock_all({*entries, *legs})
    if _members(order_id) != (entries, legs):
        raise Moved
    root = locked[entries[0]]
    asked = [leg for leg in legs if locked[leg].has_ended]
    by_people = AuditEvent.objects.filter(
        order_id__in=asked,
        action__in=["order.cancel_asked", "order.withdrawn"],
        actor_kind__in=BY_PEOPLE,
    )
    return Group(
        entries=[locked[one] for one in entries],
        legs=[locked[one] for one in legs],
        cancelled_by_people=frozenset(by_people.values_list("order_id", flat=True)),
        pairs=OrderClass.OCO in connecting.passport(root.account).classes,
        is_halted=root.account.halted_at is not None or not root.account.is_open,
        now=now,
    )


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
    ticket = _ticket(group, action)
    protects = Protects(parent=group.root, leg=action.legs[-1], covers_from=action.covers_from)
    account = group.root.account
    try:
        placing.check(account, ticket)
    except DeskError as error:
        return [error.message]
    placing.create(account, ticket, source=OrderSource.LEG, actor=DESK, now=now, protects=protects)
    return []


def _ticket(group: Group, action: Place) -> Ticket:
    """Return what a leg is to be at the broker: good till cancelled, and for closing only, where
    the broker knows such orders."""
    terms, passport = group.terms, connecting.passport(group.root.account)
    order_type, limit, stop, stop_loss = _prices(terms, action)
    allowed = passport.market_tifs if order_type is OrderType.MARKET else passport.times_in_force
    preferred = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC)
    if order_type is not OrderType.MARKET:
        preferred = (TimeInForce.GTC, TimeInForce(terms.time_in_force), TimeInForce.DAY)
    exit_side = Side.SELL if terms.side == Side.BUY else Side.BUY
    closes = PositionEffect.CLOSE in passport.position_effects
    return Ticket(
        wire_id=leg_id(group.root.id, "+".join(action.legs), action.covers_from, action.number),
        symbol=terms.symbol,
        side=Side(terms.side) if group.is_exit else exit_side,
        quantity=action.quantity,
        order_type=order_type,
        time_in_force=next(tif for tif in (*preferred, *sorted(allowed)) if tif in allowed),
        limit_price=limit,
        stop_price=stop,
        position_effect=PositionEffect.CLOSE if closes else None,
        order_class=OrderClass.OCO if stop_loss else OrderClass.SIMPLE,
        stop_loss=stop_loss,
    )


def _prices(
    terms: Order, action: Place
) -> tuple[OrderType, Decimal | None, Decimal | None, StopLoss | None]:
    """Return a leg's type, limit and stop, and the stop that goes with it in a pair."""
    stop, stop_limit = terms.stop_loss_price, terms.stop_loss_limit_price
    if action.legs == (Leg.EXIT,):
        return OrderType.MARKET, None, None, None
    if action.legs == (Leg.STOP_LOSS,):
        kind = OrderType.STOP if stop_limit is None else OrderType.STOP_LIMIT
        return kind, stop_limit, stop, None
    pair = None
    if len(action.legs) > 1 and stop is not None:
        pair = StopLoss(stop_price=stop, limit_price=stop_limit)
    return OrderType.LIMIT, terms.take_profit_price, None, pair


def _ask(action: protecting.Action, *, now: datetime) -> None:
    match action:
        case Cancel(order=order):
            canceling.cancel(order.id, actor=DESK, now=now)
        case Resize(order=order, quantity=quantity):
            replacing.replace(
                order,
                client_order_id=leg_id(order.id, "size", quantity, 0),
                quantity=quantity,
                source=OrderSource.LEG,
                actor=DESK,
                now=now,
            )
        case Look(order=order):
            Order.objects.filter(id=order.id).filter(
                Q(look_at__isnull=True) | Q(look_at__gt=now + timing.DOORBELL)
            ).update(look_at=now)


# Saying -----------------------------------------------------------------------------------


def _say(group: Group, plan: Plan, failures: Iterable[str], *, now: datetime) -> None:
    root, subject = group.root, f"order:{group.root.id}"
    if plan.unprotected > 0:
        says = _in_words(group, plan, failures)
        if root.unprotected_since is None:
            before = projection(root)
            root.unprotected_since = _since(group, plan, now=now)
            change(root, before, action="order.unprotected", actor=DESK, now=now, reason=says)
        if now >= root.unprotected_since + ALARM_AFTER:
            _alarm(group, says, now=now)
    elif root.unprotected_since is not None:
        before = projection(root)
        root.unprotected_since = None
        outcome = (
            "Nothing is left of it to protect."
            if group.remaining <= 0
            else "What it filled is protected, as the broker shows."
        )
        change(root, before, action="order.protected", actor=DESK, now=now, reason=outcome)
        alarming.settle(Kind.UNPROTECTED, subject=subject, outcome=outcome, now=now)
    _say_if_oversold(group, now=now)


def _since(group: Group, plan: Plan, *, now: datetime) -> datetime:
    """Return when its protection began to be wanting: with the first fill that has none, or when
    a leg that stood was lost."""
    lost = [
        one.changed_at
        for one in group.legs
        if one.leg in plan.lacking and one.broker_order_id and not protecting.may_be_live(one)
    ]
    if lost:
        return max(lost)
    if group.is_exit:
        return group.root.submission_at
    bare_from, counted = group.filled - plan.unprotected, ZERO
    for entry in group.entries:
        for trade in entry.executions.order_by("id"):
            counted += trade.quantity
            if counted > bare_from:
                return min(trade.heard_at, now)
    return now


def _in_words(group: Group, plan: Plan, failures: Iterable[str]) -> str:
    root = group.root
    lacking = [NAMES[leg] for leg in plan.lacking]
    amount = f"{plain(plan.unprotected)} {root.symbol} in {root.account}"
    if Leg.EXIT in plan.lacking:
        return f"{amount} are being closed at the market: {_why(group) or 'not done yet.'}"
    says = f"{amount} are without {' and '.join(f'their {name}' for name in lacking)} ({root})."
    if plan.is_held_back:
        says += " The broker holds the legs back until the entry has filled whole."
    return " ".join(filter(None, [says, _why(group), *failures]))


def _why(group: Group) -> str:
    """Return the latest word on a leg that is not at work."""
    for one in reversed(group.legs):
        if one.has_ended and one.filled_quantity == 0 and (one.submission_reason or one.reason):
            word = one.get_submission_display() if not one.status else one.get_status_display()
            name = NAMES[Leg(one.leg)]
            return (
                f"The {name} {plain(one.quantity)}: {word}. {one.submission_reason or one.reason}"
            )
        if one.is_in_doubt:
            return f"The {NAMES[Leg(one.leg)]} is in doubt: it may be live."
    return ""


def _alarm(group: Group, says: str, *, now: datetime) -> None:
    root = group.root
    known = Incident.objects.filter(
        kind=Kind.UNPROTECTED, subject=f"order:{root.id}", closed_at__isnull=True
    ).first()
    account = root.account
    if known is not None:
        if known.acknowledged_at is not None or now < known.last_seen_at + account.answer_within:
            return
        if account.unprotected == Unprotected.FLATTEN and root.flatten_at is None:
            _want_flat(group, actor=DESK, now=now)
        says = f"Nobody has answered for {int((now - known.opened_at).total_seconds())} s. {says}"
    alarming.alarm(
        Kind.UNPROTECTED,
        account=account,
        order=root,
        says=says,
        severity=Severity.CRITICAL,
        now=now,
    )


def _say_if_oversold(group: Group, *, now: datetime) -> None:
    root, subject = group.root, f"order:{group.root.id}"
    if group.remaining < 0:
        more = plain(group.remaining.copy_negate())
        says = (
            f"The legs of {root} closed {more} more than it had opened: the position in"
            f" {root.account} has turned round by that."
        )
        open_ = Incident.objects.filter(kind=Kind.OVERSOLD, subject=subject, closed_at__isnull=True)
        if not open_.filter(says=says).exists():
            alarming.alarm(
                Kind.OVERSOLD,
                account=root.account,
                order=root,
                says=says,
                severity=Severity.CRITICAL,
                now=now,
            )
    else:
        alarming.settle(
            Kind.OVERSOLD,
            subject=subject,
            outcome="What the broker said since has mended it.",
            now=now,
        )


def _want_flat(group: Group, *, actor: Actor, now: datetime) -> None:
    root = group.root
    before = projection(root)
    root.flatten_at = now
    reason = "" if actor is not DESK else "Nobody answered in time; the account wants it closed."
    change(root, before, action="order.flatten_asked", actor=actor, now=now, reason=reason)


def _schedule(group: Group, plan: Plan, *, now: datetime) -> None:
    """Say when to look again: soon while something is wanting, else when anything changes."""
    root = group.root
    root.tend_at = None
    if plan.is_settling:
        pause = SOON
        if root.unprotected_since is not None:
            pause = min(max((now - root.unprotected_since) / 4, SOON), LATER)
        root.tend_at = now + pause
    reschedule(root)
    others = [one.id for one in (*group.entries[1:], *group.legs) if one.tend_at is not None]
    Order.objects.filter(id__in=others).update(tend_at=None)
