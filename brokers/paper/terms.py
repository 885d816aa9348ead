"""What clients ask for, and its JSON, on the wire and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.amounts import read_optional, read_time, write_amount, write_optional, write_time
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a client asks for, read and well-formed, before the exchange has judged it.

    It is for a `quantity`, or for as much as a `notional` amount of money buys or fetches: one of
    the two. The stop price of a trailing stop is not asked for; see `Order.stop_price`.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    extended_hours: bool = False
    position_effect: PositionEffect | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None

    @property
    def only_closes(self) -> bool:
        """Whether it may only lessen a position: it says so, or it would sell a fraction short.

        A pair is an exit by nature.
        """
        if self.position_effect is PositionEffect.CLOSE or self.order_class is OrderClass.OCO:
            return True
        in_part = self.quantity is None or self.quantity % 1
        return self.side is Side.SELL and bool(in_part)


def terms_json(terms: Terms) -> dict[str, Any]:
    """Return terms as the wire and the ledger have them."""
    target, stop, effect = terms.take_profit, terms.stop_loss, terms.position_effect
    return {
        "client_order_id": terms.client_order_id,
        "symbol": terms.symbol,
        "side": terms.side.value,
        "type": terms.type.value,
        "time_in_force": terms.time_in_force.value,
        "quantity": write_optional(terms.quantity),
        "notional": write_optional(terms.notional),
        "limit_price": write_optional(terms.limit_price),
        "stop_price": write_optional(terms.stop_price),
        "trail_price": write_optional(terms.trail_price),
        "trail_percent": write_optional(terms.trail_percent),
        "expires_at": None if terms.expires_at is None else write_time(terms.expires_at),
        "extended_hours": terms.extended_hours,
        "position_effect": None if effect is None else effect.value,
        "order_class": terms.order_class.value,
        "take_profit": None
        if target is None
        else {"limit_price": write_amount(target.limit_price)},
        "stop_loss": None
        if stop is None
        else {
            "stop_price": write_amount(stop.stop_price),
            "limit_price": write_optional(stop.limit_price),
        },
    }


def terms_from(told: Mapping[str, Any]) -> Terms:
    """Return the terms whose JSON this is. An old ledger's lines have only the first of them."""
    order_type = OrderType(told["type"])
    effect, expires_at = told.get("position_effect"), told.get("expires_at")
    target, stop = told.get("take_profit"), told.get("stop_loss")
    return Terms(
        client_order_id=told["client_order_id"],
        symbol=told["symbol"],
        side=Side(told["side"]),
        type=order_type,
        time_in_force=TimeInForce(told["time_in_force"]),
        quantity=read_optional(told["quantity"]),
        notional=read_optional(told.get("notional")),
        limit_price=read_optional(told["limit_price"]),
        # Where a trailing stop stands is the order's affair, not something that was asked for.
        stop_price=None
        if order_type is OrderType.TRAILING_STOP
        else read_optional(told["stop_price"]),
        trail_price=read_optional(told.get("trail_price")),
        trail_percent=read_optional(told.get("trail_percent")),
        expires_at=None if expires_at is None else read_time(expires_at),
        extended_hours=told.get("extended_hours", False),
        position_effect=None if effect is None else PositionEffect(effect),
        order_class=OrderClass(told.get("order_class", OrderClass.SIMPLE)),
        take_profit=None
        if target is None
        else TakeProfit(limit_price=Decimal(target["limit_price"])),
        stop_loss=None
        if stop is None
        else StopLoss(
            stop_price=Decimal(stop["stop_price"]),
            limit_price=read_optional(stop["limit_price"]),
        ),
    )
