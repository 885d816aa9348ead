"""What every answer carries, and the files that need no view.

These are synchronous on purpose. Under ASGI, Django moves to a thread and back for every
synchronous step of an asynchronous chain; one synchronous step innermost keeps the whole chain in
one thread.
"""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from structlog.contextvars import bound_contextvars, clear_contextvars
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

log = structlog.get_logger(__name__)

Next = Callable[[HttpRequest], HttpResponseBase]

GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")  # what we repeat into our logs is never free text
QUIET_ROUTES = {"healthz", "readyz"}  # asked every few seconds, by machines
HEADERS = {
    "Content-Security-Policy": settings.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
}


def request_id(get_response: Next) -> Next:
    """Bind an id to every line of log that a request causes, and answer with it."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if GIVEN.fullmatch(given) else uuid4().hex
        clear_contextvars()  # a thread is used again, and views bind what they are about
        with bound_contextvars(request_id=request_id):
            started = time.monotonic()
            response = get_response(request)
            _log(request, response, ms=round((time.monotonic() - started) * 1000, 1))
        response.headers["X-Request-ID"] = request_id
        return response

    return answer


def _log(request: HttpRequest, response: HttpResponseBase, *, ms: float) -> None:
    """Write one line for one request: by its route, as an address may hold a token."""
    if request.resolver_match is None:
        return  # one of our own files, or an address that is none
    route = request.resolver_match.route
    write = log.debug if route in QUIET_ROUTES else log.info
    write("request", method=request.method, route=route, status=response.status_code, ms=ms)


def content_policy(get_response: Next) -> Next:
    """Tell the browser to run and show nothing but our own files."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, answering with the whole file: its own answer streams, which ASGI cannot do."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file:
            with found.file:
                content = found.file.read()
        return HttpResponse(content, status=int(found.status), headers=dict(found.headers))
