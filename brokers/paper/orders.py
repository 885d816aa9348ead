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
    ZERO,
    per_unit,
    read_optional,
    read_time,
    write_amount,
    write_optional,
    write_time,
)
from brokers.vocabulary import OrderType, Side, TimeInForce


class Standing(StrEnum):
    """How an order stands, in the exchange's own words."""

    WAITING = "waiting"  # a stop whose price has not been reached
    WORKING = "working"
    PART_FILLED = "part_filled"
    CANCEL_PENDING = "cancel_pending"  # it goes at the next tick
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLACED = "replaced"


ENDED = frozenset({Standing.FILLED, Standing.CANCELLED, Standing.EXPIRED, Standing.REPLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a client asks for, read and well-formed, before the exchange has judged it."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


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
    triggered: bool = False
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
        """What is still to be filled."""
        return EXACT.subtract(self.terms.quantity, self.filled)

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
            "triggered": self.triggered,
            "replaces": self.replaces or None,
            "replaced_by": self.replaced_by or None,
            "reason": self.reason or None,
            "ended_as": None if self.ended_as is None else self.ended_as.value,
            "created_at": write_time(self.created_at),
            "updated_at": write_time(self.updated_at),
        }


def order_from(told: Mapping[str, Any], *, account: str) -> Order:
    """Return the order whose JSON this is."""
    ended_as = told.get("ended_as")  # not there in a ledger from before there were late fills
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
        triggered=told["triggered"],
        replaces=told["replaces"] or "",
        replaced_by=told["replaced_by"] or "",
        reason=told["reason"] or "",
        ended_as=None if ended_as is None else Standing(ended_as),
    )
    order.told = order.json()  # the ledger's line may name a fault as well
    return order


def terms_json(terms: Terms) -> dict[str, Any]:
    """Return terms as the wire and the ledger have them."""
    return {
        "client_order_id": terms.client_order_id,
        "symbol": terms.symbol,
        "side": terms.side.value,
        "type": terms.type.value,
        "time_in_force": terms.time_in_force.value,
        "quantity": write_amount(terms.quantity),
        "limit_price": write_optional(terms.limit_price),
        "stop_price": write_optional(terms.stop_price),
    }


def terms_from(told: Mapping[str, Any]) -> Terms:
    """Return the terms whose JSON this is."""
    return Terms(
        client_order_id=told["client_order_id"],
        symbol=told["symbol"],
        side=Side(told["side"]),
        type=OrderType(told["type"]),
        time_in_force=TimeInForce(told["time_in_force"]),
        quantity=Decimal(told["quantity"]),
        limit_price=read_optional(told["limit_price"]),
        stop_price=read_optional(told["stop_price"]),
    )
