"""What a client may ask: bodies and queries, read strictly. A field nobody knows is refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from brokers.messages import Ticket
from brokers.vocabulary import OrderType, Side, Status, TimeInForce
from orders.api.fields import AmountGiven, Choice, Count, Flag, MomentGiven, Word
from orders.api.refusing import BadRequest
from orders.states import Submission

MOST = 200  # rows on one page
USUAL = 50


class Strict(serializers.Serializer[Any]):
    """Refuses a field it does not know, which may be a price spelt wrong."""

    def to_internal_value(self, data: Any) -> Any:
        for name in data:
            if name not in self.fields:
                raise serializers.ValidationError({name: "There is no such field here."})
        return super().to_internal_value(data)


class OrderGiven(Strict):
    """A new order."""

    client_order_id = Word(
        longest=128,
        required=False,
        help_text="Your id for it, or the header Idempotency-Key: one of them must be there. Sent"
        " again, it answers with the order it made the first time.",
    )
    symbol = Word(longest=32, help_text="As the broker writes it.")
    side = Choice(Side)
    quantity = AmountGiven()
    order_type = Choice(OrderType)
    time_in_force = Choice(TimeInForce, default=str(TimeInForce.DAY))
    limit_price = AmountGiven(allow_null=True, default=None)
    stop_price = AmountGiven(allow_null=True, default=None)


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


class PageQuery(Strict):
    """Which page of a list."""

    cursor = Word(
        longest=64,
        required=False,
        help_text="What `next_cursor` of the page before said. Leave it out for the first page.",
    )
    limit = Count(most=MOST, default=USUAL)


class OrderQuery(PageQuery):
    """Which orders to list."""

    status = Choice(Status, required=False)
    submission = Choice(Submission.values, required=False)
    open = Flag(
        required=False,
        help_text="true: only orders that are, or may be, or may yet become live. false: the rest.",
    )
    symbol = Word(longest=32, required=False)
    side = Choice(Side, required=False)
    client_order_id = Word(longest=128, required=False)
    placed_after = MomentGiven(required=False, help_text="Placed at this time or later.")
    placed_before = MomentGiven(required=False, help_text="Placed before this time.")


class ExecutionQuery(PageQuery):
    """Which executions to list."""

    order_id = serializers.UUIDField(required=False)
    symbol = Word(longest=32, required=False)
    executed_after = MomentGiven(required=False, help_text="Executed at this time or later.")
    executed_before = MomentGiven(required=False, help_text="Executed before this time.")


class IncidentQuery(PageQuery):
    """Which incidents to list."""

    open = Flag(required=False, help_text="Only those that have not ended, or only the others.")


def ticket(request: Request) -> Ticket:
    """Return the order that a request asks for. Raises BadRequest or ValidationError."""
    told = _read(OrderGiven, request)
    return Ticket(
        wire_id=_client_order_id(request, told),
        symbol=told["symbol"],
        side=Side(told["side"]),
        quantity=told["quantity"],
        order_type=OrderType(told["order_type"]),
        time_in_force=TimeInForce(told["time_in_force"]),
        limit_price=told["limit_price"],
        stop_price=told["stop_price"],
    )


def changes(request: Request) -> dict[str, Any]:
    """Return what a request asks to change, as `replacing.replace` takes it.

    Raises BadRequest or ValidationError.
    """
    told = _read(ReplacementGiven, request)
    return {**told, "client_order_id": _client_order_id(request, told)}


def query(request: Request, kind: type[Strict]) -> dict[str, Any]:
    """Return a query string's parameters. Raises BadRequest or ValidationError."""
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise BadRequest("This parameter is given twice.", field=name)
    asked = kind(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _read(kind: type[Strict], request: Request) -> dict[str, Any]:
    if request.query_params:
        raise BadRequest("Nothing goes in the query here.", field=next(iter(request.query_params)))
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


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
