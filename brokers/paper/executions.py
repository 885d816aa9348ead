"""Trades, and what is later said of them: a bust takes one back, a correct restates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.paper.amounts import ZERO, read_time, write_amount, write_time
from brokers.vocabulary import ExecutionKind, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One word on one trade. Trade ids are unique in the whole exchange, for ever.

    The first word is the trade itself, revision 0. Each later one has the next revision and stands
    in the place of all before it; after a bust there is none.
    """

    id: str
    sequence: int  # exchange-wide, in order of being said
    number: int  # of this order's trades, from 1
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal  # of a bust: what is taken back
    price: Decimal
    at: datetime  # of the trade
    told_at: datetime  # of this word on it
    fee: Decimal = ZERO  # what the trade costs beside its price, as long as it stands
    kind: ExecutionKind = ExecutionKind.FILL
    revision: int = 0

    @property
    def line(self) -> str:
        """The name of this word in the ledger."""
        return f"{self.id}/{self.revision}" if self.revision else self.id

    @property
    def counts(self) -> Decimal:
        """How much of the trade stands, by this word."""
        return ZERO if self.kind is ExecutionKind.BUST else self.quantity

    def revised(self, *, sequence: int, now: datetime, **changes: Any) -> Execution:
        """Return the next word on the trade."""
        return replace(self, sequence=sequence, told_at=now, revision=self.revision + 1, **changes)

    def json(self) -> dict[str, Any]:
        """Return the word as the ledger has it."""
        return {
            "id": self.id,
            "sequence": self.sequence,
            "number": self.number,
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "kind": self.kind.value,
            "revision": self.revision,
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": write_amount(self.quantity),
            "price": write_amount(self.price),
            "fee": write_amount(self.fee),
            "at": write_time(self.at),
            "told_at": write_time(self.told_at),
        }


def execution_from(told: Mapping[str, Any]) -> Execution:
    """Return the word whose JSON this is. In an old ledger there are only trades, and no fees."""
    return Execution(
        id=told["id"],
        sequence=told["sequence"],
        number=told.get("number", 0),
        order_id=told["order_id"],
        client_order_id=told["client_order_id"],
        kind=ExecutionKind(told.get("kind", ExecutionKind.FILL)),
        revision=told.get("revision", 0),
        symbol=told["symbol"],
        side=Side(told["side"]),
        quantity=Decimal(told["quantity"]),
        price=Decimal(told["price"]),
        fee=Decimal(told.get("fee", 0)),
        at=read_time(told["at"]),
        told_at=read_time(told.get("told_at", told["at"])),
    )
