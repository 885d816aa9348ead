"""Who may come in, and how every request is taken.

One way in: read, judge, record, commit, answer. The answer may then be
spoiled; what happened has happened by then.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from brokers.paper.accounts import Account
from brokers.paper.deciding import decide
from brokers.paper.faults import Setting
from brokers.paper.house import HOUSE, Ask, Asked, Decision, House
from brokers.paper.mishaps import Point
from brokers.paper.recording import News
from brokers.paper.refusals import Refusal
from brokers.paper.spoiling import SPOILS

LARGEST_BODY = 64 * 1024  # bytes
KEPT = 8 * 1024  # bytes of a body kept in the ledger
NOBODY = hashlib.sha256(b"").hexdigest()

logger = logging.getLogger(__name__)


def door(
    asked: Asked, *, admin: bool = False, point: Point | None = None, recorded: bool = True
) -> Callable[[web.Request], Any]:
    """Return the aiohttp handler for one thing that may be asked.

    `point` says which faults may strike it, `recorded` that the ledger has a line for it.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        house = request.app[HOUSE]
        try:
            account = _admin(house, request) if admin else _client(house, request)
        except Refusal as refusal:
            return web.json_response(refusal.json(), status=refusal.status)
        body = await request.read()
        key = "" if account is None else account.key
        # Nothing is awaited inside: one request at a time changes anything.
        try:
            fault = (point and house.faults.first(key, point)) or ""
            setting = house.faults.setting(key, fault) if fault else Setting()
            ask = Ask(
                house=house,
                account=account,
                path=request.match_info,
                query=request.query,
                body=body,
                now=datetime.now(UTC),
                fault=fault,
            )
            decision = decide(asked, ask, setting)
            if recorded:
                _record(house, key, request, body, decision, fault=fault)
            news = house.exchange.commit() if request.method != "GET" else []
        except Exception:
            # What is in memory may no longer be what is in the ledger. The ledger is right.
            logger.exception("The exchange stops rather than disagree with its ledger")
            os._exit(70)
        if point is Point.ANSWER:
            await _tell_first(house, key, news)
        answer = web.json_response(decision.told, status=decision.status or 504)
        if not decision.spoiled_by:
            return answer
        return await SPOILS[decision.spoiled_by](request, answer, setting)

    return handle


@web.middleware
async def in_json(
    request: web.Request, handler: Callable[[web.Request], Any]
) -> web.StreamResponse:
    """Answer what aiohttp itself refuses in the same words as everything else."""
    try:
        answer: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        code = {404: "no_such_path", 405: "method_not_allowed", 413: "too_large"}.get(
            error.status, "internal"
        )
        told = {"code": code, "message": error.reason}
        return web.json_response(told, status=error.status)
    return answer


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


async def _tell_first(house: House, key: str, news: list[News]) -> None:
    """Hold the answer until its news has been tried, where that fault strikes."""
    wait = house.faults.strikes(key, "webhook_before_answer") if news else None
    if wait is not None:
        within = float(wait.seconds)
        await asyncio.gather(*(house.teller.first_try(item, within=within) for item in news))


def _client(house: House, request: web.Request) -> Account:
    """Return the account whose key and secret these are. Raises Refusal."""
    account = house.exchange.books.accounts.get(request.headers.get("X-Paper-Key", ""))
    expected = NOBODY if account is None else account.secret_digest
    given = digest(request.headers.get("X-Paper-Secret", ""))
    if not hmac.compare_digest(expected, given) or account is None:
        raise Refusal("unauthorized", "There is no account with this key and secret.")
    return account


def _admin(house: House, request: web.Request) -> Account | None:
    """Return no account, for an admin has none. Raises Refusal for anyone else."""
    given = request.headers.get("X-Paper-Admin", "")
    if not hmac.compare_digest(digest(house.admin_token), digest(given)):
        raise Refusal("unauthorized", "This takes the admin token.")
    return None


def _record(
    house: House,
    key: str,
    request: web.Request,
    body: bytes,
    decision: Decision,
    *,
    fault: str,
) -> None:
    """Add a line for a request and what was decided, whatever becomes of the answer."""
    line = {
        "method": request.method,
        "path": request.path,
        "query": request.query_string,
        "body": body[:KEPT].decode(errors="replace"),
        "status": decision.status,
        "code": decision.code,
        "order_id": decision.order_id,
        "earlier_order_id": decision.earlier_order_id,
        "late_id": decision.late_id,
        "fault": fault,
    }
    house.exchange.ledger.append(
        "requests", line, at=datetime.now(UTC), account=key, name=json.dumps(line["path"])[1:-1]
    )
