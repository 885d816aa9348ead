"""One request to a broker, and the three ways it can fail.

One write, no retries, no redirects, no proxy from the environment, a fresh
connection each time: a connection kept open may be dead at the other end, and
then nobody could say whether the request arrived.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from threading import Timer
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import httpx

from brokers.amounts import plain
from brokers.errors import NotSent, OutcomeUnknown
from brokers.messages import Call
from brokers.parsing import parse_json, storable

CONNECT, WRITE, READ, IN_ALL = 5, 5, 20, 25  # seconds
LARGEST_ANSWER = 2 * 1024 * 1024  # bytes; a broker that sends more is not answering us
KEPT = 16 * 1024  # bytes of an answer kept as evidence
SECRET_HEADERS = ("authorization", "-key", "secret", "signature", "token")

# No byte of the request has left when these are raised. LocalProtocolError is raised over a header
# that can't be written, which is found out before the first byte.
UNREACHED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, body as text, and the call as evidence. Headers in lower case."""

    status: int
    text: str
    call: Call
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body as JSON, numbers as Decimal. Raises ValueError."""
        return parse_json(self.text)


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    largest: int = LARGEST_ANSWER,
) -> Answer:
    """Make one request and return whatever whole answer comes, of any status.

    Raises NotSent if no byte left, OutcomeUnknown for everything else that
    is not a whole answer: silence, a reset, a cut body, one too large.
    """
    content = b"" if body is None else json.dumps(body, default=_plain).encode()
    started_at, start = datetime.now(UTC), monotonic()

    def evidence(status: int | None = None, text: str = "", failure: str = "") -> Call:
        return Call(
            method=method,
            url=url if not params else f"{url}?{urlencode(params)}",
            request_body=content.decode(),
            started_at=started_at,
            took_ms=round((monotonic() - start) * 1000),
            status=status,
            answer_body=storable(text[:KEPT]),
            failure=storable(failure),
        )

    try:
        request = _client().build_request(
            method,
            url,
            params=params,
            headers={**headers, **({"content-type": "application/json"} if content else {})},
            content=content,
        )
    except (httpx.InvalidURL, ValueError) as error:
        told = evidence(failure=f"{type(error).__name__}: {error}")
        raise NotSent(f"No request can be made to {url}: {error}", call=told) from error
    status: int | None = None
    heads: Mapping[str, str] = {}
    received = bytearray()
    deadline = _Deadline(IN_ALL)
    request.extensions["trace"] = deadline.watch
    try:
        with deadline, closing(_client().send(request, stream=True)) as response:
            status, heads = response.status_code, dict(response.headers)
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > largest:
                    raise httpx.ReadError(f"the answer is larger than {largest >> 20} MB")
    except UNREACHED as error:
        told = evidence(failure=f"{type(error).__name__}: {error}")
        raise NotSent(f"Could not reach {request.url.host}: {error}", call=told) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = evidence(
            status,
            received.decode(errors="replace"),
            failure=f"{type(error).__name__}: {error}",
        )
        why = f"no whole answer within {IN_ALL} s" if deadline.passed else _in_words(error)
        raise OutcomeUnknown(
            f"No whole answer from {request.url.host}: {why}", call=told
        ) from error
    text = received.decode(errors="replace")
    return Answer(status, text, evidence(status, text), heads)


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers fit to keep: whatever may be a secret is replaced by its length."""
    return {
        name: f"[{len(value)} characters]"
        if any(word in name.lower() for word in SECRET_HEADERS)
        else value
        for name, value in headers.items()
    }


class _Deadline:
    """Cuts a connection off when its time is up.

    httpx bounds each read, not all of them: a broker that sends a byte of its
    headers every few seconds would hold a worker for as long as it pleased.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of the connection from httpcore's trace."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:  # a name that took long to resolve: nothing may be sent any more
                self._cut()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            with suppress(OSError):  # it may have ended by itself this instant
                self._socket.shutdown(socket.SHUT_RDWR)


@cache
def _client() -> httpx.Client:
    return httpx.Client(
        timeout=httpx.Timeout(READ, connect=CONNECT, write=WRITE),
        limits=httpx.Limits(max_keepalive_connections=0, max_connections=None),
        follow_redirects=False,
        trust_env=False,
    )


def _in_words(error: Exception) -> str:
    match error:
        case httpx.ReadTimeout():
            return f"silence for {READ} s"
        case httpx.WriteTimeout() | httpx.WriteError():
            return "the request may have been cut off on its way"
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return f"the connection broke ({str(error) or type(error).__name__})"
        case _:
            return str(error) or type(error).__name__


def _plain(value: object) -> str:
    """Write amounts as strings: a JSON number would lose digits at the other end."""
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} does not travel as JSON")
