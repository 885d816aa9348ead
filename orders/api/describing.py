"""Words for the API's own description: what each address answers, and examples to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from orders.api.showing import ErrorShown

REFUSALS: Mapping[int, tuple[str, str, str, str | None]] = {
    400: (
        "The request can't be read; `field` names the part at fault.",
        "invalid_request",
        "Write an amount as a plain decimal, such as 100.25.",
        "quantity",
    ),
    401: (
        "No live key was shown.",
        "unauthenticated",
        "Send a live key as X-API-Key and its secret as X-API-Secret.",
        None,
    ),
    403: ("A read-only key.", "read_only_key", "This key may look, and not trade.", None),
    404: (
        "Not there, or not for this key.",
        "not_found",
        "There is nothing here by this address, or it is not for this key.",
        None,
    ),
    405: (
        "No such method here.",
        "method_not_allowed",
        "This address does not take that method.",
        None,
    ),
    406: (
        "The client takes no JSON.",
        "not_acceptable",
        "The desk answers in application/json only.",
        None,
    ),
    409: (
        "It does not go with how things stand.",
        "client_order_id_taken",
        "This client order id already belongs to another order.",
        "client_order_id",
    ),
    413: ("The body is too large.", "too_large", "A body is at most 65536 bytes.", None),
    415: (
        "The body is not plain JSON.",
        "unsupported_media_type",
        "Send the body as application/json, not encoded further.",
        None,
    ),
    422: (
        "Well put, but the desk or the broker can't carry it out.",
        "missing_field",
        "Limit price is required for this order type.",
        "limit_price",
    ),
    500: (
        "A fault of the desk, before anything was recorded.",
        "internal_error",
        "The desk failed at this, and has logged why.",
        None,
    ),
    503: (
        "The desk can't reach its records. Repeating the request is safe.",
        "database_away",
        "The desk can't reach its records, and can't tell whether this was done.",
        None,
    ),
}
EVERYWHERE = (400, 401, 405, 406, 500, 503)
REQUEST_ID = OpenApiParameter(
    "X-Request-ID",
    str,
    OpenApiParameter.HEADER,
    response=True,
    description="Names this request in the desk's logs and audit. Send your own to have it used.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="The client order id, if the body has none. With both, they must be the same.",
)
PLACING = [
    OpenApiExample(
        "A limit order",
        value={
            "client_order_id": "entry-2026-03-02-001",
            "symbol": "ACME",
            "side": "buy",
            "quantity": "100",
            "order_type": "limit",
            "time_in_force": "day",
            "limit_price": "99.50",
        },
        request_only=True,
    ),
    OpenApiExample(
        "A market order",
        value={
            "client_order_id": "exit-2026-03-02-001",
            "symbol": "ACME",
            "side": "sell",
            "quantity": "100",
            "order_type": "market",
            "time_in_force": "day",
        },
        request_only=True,
    ),
    OpenApiExample(
        "As much as some money buys",
        value={
            "client_order_id": "saving-2026-03-02",
            "symbol": "ACME",
            "side": "buy",
            "notional": "250.00",
            "order_type": "market",
        },
        request_only=True,
    ),
    OpenApiExample(
        "An entry with both legs",
        value={
            "client_order_id": "bracket-2026-03-02-001",
            "symbol": "ACME",
            "side": "buy",
            "quantity": "100",
            "order_type": "limit",
            "limit_price": "99.50",
            "order_class": "bracket",
            "take_profit": {"limit_price": "105.00"},
            "stop_loss": {"stop_price": "95.00"},
        },
        request_only=True,
    ),
    OpenApiExample(
        "A stop that trails by one percent",
        value={
            "client_order_id": "trail-2026-03-02-001",
            "symbol": "ACME",
            "side": "sell",
            "quantity": "100",
            "order_type": "trailing_stop",
            "time_in_force": "gtc",
            "trail_percent": "1",
        },
        request_only=True,
    ),
]
REPLACING = [
    OpenApiExample(
        "A better price",
        value={"client_order_id": "entry-2026-03-02-001-b", "limit_price": "99.75"},
        request_only=True,
    ),
]
CLOSING = [
    OpenApiExample("All of it", value={"client_order_id": "out-2026-03-02-001"}, request_only=True),
    OpenApiExample(
        "Half of it",
        value={"client_order_id": "out-2026-03-02-002", "percentage": "50"},
        request_only=True,
    ),
]


def tagged(tag: str) -> Callable[[Any], Any]:
    """Return a decorator that puts every method of a view under a heading."""
    return extend_schema(tags=[tag], parameters=[REQUEST_ID])


def answers(shown: type[Any], *refused: int) -> dict[int, OpenApiResponse]:
    """Return the answers of an address that shows something, and what it may refuse."""
    return {200: OpenApiResponse(shown), **refusals(*refused)}


def created(shown: type[Any], says: str) -> OpenApiResponse:
    """Return an answer with a body and a sentence about it."""
    return OpenApiResponse(shown, description=says)


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return the envelope under each of these statuses, and those that any address may answer."""
    return {status: _refusal(status) for status in sorted({*statuses, *EVERYWHERE})}


def _refusal(status: int) -> OpenApiResponse:
    says, code, message, field = REFUSALS[status]
    value = {"code": code, "message": message, "field": field, "request_id": "9f1c2d3e4f506172"}
    if field is None:
        del value["field"]
    return OpenApiResponse(
        ErrorShown, description=says, examples=[OpenApiExample(code, value=value)]
    )


class Described(AutoSchema):
    """Describes the body of a DELETE too, where it takes one."""

    def _get_request_body(self, direction: str = "request") -> Any:
        inherited: Any = super()._get_request_body
        if self.method != "DELETE":
            return inherited(direction)
        self.method = "PATCH"  # or its body would be left out
        try:
            return inherited(direction)
        finally:
            self.method = "DELETE"


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A key and its secret: two headers, or HTTP Basic."""

    target_class = "orders.api.authenticating.KeyAuthentication"
    name = ["Key", "Secret", "Basic"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:  # noqa: ARG002
        return [{"Key": [], "Secret": []}, {"Basic": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "apiKey", "in": "header", "name": "X-API-Secret"},
            {"type": "http", "scheme": "basic", "description": "The key and its secret."},
        ]


def refuse_unknown_fields(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of every object that it holds what is named and nothing else."""
    for schema in result["components"]["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    return result
