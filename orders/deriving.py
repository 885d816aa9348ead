"""What an order is, derived from the facts we hold about it.

Facts only ever grow. `derive` never sees the order in which they arrived, nor
our clock, so any shuffle, repetition and batching of the same facts gives the
same view.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import TERMINAL, ExecutionKind, Status
from orders.money import ZERO, average, plain, total, worth

# Ties are certain (one broker stamps whole seconds), so later in life wins.
RANK = {
    status: rank
    for rank, status in enumerate(
        (
            Status.INDETERMINATE,
            Status.PENDING_NEW,
            Status.ACCEPTED,
            Status.HELD,
            Status.NEW,
            Status.SUSPENDED,
            Status.PENDING_REPLACE,
            Status.PENDING_CANCEL,
            Status.PARTIALLY_FILLED,
            Status.STOPPED,
            Status.DONE_FOR_DAY,
            Status.CALCULATED,
            Status.REPLACED,
            Status.EXPIRED,
            Status.CANCELED,
            Status.REJECTED,
            Status.FILLED,
        )
    )
}

# "filled" is not among them: it is believed when the executions add up to it.
HARD = TERMINAL - {Status.FILLED}


class Flag(StrEnum):
    """Something about an order that must not be shown without saying so."""

    FILLS_MISSING = "fills_missing"  # the broker claims more than the executions we hold
    NEEDS_CONFIRM = "needs_confirm"  # we hold more than its latest word claims: a bust is missed?
    OVERFILL = "overfill"
    TERMINAL_CONFLICT = "terminal_conflict"  # the broker's last words contradict each other
    FILL_ON_REJECTED = "fill_on_rejected"
    HAS_BUST = "has_bust"


# Our trades and the broker's latest word don't add up: ask until they do.
UNBALANCED = frozenset({Flag.FILLS_MISSING, Flag.NEEDS_CONFIRM})


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the facts add up to. `status` is None until a broker has spoken."""

    status: Status | None
    raw_status: str
    filled: Decimal
    value: Decimal  # Σ quantity · price, exact
    average_price: Decimal | None
    claimed: Decimal  # filled, as the broker's latest word has it
    trailing_stop_price: Decimal | None  # where a trailing stop now stands
    high_water_mark: Decimal | None
    reason: str
    replaced_by: str
    flags: tuple[Flag, ...]

    def columns(self) -> dict[str, object]:
        """Return what an order's columns must say: they are a cache of this."""
        return {
            "status": self.status,
            "raw_status": self.raw_status,
            "reason": self.reason,
            "filled_quantity": self.filled,
            "filled_value": self.value,
            "average_price": self.average_price,
            "claimed_quantity": self.claimed,
            "trailing_stop_price": self.trailing_stop_price,
            "high_water_mark": self.high_water_mark,
            "flags": [str(flag) for flag in self.flags],
        }


def derive(quantity: Decimal | None, snapshots: Iterable[Snapshot], fills: Iterable[Fill]) -> View:
    """Return what is so of an order for `quantity`, given every fact we hold.

    None is for an order for an amount of money: that it is whole, its broker alone can say.
    """
    told = sorted(snapshots, key=precedence)
    trades = list(fills)
    live = live_fills(trades)
    filled = total(fill.quantity for fill in live)
    value = total(worth(fill.quantity, fill.price) for fill in live)

    latest = told[-1] if told else None
    ends = [snapshot for snapshot in told if snapshot.status in HARD]
    governing = ends[-1] if ends else latest
    status = standing(quantity, filled, governing)
    marked = next((said for said in reversed(told) if said.high_water_mark is not None), None)
    return View(
        status=status,
        raw_status=governing.raw_status if governing else "",
        filled=filled,
        value=value,
        average_price=average(value, filled),
        claimed=latest.cumulative if latest else ZERO,
        trailing_stop_price=marked.stop_price if marked else None,
        high_water_mark=marked.high_water_mark if marked else None,
        reason=governing.reason if governing else "",
        replaced_by=next((s.replaced_by for s in reversed(told) if s.replaced_by), ""),
        flags=tuple(_flags(quantity, filled, status, told, trades)),
    )


def standing(
    quantity: Decimal | None, filled: Decimal, governing: Snapshot | None
) -> Status | None:
    """Return how an order stands that has filled so far, by the broker's governing word on it."""
    if _is_whole(quantity, filled, governing):
        return Status.FILLED
    if governing is None:
        return Status.PARTIALLY_FILLED if filled > 0 else None
    if governing.status in HARD or governing.status is Status.INDETERMINATE:
        return governing.status
    if _was_lessened(filled, governing):
        return Status.CANCELED
    if filled > 0 or governing.status is Status.FILLED:
        return Status.PARTIALLY_FILLED
    # What is pending is an overlay; the order itself still works.
    pending = governing.status in {Status.PENDING_CANCEL, Status.PENDING_REPLACE}
    return Status.NEW if pending else governing.status


def _is_whole(quantity: Decimal | None, filled: Decimal, governing: Snapshot | None) -> bool:
    if quantity is not None:
        return filled >= quantity and filled > 0
    if governing is None or governing.status is not Status.FILLED:
        return False
    return filled >= governing.cumulative > 0


def _was_lessened(filled: Decimal, governing: Snapshot) -> bool:
    """Whether the broker made it smaller, and that much has filled: the rest was taken off it."""
    if governing.status is not Status.FILLED or governing.quantity is None:
        return False
    return filled >= governing.quantity > 0


def live_fills(fills: Iterable[Fill]) -> list[Fill]:
    """Return the fills that stand: a bust wins, else the highest correction, else the original."""
    trades: dict[tuple[object, ...], Fill] = {}
    for fill in sorted(fills, key=authority):
        trades[fill.broker_order_id, fill.execution_id, fill.trade_date] = fill
    return [fill for fill in trades.values() if fill.kind is not ExecutionKind.BUST]


def precedence(snapshot: Snapshot) -> tuple[int, int, Decimal, int, str]:
    """Return what orders snapshots of one order in time: a total order, the same everywhere."""
    return (
        snapshot.version,
        snapshot.sequence,
        snapshot.cumulative,
        RANK[snapshot.status],
        digest(snapshot),
    )


def digest(snapshot: Snapshot) -> str:
    """Return a snapshot's identity: the same words about the same moment are one fact."""
    said = [
        snapshot.broker_order_id,
        snapshot.version,
        snapshot.sequence,
        snapshot.status,
        snapshot.raw_status,
        plain(snapshot.cumulative),
        plain(snapshot.average_price),
        plain(snapshot.quantity),
        snapshot.replaces,
        snapshot.replaced_by,
        snapshot.reason,
    ]
    if snapshot.high_water_mark is not None:
        said += [plain(snapshot.stop_price), plain(snapshot.high_water_mark)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def authority(fill: Fill) -> tuple[int, int, Decimal, Decimal, int]:
    """Return what decides between the words on one trade: the highest of them stands."""
    weight = (ExecutionKind.FILL, ExecutionKind.CORRECT, ExecutionKind.BUST).index(fill.kind)
    # A trade itself has no later word: only what calls itself a correction may take of it.
    revision = 0 if fill.kind is ExecutionKind.FILL else fill.revision
    return weight, revision, fill.quantity, fill.price, fill.revision


def _flags(
    quantity: Decimal | None,
    filled: Decimal,
    status: Status | None,
    told: list[Snapshot],
    trades: list[Fill],
) -> Iterable[Flag]:
    if told and told[-1].cumulative > filled:
        yield Flag.FILLS_MISSING
    if told and told[-1].cumulative < filled:
        yield Flag.NEEDS_CONFIRM
    if quantity is not None and filled > quantity:
        yield Flag.OVERFILL
    claims = {snapshot.status for snapshot in told if snapshot.status in TERMINAL}
    if any(trade.kind is not ExecutionKind.FILL for trade in trades):
        claims.discard(Status.FILLED)  # it was so, until a trade was taken back or corrected
    reopened = bool(claims) and told[-1].status not in TERMINAL
    overtaken = status is Status.FILLED and bool(claims) and Status.FILLED not in claims
    if len(claims) > 1 or reopened or overtaken:
        yield Flag.TERMINAL_CONFLICT
    if Status.REJECTED in claims and filled > 0:
        yield Flag.FILL_ON_REJECTED
    if any(trade.kind is ExecutionKind.BUST for trade in trades):
        yield Flag.HAS_BUST
