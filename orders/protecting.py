"""What protects a bracket's position, and what is to be done about it. Decides; changes nothing.

Everything here is read off the orders as they stand (`orders.covering`), so it may be asked again
at any time, and after any interruption.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.vocabulary import Leg, OrderClass, Status
from orders.covering import (
    Cover,
    Group,
    Part,
    chains,
    cover,
    failures,
    leaves,
    live,
    live_pair,
    may_be_live,
    proven,
    standing,
    unheard,
    waived,
)
from orders.measures import (
    ASK_AGAIN,
    BROKER_SEES_TO_IT,
    RETRIES,
    SELDOM,
    Action,
    Cancel,
    Look,
    Place,
    Plan,
    Resize,
    cancel,
    cancel_all,
)
from orders.models import Order
from orders.money import EXACT, ZERO, total
from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT
from orders.unwinding import plan_exit, plan_flat


def plan(group: Group) -> Plan:
    """Return what a bracket's position lacks, and what to do about it now."""
    if group.root.flatten_at is not None:
        return plan_flat(group)
    if group.is_exit:
        return plan_exit(group)
    if not group.root.strategy:
        return Plan(lacking={})  # entered elsewhere: whoever did that sees to its legs
    covered = cover(group)
    actions: list[Action] = list(_next_part(group, covered))
    lacking = dict.fromkeys(group.roles, covered.bare)
    taken_off: set[Leg] = set()
    is_held_back = waits = False
    for part in covered.parts:
        if part.remaining <= 0:
            unneeded = _unneeded(part, group)
            actions += _cancels(unneeded, group)
            waits |= any(one.cancel_requested_at is None for one in unneeded)
            continue
        off = waived(part, group)
        taken_off |= off
        for leg in group.roles:
            if leg in off:
                continue
            short = EXACT.subtract(part.remaining, proven(part, leg, group))
            lacking[leg] = EXACT.add(lacking[leg], max(ZERO, short))
            held = [one for one in part.of(leg) if one.status == Status.HELD]
            if short > 0 and held:
                is_held_back = True
                actions += [Look(order=one) for one in held if not group.is_entering]
        actions += _changes(part, off, group)
    actions = list(_within_reason(actions, group, covered))
    lacking = {leg: amount for leg, amount in lacking.items() if amount > 0}
    return Plan(
        actions=tuple(actions),
        lacking=lacking,
        waived=frozenset(taken_off),
        is_held_back=is_held_back,
        is_settling=bool(actions or lacking or waits) or _waits(group),
    )


def _within_reason(actions: Iterable[Action], group: Group, covered: Cover) -> Iterable[Action]:
    """Let out no more than is left of the position, whatever may be live for other fills of it:
    what is too large there may be in doubt, or be on its way out."""
    left = {leg: max(ZERO, group.remaining) for leg in Leg}
    for part in covered.parts:
        paired = total(live_pair(part, pair) for pair in part.pairs)
        heads = {one.id for one in part.pieces if one.order_class == OrderClass.OCO}
        for leg in group.roles:
            alone = [
                one for one in part.of(leg) if one.id not in heads and one.parent_id not in heads
            ]
            left[leg] = EXACT.subtract(left[leg], EXACT.add(paired, live(alone)))
    for action in actions:
        if not isinstance(action, Place):
            yield action
            continue
        quantity = min(action.quantity, *(left[leg] for leg in action.legs))
        if quantity > 0:
            yield replace(action, quantity=quantity)
            for leg in action.legs:
                left[leg] = EXACT.subtract(left[leg], quantity)


def _waits(group: Group) -> bool:
    """Whether something is put off that no change of an order would bring up again."""
    refused = any(
        may_be_live(one)
        and one.cancel_requested_at is None
        and one.cancel_refused
        and group.now < one.changed_at + ASK_AGAIN
        for one in group.legs
    )
    return refused or (group.is_halted and group.remaining > 0)


def _next_part(group: Group, covered: Cover) -> Iterable[Place]:
    if group.is_native or group.is_halted or covered.bare <= 0:
        return
    if any(leg.submission in UNSENT for leg in group.legs):
        return  # more may fill until they have left: then one part will do for all of it
    both = group.pairs and len(group.roles) > 1
    legs = group.roles if both else group.roles[:1]
    yield Place(legs=legs, covers_from=covered.bare_from, quantity=covered.bare, number=0)


# What protects nothing any more -----------------------------------------------------------


def _unneeded(part: Part, group: Group) -> list[Order]:
    """Return what may still be live of a part of which nothing is left."""
    return [
        one
        for one in part.pieces
        if may_be_live(one)
        # The broker's own legs are there for what the entry has yet to fill, too.
        and not (one.covers_from is None and group.is_native and group.is_entering)
    ]


def _cancels(orders: Iterable[Order], group: Group) -> Iterable[Cancel]:
    latest = max(one.changed_at for one in (*group.entries, *group.legs))
    for one in orders:
        if one.covers_from is None and group.now < latest + BROKER_SEES_TO_IT:
            continue
        yield from cancel(one, group)


# Size, and what was lost ------------------------------------------------------------------


def _changes(part: Part, off: Collection[Leg], group: Group) -> list[Action]:
    """Return what to do about a part of which something is left to protect."""
    pairs = part.pairs
    if pairs:
        return list(_mend_pairs(part, pairs, off, group))
    actions: list[Action] = []
    for leg in group.roles:
        actions += _resizes(part, leg, off, group)
    if ended := unheard(part.pieces, group):
        return [*actions, *(Look(order=one) for one in ended)]
    actions += _repairs(part, off, group)
    return actions


def _mend_pairs(
    part: Part, pairs: Sequence[Sequence[Order]], off: Collection[Leg], group: Group
) -> Iterable[Action]:
    """Keep pairs to size, and end one of which the broker has lost the stop.

    Its parts can't be changed for themselves. Too much would turn the position round, and without
    its stop it protects nothing: better nothing for a moment, and then right.
    """
    surplus = EXACT.subtract(total(live_pair(part, pair) for pair in pairs), part.remaining)
    for pair in pairs:
        if Leg.STOP_LOSS not in off and _lost_its_stop(part, pair, group):
            yield from cancel_all(pair, group)
    if surplus > 0:
        yield from cancel_all(pairs[-1], group)
    elif ended := unheard(part.pieces, group):
        yield from (Look(order=one) for one in ended)
    elif surplus < 0 and not off and not group.is_halted and _may_try(part, Leg.TAKE_PROFIT, group):
        yield _place(part, group.roles, quantity=-surplus)


def _lost_its_stop(part: Part, pair: Sequence[Order], group: Group) -> bool:
    stops = part.stops_of(pair)
    if not stops or any(map(may_be_live, stops)):
        return False  # never told of yet, or there
    ended = _last_ended(stops)
    if ended.status == Status.FILLED:
        return False
    # What took the place of one may have yet to be told of.
    patience = BROKER_SEES_TO_IT if ended.status == Status.REPLACED else RETRIES[0]
    return group.now >= ended.changed_at + patience


def _resizes(part: Part, leg: Leg, off: Collection[Leg], group: Group) -> Iterable[Action]:
    """Bring a leg of this desk's to the size of what is left."""
    pieces = [one for one in part.of(leg) if one.covers_from is not None]
    amount = live(part.of(leg))
    surplus = EXACT.subtract(amount, part.remaining)
    if not surplus or not amount:
        return  # of the right size; or lost, which is another matter
    if any(one.replaces_id and one.submission in UNSENT | IN_FLIGHT for one in pieces):
        return  # one change at a time
    at_work = [
        one
        for chain in chains(pieces)
        for one in standing(chain)
        if one.is_replaceable and one.status != Status.HELD
    ]
    if not at_work:
        return
    largest = max(at_work, key=leaves)
    quantity = EXACT.subtract(largest.quantity or ZERO, surplus)
    if quantity <= largest.filled_quantity:
        yield from cancel(largest, group)
    elif group.resizes and not _was_refused(largest, quantity, pieces):
        if not group.is_halted:
            tried = sum(one.replaces_id == largest.id for one in pieces)
            yield Resize(order=largest, quantity=quantity, number=tried)
    elif surplus > 0:
        # Too much would turn the position round: better nothing for a moment, and then right.
        yield from cancel(largest, group)
    elif leg not in off and not group.is_halted and _may_try(part, leg, group):
        yield _place(part, (leg,), quantity=-surplus)


def _was_refused(order: Order, quantity: Decimal, pieces: Iterable[Order]) -> bool:
    left = EXACT.subtract(quantity, order.filled_quantity)
    return any(
        one.replaces_id == order.id
        and one.quantity == left
        and not may_be_live(one)
        and one.submission not in NEVER_LEFT
        for one in pieces
    )


def _repairs(part: Part, off: Collection[Leg], group: Group) -> Iterable[Action]:
    """Let out the legs that this part has lost, or has yet to get."""
    missing = [leg for leg in group.roles if leg not in off and not live(part.of(leg))]
    if group.is_native:
        untold = [leg for leg in missing if not part.of(leg)]
        if untold:
            # Not told of is not lost: it may work, or have closed what is left.
            yield Look(order=group.terms)
            return
    if group.is_halted or not missing:
        return
    due = [leg for leg in missing if _may_try(part, leg, group)]
    if group.pairs and len(missing) > 1:
        if due == missing:
            yield _place(part, tuple(missing), quantity=part.remaining)
        return
    targets = [one for one in part.of(Leg.TAKE_PROFIT) if may_be_live(one)]
    if group.pairs and due == [Leg.STOP_LOSS] and targets:
        # What is to be sold may be set aside for the target: the two go out again as a pair.
        yield from cancel_all(targets, group)
        return
    for leg in due:
        if leg == Leg.TAKE_PROFIT and not _stop_stands(part, off, group):
            continue  # the stop comes first
        yield _place(part, (leg,), quantity=part.remaining)


def _place(part: Part, legs: tuple[Leg, ...], *, quantity: Decimal) -> Place:
    number = max(_tries(part, leg) for leg in legs)
    return Place(legs=legs, covers_from=part.covers_from, quantity=quantity, number=number)


def _tries(part: Part, leg: Leg) -> int:
    """Return how often this desk has let a leg out for a part."""
    return sum(
        one.covers_from is not None and one.replaces_id is None
        for one in part.pieces
        if one.leg == leg or one.order_class == OrderClass.OCO
    )


def _may_try(part: Part, leg: Leg, group: Group) -> bool:
    """Whether a leg is to be let out again now. The first time, nothing speaks against it."""
    ended = [one for one in part.of(leg) if not may_be_live(one)]
    if not ended:
        return True
    lost, latest = failures(part, leg), _last_ended(ended)
    waits = (*RETRIES, SELDOM)
    if latest.status == Status.REPLACED:
        wait = BROKER_SEES_TO_IT  # what took its place may have yet to be told of
    elif lost:
        wait = waits[min(len(lost), len(waits)) - 1]
    elif latest.submission in NEVER_LEFT:
        wait = RETRIES[0]  # what was kept here is tried again, but not over and over
    else:
        return True
    return group.now >= latest.changed_at + wait


def _last_ended(orders: Sequence[Order]) -> Order:
    return max(reversed(orders), key=lambda one: one.changed_at)  # the newer of two at once


def is_given_up(part: Part, leg: Leg) -> bool:
    """Whether a leg was tried for so often that only a person can help."""
    return len(failures(part, leg)) > len(RETRIES)


def _stop_stands(part: Part, off: Collection[Leg], group: Group) -> bool:
    if Leg.STOP_LOSS not in group.roles or Leg.STOP_LOSS in off:
        return True
    return proven(part, Leg.STOP_LOSS, group) > 0 or is_given_up(part, Leg.STOP_LOSS)
