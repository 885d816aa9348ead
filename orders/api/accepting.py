"""What a client may ask for in a body, read strictly. A field nobody knows is refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.vocabulary import (
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from orders.api.fields import AmountGiven, Choice, MomentGiven, Word, YesOrNo
from orders.api.refusing import BadRequest
from orders.closing import Part

# What a side may be called, and what an order of that name does to the position.
SIDES: Mapping[str, tuple[Side, PositionEffect | None]] = {
    "buy": (Side.BUY, None),
    "sell": (Side.SELL, None),
    "sell_short": (Side.SELL, PositionEffect.OPEN),
    "buy_to_cover": (Side.BUY, PositionEffect.CLOSE),
}


class Strict(serializers.Serializer[Any]):
    """Refuses a field it does not know, which may be a price spelt wrong."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("Write a JSON object.")
        for name in data:
            if name not in self.fields:
                raise serializers.ValidationError({name: "There is no such field here."})
        return super().to_internal_value(data)


class TakeProfitGiven(Strict):
    """The leg that takes the gain: a limit order. With `oco`, another way to say limit_price."""

    limit_price = AmountGiven()


class StopLossGiven(Strict):
    """The leg that ends the loss: a stop order, or with a limit price a stop limit order."""

    stop_price = AmountGiven()
    limit_price = AmountGiven(allow_null=True, default=None)


class OrderGiven(Strict):
    """A new order."""

    client_order_id = Word(
        longest=128,
        required=False,
        help_text="Your id for it, or the header Idempotency-Key: one of them must be there. Sent"
        " again, it answers with the order it made the first time.",
    )
    symbol = Word(longest=32, help_text="As the broker writes it.")
    side = Choice(
        SIDES, help_text="`sell_short` is to sell and open, `buy_to_cover` to buy and close."
    )
    quantity = AmountGiven(
        allow_null=True, default=None, help_text="This, or `notional`: one of the two."
    )
    notional = AmountGiven(
        allow_null=True, default=None, help_text="As much as this amount of money buys."
    )
    order_type = Choice(OrderType)
    time_in_force = Choice(TimeInForce, default=str(TimeInForce.DAY))
    limit_price = AmountGiven(allow_null=True, default=None)
    stop_price = AmountGiven(allow_null=True, default=None)
    trail_price = AmountGiven(
        allow_null=True,
        default=None,
        help_text="How far a trailing stop stays behind the best price, in money."
        " Or `trail_percent`.",
    )
    trail_percent = AmountGiven(allow_null=True, default=None)
    expires_at = MomentGiven(
        allow_null=True, default=None, help_text="With time in force `gtd`: until when."
    )
    extended_hours = YesOrNo(default=False, help_text="May it trade outside regular hours?")
    position_effect = Choice(
        PositionEffect,
        allow_null=True,
        default=None,
        help_text="null: whatever its side does to the position, straight through zero. `close`"
        " only lessens what is held; to sell with `open` is to sell short.",
    )
    order_class = Choice(
        OrderClass,
        default=str(OrderClass.SIMPLE),
        help_text="`bracket`: both legs protect what it fills. `oto`: one of them does."
        " `oco`: the order is itself the target, with its stop as the other half.",
    )
    take_profit = TakeProfitGiven(allow_null=True, default=None)
    stop_loss = StopLossGiven(allow_null=True, default=None)


class ReplacementGiven(Strict):
    """What is to change about a working order. What is left out stays."""

    client_order_id = Word(
        longest=128,
        required=False,
        help_text="Your id for the new order, or the header Idempotency-Key.",
    )
    quantity = AmountGiven(
        required=False, help_text="The new total, what has filled already included."
    )
    limit_price = AmountGiven(required=False)
    stop_price = AmountGiven(required=False)
    trail_price = AmountGiven(required=False, help_text="Of a stop that trails by a price.")
    trail_percent = AmountGiven(required=False, help_text="Of a stop that trails by percent.")


class ClosingGiven(Strict):
    """How much of a position to close: all of it, unless it says."""

    client_order_id = Word(
        longest=128,
        required=False,
        help_text="Your id for the order, or the header Idempotency-Key. Sent again, it answers"
        " with the order it made the first time, whatever is held by then.",
    )
    quantity = AmountGiven(allow_null=True, default=None)
    percentage = AmountGiven(
        allow_null=True,
        default=None,
        help_text="More than 0, at most 100; rounded down to what the broker takes.",
    )
    despite_doubt = YesOrNo(
        default=False,
        help_text="Even if orders that may be live unseen could make it turn the position round.",
    )


class ClosingAllGiven(Strict):
    """A wish to close every position."""

    client_order_id = Word(
        longest=128,
        required=False,
        help_text="Your id for the request, or the header Idempotency-Key. Each order's own id is"
        " made of it and the symbol.",
    )
    despite_doubt = YesOrNo(default=False)


class SymbolGiven(Strict):
    """A symbol in an address."""

    symbol = Word(longest=32)


def ticket(request: Request) -> Ticket:
    """Return the order that a request asks for. Raises BadRequest or ValidationError."""
    told = _read(OrderGiven, request)
    if (told["quantity"] is None) == (told["notional"] is None):
        raise BadRequest(
            "Say how many as `quantity`, or for how much money as `notional`: one of the two.",
            field="quantity" if told["quantity"] is None else "notional",
        )
    side, effect = _side(told)
    limit_price, take_profit = _target(told)
    stop_loss = told["stop_loss"]
    return Ticket(
        wire_id=_client_order_id(request, told),
        symbol=told["symbol"],
        side=side,
        quantity=told["quantity"],
        notional=told["notional"],
        order_type=OrderType(told["order_type"]),
        time_in_force=TimeInForce(told["time_in_force"]),
        limit_price=limit_price,
        stop_price=told["stop_price"],
        trail_price=told["trail_price"],
        trail_percent=told["trail_percent"],
        expires_at=told["expires_at"],
        extended_hours=told["extended_hours"],
        position_effect=effect,
        order_class=OrderClass(told["order_class"]),
        take_profit=take_profit,
        stop_loss=None if stop_loss is None else StopLoss(**stop_loss),
    )


def changes(request: Request) -> dict[str, Any]:
    """Return what a request asks to change, as `replacing.replace` takes it.

    Raises BadRequest or ValidationError.
    """
    told = _read(ReplacementGiven, request)
    return {**told, "client_order_id": _client_order_id(request, told)}


def closing(request: Request, given: str) -> dict[str, Any]:
    """Return what a request asks to close, as `closing.close` takes it.

    Raises BadRequest or ValidationError.
    """
    told = _read(ClosingGiven, request)
    if told["quantity"] is not None and told["percentage"] is not None:
        raise BadRequest("Say a quantity or a percentage, not both.", field="percentage")
    return {
        "symbol": symbol(given),
        "client_order_id": _client_order_id(request, told),
        "part": Part(quantity=told["quantity"], percentage=told["percentage"]),
        "despite_doubt": told["despite_doubt"],
    }


def closing_all(request: Request) -> dict[str, Any]:
    """Return what a request asks to close, as `closing.close_all` takes it.

    Raises BadRequest or ValidationError.
    """
    told = _read(ClosingAllGiven, request)
    return {**told, "client_order_id": _client_order_id(request, told)}


def symbol(given: str) -> str:
    """Return a symbol out of an address. Raises ValidationError for what can't be one."""
    read = SymbolGiven(data={"symbol": given})
    read.is_valid(raise_exception=True)
    return str(read.validated_data["symbol"])


def _read(kind: type[Strict], request: Request) -> dict[str, Any]:
    if request.query_params:
        raise BadRequest("Nothing goes in the query here.", field=next(iter(request.query_params)))
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _side(told: dict[str, Any]) -> tuple[Side, PositionEffect | None]:
    """Return the side, and what the order may do to the position, which both may say."""
    side, effect = SIDES[told["side"]]
    said = told["position_effect"]
    if said is None:
        return side, effect
    if effect not in {None, said}:
        raise BadRequest(f"To {told['side']} is to {effect}.", field="position_effect")
    return side, PositionEffect(said)


def _target(told: dict[str, Any]) -> tuple[Decimal | None, TakeProfit | None]:
    """Return the limit price and the target.

    Of class OCO the order is its own target: said either way, it is the same order.
    """
    limit_price, target = told["limit_price"], told["take_profit"]
    if target is None:
        return limit_price, None
    if told["order_class"] != OrderClass.OCO:
        return limit_price, TakeProfit(**target)
    if limit_price not in {None, target["limit_price"]}:
        raise BadRequest(
            "An OCO order is its own target: limit_price and take_profit.limit_price differ.",
            field="take_profit.limit_price",
        )
    return target["limit_price"], None


def _client_order_id(request: Request, told: dict[str, Any]) -> str:
    """Return the client's id for an order, from the body or the header. They must agree."""
    header = request.headers.get("Idempotency-Key", "")
    if len(header) > 1 and header.startswith('"') and header.endswith('"'):
        header = header[1:-1]  # a structured header's string
    body = told.get("client_order_id", "")
    if header and body and header != body:
        raise BadRequest(
            "Idempotency-Key and client_order_id differ. Send one, or the same twice.",
            field="client_order_id",
        )
    if not header and not body:
        raise BadRequest(
            "Name the order: client_order_id, or the header Idempotency-Key. Without an id of"
            " yours you could not repeat the request safely.",
            field="client_order_id",
            code="client_order_id_required",
        )
    return str(body or header)
