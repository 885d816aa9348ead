"""How an answer is spoiled: one function per fault that strikes an answer.

They have their hands on the socket, because a proxy that dies or a cable that
is pulled does not speak HTTP.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from brokers.paper.faults import Setting
from brokers.paper.mishaps import LATE, NOT_ACCEPTED

LOOK_EVERY = 0.1  # seconds between looks at whether a client that gets no answer has left
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of nothing: closing sends RST, not FIN

Spoil = Callable[[web.Request, web.Response, Setting], Awaitable[web.Response]]


async def gateway_timeout(
    _request: web.Request, _answer: web.Response, _setting: Setting
) -> web.Response:
    """Answer what a proxy answers when whoever is behind it says nothing."""
    return web.Response(status=504, text="upstream request timeout", content_type="text/plain")


async def slow_down(_request: web.Request, answer: web.Response, setting: Setting) -> web.Response:
    """Say when to come back."""
    answer.headers["Retry-After"] = f"{setting.seconds:f}"
    return answer


async def html_page(
    _request: web.Request, _answer: web.Response, _setting: Setting
) -> web.Response:
    """Answer a proxy's page."""
    page = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
    return web.Response(status=502, text=page, content_type="text/html")


async def silence(request: web.Request, answer: web.Response, setting: Setting) -> web.Response:
    """Answer nothing until the client leaves or the time is up, then hang up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + float(setting.seconds)
    while loop.time() < until and _connected(request):  # noqa: ASYNC110  (nothing says it left)
        await asyncio.sleep(LOOK_EVERY)
    if request.transport is not None:
        request.transport.abort()
    return answer


async def reset(request: web.Request, answer: web.Response, _setting: Setting) -> web.Response:
    """Reset the connection."""
    if request.transport is not None:
        wire: socket.socket | None = request.transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        request.transport.abort()
    return answer


async def cut_short(request: web.Request, answer: web.Response, _setting: Setting) -> web.Response:
    """Send the head and half of the body, and hang up."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    head = (
        f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    if request.transport is not None:
        request.transport.write(head.encode() + body[: len(body) // 2])
        request.transport.close()
    return answer


SPOILS: Mapping[str, Spoil] = {
    NOT_ACCEPTED: gateway_timeout,
    LATE: gateway_timeout,
    "too_many_429": slow_down,
    "accept_then_504": gateway_timeout,
    "accept_then_html_502": html_page,
    "accept_then_hang": silence,
    "accept_then_reset": reset,
    "accept_then_truncated_201": cut_short,
}


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()
