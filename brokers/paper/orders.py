"""Orders as the exchange knows them, and their JSON, on the wire and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.paper.amounts import (
    EXACT,
    NINE_PLACES,
    ZERO,
    affordable,
    per_unit,
    read_optional,
    read_time,
    write_amount,
    write_optional,
    write_time,
)
from brokers.paper.terms import Terms, terms_from, terms_json
from brokers.vocabulary import NEEDS_STOP, Leg, OrderType


class Standing(StrEnum):
    """How an order stands, in the exchange's own words."""

    HELD = "held"  # a leg, until its entry is wholly filled
    ACCEPTED = "accepted"  # it waits for an auction, or for its market to open
    WAITING = "waiting"  # a stop whose price has not been reached
    WORKING = "working"
    PART_FILLED = "part_filled"
    CANCEL_PENDING = "cancel_pending"  # it goes at the next tick
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLACED = "replaced"


WITH_STOP = NEEDS_STOP | {OrderType.TRAILING_STOP}
ENDED = frozenset({Standing.FILLED, Standing.CANCELLED, Standing.EXPIRED, Standing.REPLACED})


@dataclass(slots=True, kw_only=True)
class Order:
    """One order. `version` grows by one with each change anyone could see."""

    id: str
    sequence: int  # exchange-wide, in order of creation
    account: str
    terms: Terms
    standing: Standing
    created_at: datetime
    updated_at: datetime
    version: int = 0
    filled: Decimal = ZERO
    cost: Decimal = ZERO  # Σ quantity × price, exact
    active_at: datetime | None = None  # since when it is in the market; None: it is yet to be
    triggered: bool = False
    high_water_mark: Decimal | None = None  # of a trailing stop: the best price since it is active
    trailing_at: Decimal | None = None  # and where that puts its stop
    parent: str = ""  # id of the order that this one is a leg of
    leg: Leg | None = None
    ceiling: Decimal | None = None  # of one in a group: how much of it its group lets it ever fill
    replaces: str = ""
    replaced_by: str = ""
    reason: str = ""
    ended_as: Standing | None = None  # it was out of the market before a late fill completed it
    told: dict[str, Any] = field(default_factory=dict)  # its JSON as of the last change

    @property
    def ended(self) -> bool:
        """Nothing more can happen to it."""
        return self.standing in ENDED

    @property
    def remaining(self) -> Decimal:
        """What is still to be filled; zero for an order for an amount of money, see `money`."""
        quantity = self.terms.quantity
        return ZERO if quantity is None else EXACT.subtract(quantity, self.filled)

    @property
    def workable(self) -> Decimal:
        """What of it may be filled now: its group may leave it less than remains."""
        if self.ceiling is None:
            return self.remaining
        return max(ZERO, min(self.remaining, EXACT.subtract(self.ceiling, self.filled)))

    @property
    def money(self) -> Decimal:
        """What is still to be spent or fetched; zero for an order for a quantity."""
        notional = self.terms.notional
        return ZERO if notional is None else EXACT.subtract(notional, self.cost)

    def is_full(self, *, at: Decimal) -> bool:
        """Whether nothing is left to fill: of money, when it can't be had for it at a price."""
        if self.terms.notional is None:
            return not self.remaining
        return self.money < EXACT.multiply(NINE_PLACES, at)

    def wanted(self, *, at: Decimal, spent: Decimal = ZERO, taken: Decimal = ZERO) -> Decimal:
        """Return how much it still wants at a price, beyond what is spent and taken already.

        Money is turned into a quantity of nine decimals, rounded down: never more than there is.
        """
        if self.terms.notional is None:
            return EXACT.subtract(self.workable, taken)
        return affordable(EXACT.subtract(self.money, spent), at)

    @property
    def stop_price(self) -> Decimal | None:
        """Where its stop stands now; a trailing stop that is not active yet has none."""
        trails = self.terms.type is OrderType.TRAILING_STOP
        return self.trailing_at if trails else self.terms.stop_price

    def json(self) -> dict[str, Any]:
        """Return the order as the wire and the ledger have it."""
        return {
            "id": self.id,
            "sequence": self.sequence,
            "version": self.version,
            **terms_json(self.terms),
            "status": self.standing.value,
            "filled_quantity": write_amount(self.filled),
            "cost": write_amount(self.cost),
            "average_price": write_amount(per_unit(self.cost, self.filled))
            if self.filled
            else None,
            "active_at": None if self.active_at is None else write_time(self.active_at),
            "triggered": self.triggered,
            "stop_price": write_optional(self.stop_price),
            "high_water_mark": write_optional(self.high_water_mark),
            "parent": self.parent or None,
            "leg": None if self.leg is None else self.leg.value,
            "ceiling": write_optional(self.ceiling),
            "leaves_quantity": self._leaves(),
            "replaces": self.replaces or None,
            "replaced_by": self.replaced_by or None,
            "reason": self.reason or None,
            "ended_as": None if self.ended_as is None else self.ended_as.value,
            "created_at": write_time(self.created_at),
            "updated_at": write_time(self.updated_at),
        }

    def _leaves(self) -> str | None:
        """What may still be filled as things stand: less than remains, of an order in a group."""
        if self.terms.quantity is None:
            return None
        return write_amount(ZERO if self.ended else self.workable)


def order_from(told: Mapping[str, Any], *, account: str) -> Order:
    """Return the order whose JSON this is."""
    # What a ledger's older lines do not have, those orders did not have either.
    ended_as, leg = told.get("ended_as"), told.get("leg")
    active_at = told.get("active_at", told["created_at"])
    mark = read_optional(told.get("high_water_mark"))
    order = Order(
        id=told["id"],
        sequence=told["sequence"],
        account=account,
        terms=terms_from(told),
        standing=Standing(told["status"]),
        created_at=read_time(told["created_at"]),
        updated_at=read_time(told["updated_at"]),
        version=told["version"],
        filled=Decimal(told["filled_quantity"]),
        cost=Decimal(told["cost"]),
        active_at=None if active_at is None else read_time(active_at),
        triggered=told["triggered"],
        high_water_mark=mark,
        trailing_at=None if mark is None else read_optional(told["stop_price"]),
        parent=told.get("parent") or "",
        leg=None if leg is None else Leg(leg),
        ceiling=read_optional(told.get("ceiling")),
        replaces=told["replaces"] or "",
        replaced_by=told["replaced_by"] or "",
        reason=told["reason"] or "",
        ended_as=None if ended_as is None else Standing(ended_as),
    )
    order.told = order.json()  # the ledger's line may name a fault as well
    return order
