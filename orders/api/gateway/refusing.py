"""Says no as the Gateway does: `{"code", "message", "details"}`.

The SDK asks again by itself for a GET or a DELETE that is answered with 502, 503 or 504. So no
write is ever answered with one of these: it may have been done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from orders.api.gateway import wording
from orders.api.gateway.wording import Declined
from orders.api.refusing import BadRequest, ReadOnlyKey, TooLarge
from orders.asking import NoAnswer
from orders.errors import DeskError

log = structlog.get_logger(__name__)

SAID: Mapping[int, tuple[str, str]] = {
    404: ("NOT_FOUND", "There is nothing at this address"),
    405: ("METHOD_NOT_ALLOWED", "This address does not take that method"),
    415: ("INVALID_REQUEST", "Invalid request: send the body as application/json, not encoded"),
    429: ("RATE_LIMITED", "Too many requests"),
}
UNSURE = (
    "The desk lost its records while it did this, and can't tell whether it was done. Look it up"
    " before asking again: by client_order_id in GET /v1/orders, or in GET /v1/positions"
)


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to a request that failed. DRF calls this for whatever a view raises."""
    request, provider = context.get("request"), getattr(context.get("view"), "provider", "")
    # Before it is known whose account it is about, nothing has been done.
    writes = request is not None and request.method not in SAFE_METHODS and bool(provider)
    told = _declined(error, provider, writes=writes)
    headers = {"Retry-After": "1"} if told.status_code in {429, 503} else {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    return Response(told.body, status=told.status_code, headers=headers)


def _declined(  # noqa: PLR0911 — one line for each kind
    error: Exception, provider: str, *, writes: bool
) -> Declined:
    match error:
        case Declined():
            return error
        case DeskError():
            return wording.of(error, provider=provider)
        case exceptions.APIException() | Http404() | PermissionDenied():
            return _unreadable(error)
        case NoAnswer():
            return Declined(503, "PROVIDER_UNAVAILABLE", f"The broker does not answer: {error}")
        case OperationalError() | InterfaceError() if writes:
            log.warning("database_away", error=str(error))
            return Declined(500, "INTERNAL_ERROR", UNSURE, outcome="unknown")
        case OperationalError() | InterfaceError():
            log.warning("database_away", error=str(error))
            why = "The desk can't reach its records"
            return Declined(503, "PROVIDER_UNAVAILABLE", why)
        case _:
            log.error("request_failed", exc_info=error)
            return Declined(500, "INTERNAL_ERROR", "The desk failed at this, and has logged why")


def _unreadable(error: Exception) -> Declined:  # noqa: PLR0911 — one line for each kind
    """Return the answer to a request that never came to what it asks for."""
    match error:
        case TooLarge():
            return Declined(413, "INVALID_REQUEST", f"Invalid request: {error.message}")
        case BadRequest():
            return wording.unreadable(error.message, field=error.field)
        case exceptions.AuthenticationFailed():
            return _unauthorized("Invalid API key", "INVALID_API_KEY")
        case exceptions.NotAuthenticated():
            return _unauthorized("Missing API key", "MISSING_API_KEY")
        case ReadOnlyKey():
            return _unauthorized("This API key may look, and not trade", "READ_ONLY_API_KEY")
        case exceptions.APIException() if error.status_code not in SAID:
            return Declined(error.status_code, "INVALID_REQUEST", str(error.detail))
        case exceptions.APIException():
            return Declined(error.status_code, *SAID[error.status_code])
        case _:
            return Declined(404, *SAID[404])


def _unauthorized(why: str, code: str) -> Declined:
    return Declined(401, "UNAUTHORIZED", f"Unauthorized: {why}", code=code)
