"""Says what of a bracket's position is bare, and since when; and when too much of it was closed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from brokers.vocabulary import Leg
from orders import actors, alarming, auditing
from orders.actors import Actor
from orders.covering import Group, may_be_live
from orders.measures import Plan
from orders.models import AuditEvent, Execution, Incident, Severity
from orders.models.account import Unprotected
from orders.money import ZERO, plain
from orders.recording.changing import change, projection

DESK = actors.component("brackets")
ALARM_AFTER = timedelta(seconds=3)  # a person hears of it within five
NAMES = {Leg.STOP_LOSS: "stop", Leg.TAKE_PROFIT: "target", Leg.EXIT: "closing order"}

Kind = Incident.Kind


def say(group: Group, plan: Plan, failures: Iterable[str], *, now: datetime) -> None:
    """Put on record what a bracket lacks, and tell people of what lasts.

    Belongs in the transaction that holds its orders. `failures` is why legs could not be placed.
    """
    root, subject = group.root, f"order:{group.root.id}"
    if plan.unprotected > 0:
        says = _in_words(group, plan, failures)
        if root.unprotected_since is None:
            before = projection(root)
            root.unprotected_since = _since(group, plan, now=now)
            change(root, before, action="order.unprotected", actor=DESK, now=now, reason=says)
        if now >= root.unprotected_since + ALARM_AFTER:
            _alarm(group, plan, says, now=now)
    elif root.unprotected_since is not None:
        before = projection(root)
        root.unprotected_since = None
        outcome = _outcome(group, plan)
        change(root, before, action="order.protected", actor=DESK, now=now, reason=outcome)
        alarming.settle(Kind.UNPROTECTED, subject=subject, outcome=outcome, now=now)
    _say_if_oversold(group, now=now)


def _since(group: Group, plan: Plan, *, now: datetime) -> datetime:
    """Return when its protection began to be wanting: with the first fill that has none, or when
    a leg that stood was lost, whichever was later."""
    since = [group.root.submission_at] if group.is_exit else []
    for one in group.legs:
        if one.leg in plan.lacking and one.broker_order_id:
            if not may_be_live(one) or one.submission_code:
                since.append(one.changed_at)
            elif one.cancel_requested_at is not None:
                since.append(one.cancel_requested_at)
    bare_from, counted = group.filled - plan.unprotected, ZERO
    for trade in Execution.objects.filter(order__in=group.entries).order_by("id"):
        counted += trade.quantity
        if counted > bare_from:
            since.append(trade.heard_at)
            break
    return min(max(since, default=now), now)


def _outcome(group: Group, plan: Plan) -> str:
    if group.remaining <= 0:
        return "Nothing is left of it to protect."
    if plan.waived:
        names = " and ".join(NAMES[leg] for leg in sorted(plan.waived, reverse=True))
        return f"What was wanting of its protection somebody has taken off: the {names}."
    return "What it filled is protected, as the broker shows."


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


def _is_to_close(group: Group, plan: Plan) -> bool:
    """Whether the account wants it closed. A lost target is no reason, while the stop stands."""
    if group.root.account.unprotected != Unprotected.FLATTEN or group.root.flatten_at is not None:
        return False
    return Leg.STOP_LOSS in plan.lacking or Leg.STOP_LOSS not in group.roles


def _alarm(group: Group, plan: Plan, says: str, *, now: datetime) -> None:
    root = group.root
    of_this = Incident.objects.filter(kind=Kind.UNPROTECTED, subject=f"order:{root.id}")
    known = of_this.open().first()
    account = root.account
    if known is None and _is_closed_by_people(group):
        return  # and said how it ended
    if known is not None:
        if known.acknowledged_at is not None or now < known.last_seen_at + account.answer_within:
            if says not in known.says:
                auditing.hold(account.id)  # as for every incident: first the chain, then its row
                Incident.objects.filter(id=known.id).update(says=says)
            return
        if _is_to_close(group, plan):
            want_flat(group, actor=DESK, now=now)
        says = f"Nobody has answered for {int((now - known.opened_at).total_seconds())} s. {says}"
    alarming.alarm(
        Kind.UNPROTECTED,
        account=account,
        order=root,
        says=says,
        severity=Severity.CRITICAL,
        now=now,
    )


def _is_closed_by_people(group: Group) -> bool:
    """Whether somebody has closed the incident of what is bare now."""
    root = group.root
    closed = Incident.objects.filter(
        kind=Kind.UNPROTECTED, subject=f"order:{root.id}", closed_at__gte=root.unprotected_since
    )
    subjects = [f"incident:{number}" for number in closed.values_list("id", flat=True)]
    return AuditEvent.objects.filter(
        action="incident.closed",
        subject__in=subjects,
        order_id=root.id,
        actor_kind__in=[AuditEvent.ActorKind.PERSON, AuditEvent.ActorKind.API_KEY],
    ).exists()


def _say_if_oversold(group: Group, *, now: datetime) -> None:
    root, subject = group.root, f"order:{group.root.id}"
    is_ours = group.root.strategy or group.root.flatten_at is not None
    if is_ours and group.oversold > 0:
        more = plain(group.oversold)
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


def want_flat(group: Group, *, actor: Actor, now: datetime) -> None:
    """Put on record that what a bracket opened is to be closed."""
    root = group.root
    before = projection(root)
    root.flatten_at = now
    reason = "" if actor is not DESK else "Nobody answered in time; the account wants it closed."
    change(root, before, action="order.flatten_asked", actor=actor, now=now, reason=reason)
