"""The way in for brokers: `POST /webhooks/<token>`, answered once the raw bytes are durable.

A raw ASGI application beside Django, because a delivery needs nothing of what
a page needs, and a burst of fills must not queue behind pages.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import psycopg_pool
import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.db import Error as DatabaseTrouble

from brokers.errors import Untrusted
from brokers.http import redacted
from webhooks.calling import Bell
from webhooks.keeping import Keeper, Parcel
from webhooks.noting import Notes
from webhooks.quarantining import Stray
from webhooks.trusting import Gate, gate_of

log = structlog.get_logger(__name__)

LARGEST = 256 * 1024  # bytes
TOKEN = re.compile(r"[0-9a-f]{32}")
BODY_WITHIN = 15.0  # seconds for a body to arrive


class Answered(Exception):
    """The delivery is not taken. Carries the answer."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Door:
    """Serves deliveries on whichever event loop calls it."""

    def __init__(self) -> None:
        self._keepers: dict[asyncio.AbstractEventLoop, asyncio.Task[Keeper]] = {}
        self._noted: dict[asyncio.AbstractEventLoop, Notes] = {}
        self._bell = Bell()

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer 204 to what is kept; everything else says why it is not."""
        request_id = uuid4().hex
        try:
            await self._take(scope, receive)
        except Answered as answer:
            log.info("delivery_declined", status=answer.status, code=answer.code, id=request_id)
            body = {"code": answer.code, "message": answer.message, "request_id": request_id}
            await _answer(
                send, answer.status, json.dumps(body).encode(), answer.headers, request_id
            )
        else:
            await _answer(send, 204, b"", {}, request_id)
            self._bell.ring()

    async def close(self) -> None:
        """Finish what is under way on this loop and let its connections go."""
        await self._bell.close()
        notes = self._noted.pop(asyncio.get_running_loop(), None)
        if notes is not None:
            await notes.close()
        opening = self._keepers.pop(asyncio.get_running_loop(), None)
        if opening is not None:
            await (await opening).close()

    async def _take(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> None:
        now = datetime.now(UTC)
        token = scope["path"].removeprefix("/webhooks/")
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        if not TOKEN.fullmatch(token):
            raise Answered(404, "unknown_endpoint", "There is no such endpoint.")
        if scope["method"] != "POST":
            raise Answered(405, "method_not_allowed", "Deliveries are POSTed.", allow="POST")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Answered(415, "encoded", "Send the body as it is, without content-encoding.")
        await _open_gate(token)  # a stranger's body is not worth the wait
        body = await _read(receive, headers)
        gate = await _open_gate(token)  # again: sending the body may have taken a while
        notes = self._notes()
        try:
            proof = gate.verify(headers, body, now=now)
        except Untrusted as error:
            notes.turned_away(
                Stray(
                    endpoint_id=gate.endpoint_id,
                    headers=headers,
                    body=body,
                    received_at=now,
                    why=str(error),
                )
            )
            raise Answered(gate.turns_away_with, "untrusted", str(error)) from error
        parcel = Parcel(
            endpoint_id=gate.endpoint_id,
            delivery_id=proof.delivery_id,
            headers=redacted(headers),
            body=body,
            received_at=now,
        )
        try:
            await (await self._keeper()).keep(parcel)
        except (psycopg.Error, psycopg_pool.PoolTimeout, OSError) as error:
            raise _try_again() from error
        notes.used(proof.secret_id, now)

    def _notes(self) -> Notes:
        return self._noted.setdefault(asyncio.get_running_loop(), Notes())

    def _keeper(self) -> asyncio.Task[Keeper]:
        loop = asyncio.get_running_loop()
        if loop not in self._keepers:
            self._keepers[loop] = loop.create_task(Keeper.open())
        return self._keepers[loop]


async def _open_gate(token: str) -> Gate:
    try:
        gate = await gate_of(token)
    except DatabaseTrouble as error:
        raise _try_again() from error
    if gate is None:
        raise Answered(404, "unknown_endpoint", "There is no such endpoint.")
    if gate.is_decommissioned:
        raise Answered(410, "decommissioned", "This endpoint takes no more deliveries.")
    return gate


async def _read(receive: ASGIReceiveCallable, headers: Mapping[str, str]) -> bytes:
    too_large = Answered(413, "too_large", f"A delivery has at most {LARGEST} bytes.")
    announced = headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()) or int(announced[:20]) > LARGEST:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise Answered(400, "cut_off", "The body did not arrive whole.")
                body += message.get("body", b"")
                if len(body) > LARGEST:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise Answered(408, "too_slow", "The body did not arrive in time.") from error


async def _answer(
    send: ASGISendCallable, status: int, body: bytes, headers: Mapping[str, str], request_id: str
) -> None:
    pairs = {
        "content-length": str(len(body)),
        "x-request-id": request_id,
        "cache-control": "no-store",
        **({"content-type": "application/json"} if body else {}),
        **headers,
    }
    if status == 204:
        del pairs["content-length"]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _try_again() -> Answered:
    return Answered(
        503, "not_kept", "The delivery could not be kept; send it again.", retry_after="5"
    )


application = Door()
