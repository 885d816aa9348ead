"""Says no in one way, whatever went wrong: `{"code", "message", …, "request_id"}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from structlog.contextvars import get_contextvars

from orders.errors import DeskError

log = structlog.get_logger(__name__)

LONGEST_NAME = 64  # of a field that we repeat: an unknown one is whatever the client made up

NOT_FOUND = "There is nothing here by this address, or it is not for this key."
SAID: Mapping[int, tuple[str, str]] = {
    401: ("unauthenticated", "Send a live key as X-API-Key and its secret as X-API-Secret."),
    403: ("forbidden", "This key may not do that."),
    404: ("not_found", NOT_FOUND),
    405: ("method_not_allowed", "This address does not take that method."),
    406: ("not_acceptable", "The desk answers in application/json only."),
    415: ("unsupported_media_type", "Send the body as application/json, not encoded further."),
    429: ("too_many_requests", "Wait before asking again."),
}


class BadRequest(exceptions.APIException):
    """The request can't be read. `field` names the part at fault, if one is."""

    status_code = 400

    def __init__(
        self, message: str, *, field: str | None = None, code: str = "invalid_request"
    ) -> None:
        super().__init__(message, code)
        self.message = message
        self.field = field
        self.code = code


class TooLarge(BadRequest):
    """The body is longer than anything this desk could be told."""

    status_code = 413

    def __init__(self, message: str) -> None:
        super().__init__(message, code="too_large")


class ReadOnlyKey(exceptions.PermissionDenied):
    """The key may look and not touch."""


class Refusal(NamedTuple):
    """One answer in the negative."""

    status: int
    code: str
    message: str
    field: str | None = None
    orders: tuple[UUID, ...] = ()


def answer(error: Exception, context: Mapping[str, Any]) -> Response:  # noqa: ARG001
    """Return the answer to a request that failed. DRF calls this for whatever a view raises."""
    refusal = _refusal(error)
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.field is not None:
        body["field"] = refusal.field[:LONGEST_NAME]
    if refusal.orders:
        body["orders"] = [str(order) for order in refusal.orders]
    body["request_id"] = str(get_contextvars().get("request_id", ""))
    return Response(body, status=refusal.status, headers=_headers(error, refusal))


def _refusal(error: Exception) -> Refusal:  # noqa: PLR0911 — one line for each kind
    match error:
        case DeskError():
            return Refusal(error.status, error.code, error.message, error.field, error.orders)
        case BadRequest():
            return Refusal(error.status_code, error.code, error.message, error.field)
        case ReadOnlyKey():
            return Refusal(403, "read_only_key", "This key may look, and not trade.")
        case exceptions.ValidationError():
            field, message = _first(error.detail)
            return Refusal(400, "invalid_request", message, field)
        case Http404():
            return Refusal(404, *SAID[404])
        case PermissionDenied():
            return Refusal(403, *SAID[403])
        case exceptions.APIException() if error.status_code in SAID:
            return Refusal(error.status_code, *SAID[error.status_code])
        case exceptions.APIException():
            return Refusal(error.status_code, "invalid_request", str(error.detail))
        case OperationalError() | InterfaceError():
            log.warning("database_away", error=str(error))
            return Refusal(
                503,
                "database_away",
                "The desk can't reach its records, and can't tell whether this was done. Repeat"
                " the request, with the same client order id if it has one: that is safe.",
            )
        case _:
            log.error("request_failed", exc_info=error)
            return Refusal(500, "internal_error", "The desk failed at this, and has logged why.")


def _headers(error: Exception, refusal: Refusal) -> dict[str, str]:
    headers = {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = f"{wait:.0f}"
    if refusal.status == 503:
        headers["Retry-After"] = "1"
    return headers


def _first(detail: Any, path: str | None = None) -> tuple[str | None, str]:
    """Return the first complaint of DRF's nested ones, and the field it is about: a dotted path."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        if name == "non_field_errors":
            return _first(inner, path)
        return _first(inner, str(name) if path is None else f"{path}.{name}")
    if isinstance(detail, list):
        return _first(detail[0], path)
    return path, str(detail)
