"""What covers which of a bracket's fills, and how sure that is. Reads orders; changes nothing.

A bracket's entry fills; its legs are to protect just what it filled. Where this desk lets the legs
out itself, it does so a part at a time, each for the fills since the part before: a stop and a
target of one size, of which what the one fills is taken off the other. Where the broker has the
legs, they are one part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from brokers.passport import Strategy
from brokers.vocabulary import TERMINAL, Leg, OrderClass, Status
from orders.deriving import Flag
from orders.models import Order
from orders.money import EXACT, ZERO, total
from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT, Submission

TOGETHER = timedelta(seconds=60)  # a pair whose legs end so close to each other ended as one
HEARD_AGAIN = timedelta(seconds=5)  # the least time after which a pair had no stop
SETTLED_IN = timedelta(seconds=60)  # a leg that worked so long was not refused in disguise

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
class Group:
    """A bracket's orders: its entry with all that replaced it, and every leg, each oldest first."""

    entries: Sequence[Order]
    legs: Sequence[Order]
    cancelled_by_people: Collection[UUID] = ()  # of the legs
    pairs: bool = False  # the broker keeps pairs together itself
    resizes: bool = True  # the broker changes the quantity of a working order
    is_halted: bool = False
    now: datetime

    @property
    def root(self) -> Order:
        return next(one for one in self.entries if one.replaces_id is None)

    @property
    def terms(self) -> Order:
        """The entry whose word on the legs counts: the newest that the broker has."""
        taken = [one for one in self.entries if one.submission == Submission.ACCEPTED]
        return taken[-1] if taken else self.root

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
    def is_entering(self) -> bool:
        """The entry may fill more yet, as far as anyone has said."""
        return any(map(may_be_live, self.entries))

    @property
    def filled(self) -> Decimal:
        return total(one.filled_quantity for one in self.entries)

    @property
    def closed(self) -> Decimal:
        """What the legs have filled, as their trades show."""
        return total(one.filled_quantity for one in self.legs)

    @property
    def remaining(self) -> Decimal:
        """What is left of the position, for all that the broker says."""
        return self._less(total(done(one) for one in self.legs))

    @property
    def oversold(self) -> Decimal:
        """How much more was closed than had been opened, as its trades show."""
        return max(ZERO, -self._less(self.closed))

    def _less(self, closed: Decimal) -> Decimal:
        opened = EXACT.subtract(self._wanted, self.filled) if self.is_exit else self.filled
        return EXACT.subtract(opened, closed)

    @property
    def _wanted(self) -> Decimal:
        """What an exit is to close in all: its newest order works what those before had left."""
        by_id = {one.id: one for one in self.entries}
        one, wanted = self.terms, self.terms.quantity or ZERO
        while one.replaces_id in by_id:
            wanted = EXACT.add(wanted, one.replaces_filled or ZERO)
            one = by_id[one.replaces_id]
        return wanted


@dataclass(slots=True, kw_only=True)
class Part:
    """The legs for some of the entry's fills."""

    covers_from: Decimal
    quantity: Decimal = ZERO
    remaining: Decimal = ZERO  # what is left of it to protect
    pieces: list[Order] = field(default_factory=list)

    def of(self, leg: Leg) -> list[Order]:
        return [one for one in self.pieces if one.leg == leg]

    @property
    def pairs(self) -> list[list[Order]]:
        """The pairs that the broker keeps together and that may be live, each as the chain of its
        targets: those that replaced one another."""
        heads = [one for one in self.pieces if one.order_class == OrderClass.OCO]
        return [chain for chain in chains(heads) if any(map(may_be_live, chain))]

    def stops_of(self, pair: Collection[Order]) -> list[Order]:
        """Return the other halves of a pair, as the broker told of them."""
        heads = {one.id for one in pair}
        return [one for one in self.pieces if one.parent_id in heads]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A bracket's legs by the fills that they protect, and the fills that have none yet."""

    parts: Sequence[Part]  # in the order of the fills
    bare_from: Decimal
    bare: Decimal


def cover(group: Group) -> Cover:
    """Return which legs stand for which fills."""
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
        part = parts.setdefault(key, Part(covers_from=key))
        part.pieces.append(leg)
        if leg.replaces_id is None and leg.covers_from is not None:
            part.quantity = max(part.quantity, leg.quantity or ZERO)
    if group.is_native and group.filled > 0:
        parts.setdefault(ZERO, Part(covers_from=ZERO))
    if group.is_native:
        for part in parts.values():
            part.quantity = group.filled
    found = sorted(parts.values(), key=lambda part: part.covers_from)
    ends = (EXACT.add(part.covers_from, part.quantity) for part in found)
    covered = min(group.filled, max(ends, default=ZERO))
    over = _share_out(found, group.filled)
    return Cover(
        parts=found,
        bare_from=covered,
        bare=max(ZERO, EXACT.subtract(EXACT.subtract(group.filled, covered), over)),
    )


def _share_out(parts: Sequence[Part], filled: Decimal) -> Decimal:
    """Say what is left of each part. Returns what was closed beyond all of them.

    What the legs of one part closed too much is taken off the others: it is one position.
    """
    over = ZERO
    for part in parts:
        covered = max(ZERO, min(part.quantity, EXACT.subtract(filled, part.covers_from)))
        closed = total(done(one) for one in part.pieces)
        part.remaining = max(ZERO, EXACT.subtract(covered, closed))
        over = EXACT.add(over, max(ZERO, EXACT.subtract(closed, covered)))
    for part in reversed(parts):
        taken = min(over, part.remaining)
        part.remaining = EXACT.subtract(part.remaining, taken)
        over = EXACT.subtract(over, taken)
    return over


# What is live, and what is proven --------------------------------------------------------


def may_be_live(order: Order) -> bool:
    """Whether an order is, or may be, or may yet become live at its broker."""
    if order.submission == Submission.ACCEPTED:
        return order.status not in TERMINAL
    return order.submission in UNSENT | IN_FLIGHT


def chains(pieces: Iterable[Order]) -> list[list[Order]]:
    """Return orders by the chains of replaces that they form, each with its first order first."""
    known = {one.id: one for one in pieces}
    found: dict[UUID, list[Order]] = {}
    for one in known.values():
        first = one
        while first.replaces_id in known:
            first = known[first.replaces_id]
        found.setdefault(first.id, []).append(one)
    return list(found.values())


def done(order: Order) -> Decimal:
    """Return what a leg has closed: what the broker claims counts before its trades are told, or
    another would be let out for it. A trade taken back, the trades alone show at once."""
    if Flag.HAS_BUST in order.flags:
        return order.filled_quantity
    return max(order.filled_quantity, order.claimed_quantity)


def leaves(order: Order) -> Decimal:
    return max(ZERO, EXACT.subtract(order.quantity or ZERO, done(order)))


def standing(chain: Sequence[Order]) -> list[Order]:
    """Return the orders of a chain but those whose replace the broker has taken: they are gone,
    though it may have yet to say so. A replace that it rejects leaves the old one as it was."""
    gone = {
        one.replaces_id
        for one in chain
        if one.submission == Submission.ACCEPTED and one.status != Status.REJECTED
    }
    return [one for one in chain if one.id not in gone]


def live(pieces: Iterable[Order]) -> Decimal:
    """Return the most that may be live: of an order and its replace, one is."""
    return total(
        max((leaves(one) for one in standing(chain) if may_be_live(one)), default=ZERO)
        for chain in chains(pieces)
    )


def live_pair(part: Part, pair: Sequence[Order]) -> Decimal:
    """Return how much a pair may still close: what its stop filled is off its target too."""
    stopped = total(done(one) for one in part.stops_of(pair))
    return max(ZERO, EXACT.subtract(live(pair), stopped))


def covers(order: Order, part: Part) -> Decimal:
    """Return how much a leg may still close. Of a pair, what its other half did is off it too."""
    for pair in chains(one for one in part.pieces if one.order_class == OrderClass.OCO):
        if order in pair:
            return max(ZERO, EXACT.subtract(leaves(order), total(map(done, part.stops_of(pair)))))
        if order.parent_id in {one.id for one in pair}:
            return max(ZERO, EXACT.subtract(leaves(order), total(map(done, pair))))
    return leaves(order)


def proven(part: Part, leg: Leg, group: Group) -> Decimal:
    """Return how much of a part a leg protects, as the broker has shown."""
    return total(
        max(
            (covers(one, part) for one in standing(chain) if is_proven(one, part, group)),
            default=ZERO,
        )
        for chain in chains(part.of(leg))
        # While it is not known what became of its replace, the old one may be gone for it.
        if not any(one.is_in_doubt for one in chain)
    )


def is_proven(order: Order, part: Part, group: Group) -> bool:
    """Whether the broker has shown that it works a leg. Silence and denials prove nothing."""
    if order.submission != Submission.ACCEPTED or order.submission_code:
        return False
    if order.cancel_requested_at is not None:
        return False
    if order.status != Status.HELD:
        return order.status in AT_WORK
    # Held for its sibling, which works in its stead until its own moment comes. Before the entry
    # is whole, both are held, and of no use.
    siblings = (one for one in part.pieces if one.leg != order.leg)
    return any(
        one.submission == Submission.ACCEPTED
        and one.status in AT_WORK
        and (one.id == order.parent_id or group.terms.status == Status.FILLED)
        for one in siblings
    )


def unheard(pieces: Sequence[Order], group: Group) -> list[Order]:
    """Return the pairs that have ended, and of whose stop nobody has told.

    It may be the stop that ended them, by filling: then nothing is left to protect. The broker is
    to be heard again, and to have had time, before its silence means that there was none.
    """
    told = {one.parent_id for one in pieces}
    return [
        one
        for one in pieces
        if one.order_class == OrderClass.OCO
        and one.submission == Submission.ACCEPTED
        and one.status in TERMINAL - {Status.FILLED, Status.REPLACED}
        and one.id not in told
        and one.replaces_id not in told
        and not heard_again(one, group)
    ]


def heard_again(order: Order, group: Group) -> bool:
    """Whether the broker has spoken of an order since it last changed, and had time to."""
    if order.heard_at is None or group.now < order.changed_at + HEARD_AGAIN:
        return False
    return order.heard_at > order.changed_at


# What was lost, and what was taken off ----------------------------------------------------


def waived(part: Part, group: Group) -> frozenset[Leg]:
    """Return the legs that somebody has taken off on purpose, or is taking off.

    Of a pair that the broker keeps together, the other goes with it.
    """
    taken_off = [one for one in part.pieces if one.id in group.cancelled_by_people]
    roles = {Leg(one.leg) for one in taken_off}
    for one in taken_off:
        if one.covers_from is None or one.order_class == OrderClass.OCO:
            roles |= {
                Leg(other.leg)
                for other in part.pieces
                if not may_be_live(other)
                and other.status != Status.REPLACED
                and abs(other.changed_at - one.changed_at) <= TOGETHER
            }
    if any(one.order_class == OrderClass.OCO and not part.stops_of([one]) for one in taken_off):
        roles.add(Leg.STOP_LOSS)  # it came with the pair, and nobody ever told of it
    return frozenset(roles)


def failures(part: Part, leg: Leg) -> list[Order]:
    """Return the latest of a leg's orders that came to nothing, one right after another."""
    run: list[Order] = []
    for one in reversed(part.of(leg)):
        if may_be_live(one) or one.submission in NEVER_LEFT or one.cancel_requested_at is not None:
            continue  # what a halt kept here was never tried, and what we cancelled was not lost
        if one.status in {Status.REPLACED, Status.FILLED}:
            continue
        if one.replaces_id is not None and one.submission != Submission.ACCEPTED:
            continue  # a change of it came to nothing
        run.append(one)
        worked_for = one.changed_at - one.submission_at
        if one.submission == Submission.ACCEPTED and worked_for > SETTLED_IN:
            break  # it did work: what came before is another story
    return run[::-1]
