"""Orders and executions as the exchange knows them, and their JSON, on the wire and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
        terms = self.terms
        return {
            "id": self.id,
            "sequence": self.sequence,
            "version": self.version,
            "client_order_id": terms.client_order_id,
            "symbol": terms.symbol,
            "side": terms.side.value,
            "type": terms.type.value,
            "time_in_force": terms.time_in_force.value,
            "quantity": write_amount(terms.quantity),
            "limit_price": write_optional(terms.limit_price),
            "stop_price": write_optional(terms.stop_price),
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
            "created_at": write_time(self.created_at),
            "updated_at": write_time(self.updated_at),
        }


def order_from(told: Mapping[str, Any], *, account: str) -> Order:
    """Return the order whose JSON this is."""
    return Order(
        id=told["id"],
        sequence=told["sequence"],
        account=account,
        terms=Terms(
            client_order_id=told["client_order_id"],
            symbol=told["symbol"],
            side=Side(told["side"]),
            type=OrderType(told["type"]),
            time_in_force=TimeInForce(told["time_in_force"]),
            quantity=Decimal(told["quantity"]),
            limit_price=read_optional(told["limit_price"]),
            stop_price=read_optional(told["stop_price"]),
        ),
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
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade against an order. Its id is unique in the whole exchange, for ever."""

    id: str
    sequence: int
    number: int  # of this order's executions, from 1
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime

    def json(self) -> dict[str, Any]:
        """Return the execution as the wire and the ledger have it."""
        return {
            "id": self.id,
            "sequence": self.sequence,
            "number": self.number,
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": write_amount(self.quantity),
            "price": write_amount(self.price),
            "at": write_time(self.at),
        }


def execution_from(told: Mapping[str, Any]) -> Execution:
    """Return the execution whose JSON this is."""
    return Execution(
        id=told["id"],
        sequence=told["sequence"],
        number=told.get("number", 0),  # a ledger from before they were counted
        order_id=told["order_id"],
        client_order_id=told["client_order_id"],
        symbol=told["symbol"],
        side=Side(told["side"]),
        quantity=Decimal(told["quantity"]),
        price=Decimal(told["price"]),
        at=read_time(told["at"]),
    )
