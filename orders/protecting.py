"""What protects a bracket's position, and what is to be done about it. Decides; changes nothing.

A bracket's entry fills; its legs are to protect just what it filled. Where this desk lets the legs
out itself, it does so a part at a time, each for the fills since the part before: a stop and a
target of one size, of which what the one fills is taken off the other. Where the broker has the
legs, they are one part. Everything here is read off the orders as they stand, so it may be asked
again at any time, and after any interruption.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from brokers.passport import Strategy
from brokers.vocabulary import TERMINAL, Leg, OrderClass, Status
from orders.models import Order
from orders.money import EXACT, ZERO, total
from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT, Submission

RETRIES = tuple(timedelta(seconds=s) for s in (1, 5, 30))  # after a leg is lost, one after another
BROKER_SEES_TO_IT = timedelta(seconds=5)  # to cancel the sibling of a leg of its own that filled

COMING = frozenset({Submission.READY, Submission.AWAITING_APPROVAL, Submission.SENDING})
# Said of an order that the broker has and works, or will work when its moment comes.
AT_WORK = frozenset(
    {
        Status.PENDING_NEW,
        Status.ACCEPTED,
        Status.NEW,
        Status.PARTIALLY_FILLED,
        Status.STOPPED,
        Status.DONE_FOR_DAY,
        Status.CALCULATED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Let a leg out; with both legs, as a pair of which the broker cancels one when one fills."""

    legs: tuple[Leg, ...]
    covers_from: Decimal
    quantity: Decimal
    number: int  # of the tries for these fills


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Replace a leg by one for another total."""

    order: Order
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel what protects nothing any more."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask the broker for an order: it has not told of its legs."""

    order: Order


Action = Place | Resize | Cancel | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A bracket's orders: its entry with all that replaced it, and every leg, each oldest first."""

    entries: Sequence[Order]
    legs: Sequence[Order]
    cancelled_by_people: Collection[UUID] = ()  # of the legs
    pairs: bool = False  # the broker keeps pairs together itself
    is_halted: bool = False
    now: datetime

    @property
    def root(self) -> Order:
        return self.entries[0]

    @property
    def terms(self) -> Order:
        """The entry whose word on the legs counts: the newest that the broker has."""
        taken = [one for one in self.entries if one.submission == Submission.ACCEPTED]
        return taken[-1] if taken else self.entries[0]

    @property
    def roles(self) -> tuple[Leg, ...]:
        """The legs that were asked for, the stop before the target."""
        asked = {
            Leg.STOP_LOSS: self.terms.stop_loss_price,
            Leg.TAKE_PROFIT: self.terms.take_profit_price,
        }
        return tuple(leg for leg, price in asked.items() if price is not None)

    @property
    def is_native(self) -> bool:
        return self.root.strategy == Strategy.NATIVE

    @property
    def is_exit(self) -> bool:
        """Not an entry with legs, but an exit in two: it protects what was held before."""
        return self.root.order_class == OrderClass.OCO

    @property
    def filled(self) -> Decimal:
        return total(one.filled_quantity for one in self.entries)

    @property
    def closed(self) -> Decimal:
        """What the legs have filled."""
        return total(one.filled_quantity for one in self.legs)

    @property
    def remaining(self) -> Decimal:
        """What is left of the position. Below zero: more was closed than had been opened."""
        if self.is_exit:
            wanted = self.terms.quantity or ZERO
            return EXACT.subtract(wanted, EXACT.add(self.filled, self.closed))
        return EXACT.subtract(self.filled, self.closed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is so, and what is to be done."""

    actions: tuple[Action, ...]
    lacking: dict[Leg, Decimal]  # by leg, what it should protect and does not, for all we know
    is_held_back: bool = False  # the broker has the legs, and does not work them yet
    is_settling: bool = False  # something is under way: look again soon

    @property
    def unprotected(self) -> Decimal:
        return max(self.lacking.values(), default=ZERO)


@dataclass(slots=True, kw_only=True)
class Part:
    """The legs for some of the entry's fills."""

    covers_from: Decimal
    quantity: Decimal
    pieces: list[Order] = field(default_factory=list)

    def of(self, leg: Leg) -> list[Order]:
        return [one for one in self.pieces if one.leg == leg]

    @property
    def pair(self) -> Order | None:
        """The target of a pair that the broker keeps together, while it may be live."""
        pairs = (one for one in self.pieces if one.order_class == OrderClass.OCO)
        return next((one for one in pairs if may_be_live(one)), None)

    def remaining(self, filled: Decimal) -> Decimal:
        """What is left to protect here, of an entry that has filled so much."""
        covered = max(ZERO, min(self.quantity, EXACT.subtract(filled, self.covers_from)))
        return EXACT.subtract(covered, total(one.filled_quantity for one in self.pieces))


def may_be_live(order: Order) -> bool:
    """Whether an order is, or may be, or may yet become live at its broker."""
    if order.submission == Submission.ACCEPTED:
        return order.status not in TERMINAL
    return order.submission in UNSENT | IN_FLIGHT


def plan(group: Group) -> Plan:
    """Return what a bracket's position lacks, and what to do about it now."""
    if group.is_exit:
        return _plan_exit(group)
    if group.root.flatten_at is not None:
        return _plan_flat(group)
    parts = _parts(group)
    actions: list[Action] = list(_next_part(group, parts))
    opening = [a for a in actions if isinstance(a, Place)]
    lacking = dict.fromkeys(group.roles, EXACT.subtract(group.filled, _covered(group, parts)))
    held_back = False
    for part in parts:
        remaining = part.remaining(group.filled)
        if remaining <= 0:
            actions += _cancels(part.pieces, group)
            continue
        waived = _waived(part, group)
        for leg in group.roles:
            if leg in waived:
                continue
            proven = _proven(part, leg, group)
            lacking[leg] = EXACT.add(lacking[leg], max(ZERO, EXACT.subtract(remaining, proven)))
            held_back |= any(one.status == Status.HELD for one in part.of(leg)) and not proven
            actions += _resizes(part, leg, remaining, group)
        actions += _repairs(part, remaining, waived, group)
    lacking = {leg: amount for leg, amount in lacking.items() if amount > 0}
    return Plan(
        actions=tuple(actions),
        lacking=lacking,
        is_held_back=held_back,
        is_settling=bool(actions or opening or lacking),
    )


# The parts ----------------------------------------------------------------------------


def _parts(group: Group) -> list[Part]:
    parts: dict[Decimal, Part] = {}
    keys: dict[UUID, Decimal] = {}
    for leg in group.legs:
        if leg.leg == Leg.EXIT:
            continue
        # What the broker lets out itself is for everything; the stop of a pair goes with its pair.
        key = leg.covers_from
        if key is None:
            key = keys.get(leg.parent_id, ZERO) if leg.parent_id else ZERO
        keys[leg.id] = key
        part = parts.setdefault(key, Part(covers_from=key, quantity=ZERO))
        part.pieces.append(leg)
        if leg.replaces_id is None and not group.is_native:
            part.quantity = max(part.quantity, leg.quantity or ZERO)
    if group.is_native and group.filled > 0:
        parts.setdefault(ZERO, Part(covers_from=ZERO, quantity=ZERO))
    if group.is_native:
        for part in parts.values():
            part.quantity = group.filled
    return sorted(parts.values(), key=lambda part: part.covers_from)


def _covered(group: Group, parts: Iterable[Part]) -> Decimal:
    """Return up to where the entry's fills have parts."""
    ends = (EXACT.add(part.covers_from, part.quantity) for part in parts)
    return min(group.filled, max(ends, default=ZERO))


def _next_part(group: Group, parts: list[Part]) -> Iterable[Place]:
    covered = _covered(group, parts)
    if group.is_native or group.is_halted or group.filled <= covered:
        return
    if any(leg.submission in COMING for leg in group.legs):
        return  # more may fill until they have left: then one part will do for all of it
    quantity = EXACT.subtract(group.filled, covered)
    legs = group.roles if group.pairs and len(group.roles) > 1 else group.roles[:1]
    yield Place(legs=legs, covers_from=covered, quantity=quantity, number=0)


def _waived(part: Part, group: Group) -> frozenset[Leg]:
    """Return the legs that somebody has taken off on purpose."""
    taken_off = [one for one in part.pieces if one.id in group.cancelled_by_people]
    if any(one.covers_from is None or one.order_class == OrderClass.OCO for one in taken_off):
        return frozenset(Leg)  # the broker cancels both of a pair
    return frozenset(Leg(one.leg) for one in taken_off)


# What is live of a part, and what is proven ---------------------------------------------


def _chains(pieces: Iterable[Order]) -> list[list[Order]]:
    """Return orders by the chains of replaces that they form."""
    chains: dict[UUID, list[Order]] = {}
    for one in pieces:
        chain = chains.get(one.replaces_id, []) if one.replaces_id else []
        chain.append(one)
        chains[one.id] = chain
    return list({id(chain): chain for chain in chains.values()}.values())


def _live(pieces: Iterable[Order]) -> Decimal:
    """Return the most that may be live: of an order and its replace, one is."""
    return total(
        max((_leaves(one) for one in chain if may_be_live(one)), default=ZERO)
        for chain in _chains(pieces)
    )


def _proven(part: Part, leg: Leg, group: Group) -> Decimal:
    return total(
        max((_leaves(one) for one in chain if _is_proven(one, group)), default=ZERO)
        for chain in _chains(part.of(leg))
    )


def _is_proven(order: Order, group: Group) -> bool:
    """Whether the broker has shown that it works a leg. Silence and denials prove nothing."""
    if order.submission != Submission.ACCEPTED or order.submission_code:
        return False
    if order.cancel_requested_at is not None:
        return False
    if order.status == Status.HELD:
        # Held for its sibling, once the entry is whole; before that, held and of no use.
        is_of_pair = any(one.id == order.parent_id for one in group.legs)
        return is_of_pair or group.terms.status == Status.FILLED
    return order.status in AT_WORK


def _leaves(order: Order) -> Decimal:
    return order.leaves_quantity or ZERO


# What is to be done ---------------------------------------------------------------------


def _cancels(pieces: Iterable[Order], group: Group) -> Iterable[Cancel]:
    """Cancel what may still be live though there is nothing left for it to protect."""
    for one in pieces:
        if not may_be_live(one) or one.cancel_requested_at is not None:
            continue
        is_brokers = one.covers_from is None
        if is_brokers and group.now < _latest(group) + BROKER_SEES_TO_IT:
            continue
        yield Cancel(order=one)


def _latest(group: Group) -> datetime:
    return max(one.changed_at for one in (*group.entries, *group.legs))


def _resizes(part: Part, leg: Leg, remaining: Decimal, group: Group) -> Iterable[Action]:
    """Bring a leg to the size of what is left. A pair's sizes are its broker's affair."""
    pieces = [one for one in part.of(leg) if one.covers_from is not None]
    if not pieces or part.pair is not None:
        return
    surplus = EXACT.subtract(_live(part.of(leg)), remaining)
    at_work = [one for one in pieces if one.is_replaceable and one.status != Status.HELD]
    if not surplus or not at_work or _live(pieces) == 0:
        return
    if any(one.replaces_id and one.submission in UNSENT | IN_FLIGHT for one in pieces):
        return  # one change at a time
    largest = max(at_work, key=_leaves)
    quantity = EXACT.subtract(largest.quantity or ZERO, surplus)
    if quantity <= largest.filled_quantity:
        yield Cancel(order=largest)
    elif _was_refused(largest, quantity, pieces):
        if surplus > 0:
            # Too much would turn the position round: better nothing for a moment, and then right.
            yield Cancel(order=largest)
    elif not group.is_halted:
        yield Resize(order=largest, quantity=quantity)


def _was_refused(order: Order, quantity: Decimal, pieces: Iterable[Order]) -> bool:
    left = EXACT.subtract(quantity, order.filled_quantity)
    return any(
        one.replaces_id == order.id and one.quantity == left and not may_be_live(one)
        for one in pieces
    )


def _repairs(
    part: Part, remaining: Decimal, waived: Collection[Leg], group: Group
) -> Iterable[Action]:
    """Let out the legs that this part has lost, or has yet to get."""
    missing = [leg for leg in group.roles if leg not in waived and _is_missing(part, leg)]
    if group.is_native:
        untold = [leg for leg in missing if not part.of(leg)]
        if untold:
            yield Look(order=group.terms)
            return
    if group.is_halted or not missing:
        return
    due = [leg for leg in missing if _may_try(part, leg, group)]
    if group.pairs and len(due) > 1:
        number = max(_tries(part, leg) for leg in due)
        yield Place(
            legs=tuple(due), covers_from=part.covers_from, quantity=remaining, number=number
        )
        return
    for leg in due:
        if leg == Leg.TAKE_PROFIT and not _stop_stands(part, waived, group):
            continue  # the stop comes first
        yield Place(
            legs=(leg,),
            covers_from=part.covers_from,
            quantity=remaining,
            number=_tries(part, leg),
        )


def _is_missing(part: Part, leg: Leg) -> bool:
    if part.pair is not None:
        return False  # it comes with the pair, or is told soon
    return _live(part.of(leg)) == 0


def _tries(part: Part, leg: Leg) -> int:
    """Return how often this desk has let a leg out for a part."""
    return sum(
        one.covers_from is not None and one.replaces_id is None
        for one in part.pieces
        if one.leg == leg or one.order_class == OrderClass.OCO
    )


def _may_try(part: Part, leg: Leg, group: Group) -> bool:
    """Whether a lost leg is to be tried again now. The first time, nothing speaks against it."""
    ended = [one for one in part.of(leg) if not may_be_live(one)]
    if not ended:
        return True
    # What a halt kept here was never tried.
    tried = [one for one in ended if one.covers_from is None or one.submission not in NEVER_LEFT]
    wait = RETRIES[min(len(tried), len(RETRIES)) - 1] if tried else RETRIES[0]
    return len(tried) <= len(RETRIES) and group.now >= ended[-1].changed_at + wait


def is_given_up(part: Part, leg: Leg) -> bool:
    """Whether a leg was tried for so often that only a person can help."""
    ended = [one for one in part.of(leg) if not may_be_live(one)]
    return len(ended) > len(RETRIES)


def _stop_stands(part: Part, waived: Collection[Leg], group: Group) -> bool:
    if Leg.STOP_LOSS not in group.roles or Leg.STOP_LOSS in waived:
        return True
    return _proven(part, Leg.STOP_LOSS, group) > 0 or is_given_up(part, Leg.STOP_LOSS)


# An exit in two, and a way out ------------------------------------------------------------


def _plan_exit(group: Group) -> Plan:
    """An exit in two was placed as one; that its stop is there has to be seen."""
    live = _live(group.entries)
    proven = total(_leaves(one) for one in group.legs if _is_proven(one, group) or _waits(one))
    lacking = max(ZERO, EXACT.subtract(live, proven)) if _is_taken(group) else ZERO
    actions: tuple[Action, ...] = ()
    if lacking and not group.legs:
        actions = (Look(order=group.terms),)
    return Plan(
        actions=actions,
        lacking={Leg.STOP_LOSS: lacking} if lacking else {},
        is_settling=bool(lacking),
    )


def _is_taken(group: Group) -> bool:
    return group.terms.submission == Submission.ACCEPTED


def _waits(order: Order) -> bool:
    """Held for its sibling, which has the shares."""
    return order.submission == Submission.ACCEPTED and order.status == Status.HELD


def _plan_flat(group: Group) -> Plan:
    """Close what is left at the market, once nothing else of the bracket may trade."""
    exits = [one for one in group.legs if one.leg == Leg.EXIT]
    others = [*group.entries, *(one for one in group.legs if one.leg != Leg.EXIT)]
    live = [one for one in others if may_be_live(one)]
    actions: list[Action] = [Cancel(order=one) for one in live if one.cancel_requested_at is None]
    remaining = group.remaining
    if remaining > 0 and not live and not any(map(may_be_live, exits)) and not group.is_halted:
        waited = RETRIES[min(len(exits), len(RETRIES)) - 1] if exits else timedelta()
        if not exits or group.now >= exits[-1].changed_at + waited:
            actions.append(
                Place(legs=(Leg.EXIT,), covers_from=ZERO, quantity=remaining, number=len(exits))
            )
    lacking = {Leg.EXIT: remaining} if remaining > 0 else {}
    return Plan(actions=tuple(actions), lacking=lacking, is_settling=bool(actions or lacking))
