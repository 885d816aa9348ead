"""Says no as Alpaca does: a code that is a number, a message, and what else tells of the case.

A client acts on the status and the code; its SDK fails on an answer that lacks either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from brokers.reasons import Reason, says
from orders.api.alpaca import wording
from orders.api.refusing import BadRequest, ReadOnlyKey, TooLarge
from orders.asking import NoAnswer
from orders.errors import DeskError

log = structlog.get_logger(__name__)

SAID: Mapping[int, tuple[int, str]] = {
    401: (40110000, "request is not authorized"),
    403: (40310000, "forbidden"),
    404: (40410000, "endpoint not found"),
    405: (40510000, "method not allowed"),
    413: (41310000, "request body is too large"),
    415: (41510000, "request body must be application/json, not encoded further"),
    429: (42910000, "too many requests"),
}
DATABASE_AWAY = (
    "the desk can't reach its records, and can't tell whether this was done: repeat the request"
    " with the same client_order_id, which is safe"
)


class Declined(exceptions.APIException):
    """The answer is no, in Alpaca's words."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status_code = status
        self.code = code
        self.message = message
        self.more = more

    @property
    def body(self) -> dict[str, Any]:
        """What is answered, alone or as one item of many."""
        return {"code": self.code, "message": self.message, **self.more}


def declined(reason: Reason, message: str = "", **about: str) -> Declined:
    """Return a canonical reason as Alpaca gives it, in these words if they are given."""
    status, code, text = says("alpaca", reason, **about)
    return Declined(status, int(code), message or text)


def not_found(message: str) -> Declined:
    """Return the answer for what is not there, or not for this key."""
    return Declined(404, 40410000, message)


def of_desk(error: DeskError, about: wording.About | None = None) -> Declined:
    """Return what the desk declined, in Alpaca's words; `about` is what was asked for."""
    said = wording.of(error, about or wording.About())
    return Declined(said.status, said.code, said.message, **said.more)


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to a request that failed. DRF calls this for whatever a view raises."""
    told = _declined(error, getattr(context.get("view"), "about", None))
    headers = {"Retry-After": "1"} if told.status_code == 503 else {}
    if scheme := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = scheme
    return Response(told.body, status=told.status_code, headers=headers)


def _declined(error: Exception, about: wording.About | None) -> Declined:
    match error:
        case Declined():
            return error
        case DeskError():
            return of_desk(error, about)
        case exceptions.APIException() | Http404() | PermissionDenied():
            return _unreadable(error)
        case NoAnswer():
            return Declined(503, 50310000, f"the broker does not answer: {error}")
        case OperationalError() | InterfaceError():
            log.warning("database_away", error=str(error))
            ticket = about.ticket if about else None
            named = {"client_order_id": ticket.wire_id} if ticket else {}
            return Declined(503, 50310000, DATABASE_AWAY, **named)
        case _:
            log.error("request_failed", exc_info=error)
            return Declined(500, 50010000, "internal server error occurred")


def _unreadable(error: Exception) -> Declined:
    """Return the answer to a request that never came to what it asks for."""
    match error:
        case TooLarge():
            return Declined(413, *SAID[413])
        case BadRequest():
            return Declined(400, 40010000, f"request body format is invalid: {error.message}")
        case ReadOnlyKey():
            return Declined(403, 40310000, "this key may look, and not trade")
        case exceptions.APIException() if error.status_code not in SAID:
            return Declined(error.status_code, error.status_code * 100_000, str(error.detail))
        case exceptions.APIException():
            return Declined(error.status_code, *SAID[error.status_code])
        case _:
            status = 404 if isinstance(error, Http404) else 403
            return Declined(status, *SAID[status])
