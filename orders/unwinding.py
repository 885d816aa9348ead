"""What becomes of an exit in two, and the way out of a bracket. Decides; changes nothing."""

from __future__ import annotations

from datetime import timedelta

from brokers.vocabulary import Leg, Status
from orders.covering import (
    Group,
    Part,
    chains,
    heard_again,
    is_proven,
    leaves,
    live,
    may_be_live,
    standing,
    unheard,
)
from orders.measures import (
    BROKER_SEES_TO_IT,
    RETRIES,
    Action,
    Look,
    Place,
    Plan,
    cancel_all,
)
from orders.models import Order
from orders.money import EXACT, ZERO, total
from orders.states import NEVER_LEFT, Submission


def plan_exit(group: Group) -> Plan:
    """An exit in two was placed as one; that its stop is there has to be seen."""
    stops = [one for one in group.legs if one.leg != Leg.EXIT]
    targets = [one for one in group.entries if may_be_live(one)]
    if group.terms.submission != Submission.ACCEPTED:
        return Plan(lacking={})
    if group.remaining <= 0:
        unneeded = [one for one in (*targets, *stops) if may_be_live(one)]
        latest = max(one.changed_at for one in (*group.entries, *group.legs))
        actions: list[Action] = []
        if group.now >= latest + BROKER_SEES_TO_IT:
            actions += cancel_all(unneeded, group)
        waits = any(one.cancel_requested_at is None for one in unneeded)
        return Plan(actions=tuple(actions), lacking={}, is_settling=waits)
    taken_off = any(one.id in group.cancelled_by_people for one in stops)
    if taken_off or any(one.cancel_requested_at is not None for one in targets):
        return Plan(lacking={}, waived=frozenset({Leg.STOP_LOSS}))
    part = Part(covers_from=ZERO, pieces=[*group.entries, *stops])
    shown = total(
        max((leaves(one) for one in standing(chain) if _stands_by(one, part, group)), default=ZERO)
        for chain in chains(stops)
    )
    lacking = max(ZERO, EXACT.subtract(min(live(targets), group.remaining), shown))
    look = [Look(order=group.terms)] if lacking and not any(map(may_be_live, stops)) else []
    return Plan(
        actions=tuple(look),
        lacking={Leg.STOP_LOSS: lacking} if lacking else {},
        is_settling=bool(lacking),
    )


def _stands_by(order: Order, part: Part, group: Group) -> bool:
    """Works, or is held for its sibling, which has the shares."""
    if order.submission == Submission.ACCEPTED and order.status == Status.HELD:
        return not order.submission_code and order.cancel_requested_at is None
    return is_proven(order, part, group)


def plan_flat(group: Group) -> Plan:
    """Close what is left at the market, once nothing else of the bracket may trade."""
    exits = [one for one in group.legs if one.leg == Leg.EXIT]
    others = [*group.entries, *(one for one in group.legs if one.leg != Leg.EXIT)]
    live_ones = [one for one in others if may_be_live(one)]
    # In a halt nothing can be closed: then what protects it stays until it can.
    to_cancel = group.entries if group.is_halted and not group.is_exit else others
    actions: list[Action] = []
    if not (group.is_halted and group.is_exit):
        actions += cancel_all(to_cancel, group)
    remaining = group.remaining
    if remaining > 0 and (unsure := _unsure(group)):
        looks = tuple(Look(order=one) for one in unsure)
        return Plan(actions=(*actions, *looks), lacking={Leg.EXIT: remaining}, is_settling=True)
    if remaining > 0 and not group.is_halted and not [*live_ones, *filter(may_be_live, exits)]:
        lost = [one for one in exits if one.submission not in NEVER_LEFT]
        waits = (timedelta(), *RETRIES)
        if not exits or group.now >= exits[-1].changed_at + waits[min(len(lost), len(RETRIES))]:
            actions.append(
                Place(legs=(Leg.EXIT,), covers_from=ZERO, quantity=remaining, number=len(exits))
            )
    lacking = {Leg.EXIT: remaining} if remaining > 0 else {}
    waits_for = any(one.cancel_requested_at is None for one in live_ones)
    return Plan(
        actions=tuple(actions), lacking=lacking, is_settling=bool(actions or lacking or waits_for)
    )


def _unsure(group: Group) -> list[Order]:
    """Return the orders that may have legs which nobody has told of: they may trade, or have."""
    found = unheard(group.legs, group)
    told = {one.leg for one in group.legs}
    if group.is_native and not group.is_exit and not told.issuperset(group.roles):
        found += [one for one in (group.terms,) if not heard_again(one, group)]
    return found
