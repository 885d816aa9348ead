"""What the plan does beside placing orders: weather at the exchange, halts, and forged webhooks."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx
from django.db import Error as DatabaseTrouble
from django.db import connections

from brokers import signatures
from orders import halting, timing
from tests.chaos.checking.records import Halt as HaltSeen
from tests.chaos.checking.records import Push
from tests.chaos.plan import Forgery, Halt, Plan
from tests.chaos.record import Record
from tests.chaos.staging import CHAOS, Seat, Stage
from tests.chaos.weather import Weather

STALE = 3600  # seconds
WRONG_SECRET = "whsec_" + "Zm9yZ2VyeQ" * 3 + "Zg=="

Told = TypeVar("Told")


class Meddler:
    """Does each thing when its intent's turn comes."""

    def __init__(
        self,
        plan: Plan,
        stage: Stage,
        *,
        exchange_url: str,
        admin_token: str,
        webs: list[str],
        record: Record,
    ) -> None:
        self._stage, self._webs, self._record = stage, webs, record
        self._exchange = httpx.AsyncClient(
            base_url=exchange_url, headers={"X-Paper-Admin": admin_token}, trust_env=False
        )
        self._stranger = httpx.AsyncClient(trust_env=False, timeout=10)
        self._due: dict[int, list[Weather | Halt | Forgery]] = defaultdict(list)
        for weather in plan.weathers:
            self._due[weather.from_intent].append(weather)
        for item in (*plan.halts, *plan.forgeries):
            self._due[item.after_intent].append(item)
        self._plan = plan
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_halt: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # at a time
        self._forged = 0

    async def before(self, number: int) -> None:
        """Begin whatever is due before an intent. Only a change of weather is waited for."""
        for item in self._due.get(number, ()):
            match item:
                case Weather():
                    await self._set(item.broker, item.faults)
                    self._record.note("weather", broker=item.broker, name=item.name)
                case Halt():
                    self._begin(self._halt(item))
                case Forgery():
                    self._begin(self._forge(item, number))

    async def calm(self) -> None:
        """Take every fault off, and see what was begun to its end."""
        await asyncio.gather(*self._tasks)
        for broker in self._stage.seats:
            await self._set(broker, {})

    async def stop_the_market(self) -> None:
        """Let nothing fill any more, so that both sides can be compared."""
        await self._admin("POST", "/admin/market", {"ticking": False})

    async def close(self) -> None:
        await self._exchange.aclose()
        await self._stranger.aclose()

    def _begin(self, doing: Any) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)

    async def _set(self, broker: str, faults: Any) -> None:
        key = self._stage.seats[broker].key
        await self._admin("PUT", "/admin/faults", {"account": key, "faults": faults})

    async def _admin(self, method: str, path: str, body: Any) -> None:
        """Ask the exchange's admin door until it answers: it may just have been killed."""
        for _ in range(200):
            try:
                said = await self._exchange.request(method, path, json=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if said.status_code < 500:
                said.raise_for_status()
                return
        raise RuntimeError(f"The exchange does not do {method} {path}.")

    async def _halt(self, halt: Halt) -> None:
        """Halt an account for a while, by the kill switch."""
        seat = self._stage.seats[halt.broker]
        async with self._one_halt[halt.broker]:
            await asyncio.to_thread(_surely, lambda: _do(halting.halt, seat))
            committed_at = datetime.now(UTC)
            await asyncio.sleep(halt.seconds)
            resumed_at = datetime.now(UTC)
            await asyncio.to_thread(_surely, lambda: _do(halting.release, seat))
        self._record.halted(
            HaltSeen(account=seat.key, committed_at=committed_at, resumed_at=resumed_at)
        )

    async def _forge(self, forgery: Forgery, number: int) -> None:
        """Claim, without the right to, that an order was filled. Nobody may believe it."""
        seat = self._stage.seats[forgery.broker]
        self._forged += 1
        name = f"forged-{self._forged}"
        intent = (
            next(
                i for i in reversed(self._plan.intents[: number + 1]) if i.broker == forgery.broker
            )
            if number
            else self._plan.intents[0]
        )
        body = json.dumps(_claim(name, intent.client_order_id, intent.terms)).encode()
        headers = _signed(forgery.how, name, body, seat, self._stage)
        try:
            said = await self._stranger.post(
                f"{self._webs[number % len(self._webs)]}/webhooks/{seat.endpoint_token}",
                content=body,
                headers={"content-type": "application/json", **headers},
            )
        except httpx.HTTPError:
            return
        fault = "webhook_stale" if forgery.how == "stale" else "webhook_bad_signature"
        self._record.pushed(
            Push(
                account=seat.key,
                delivery_id=name,
                status=said.status_code,
                fault=fault,
                at=datetime.now(UTC),
            )
        )


def _surely(do: Callable[[], Told]) -> Told:
    """Do something in the desk's database, again if that is away. It must bear repeating."""
    for _ in range(200):
        try:
            return do()
        except DatabaseTrouble:
            connections.close_all()
    raise RuntimeError("The database does not come back.")


def _do(step: Callable[..., bool], seat: Seat) -> bool:
    """Halt an account, or release it. Done already is done."""
    now = timing.database_now()
    return step(UUID(seat.account_id), reason="A drill.", actor=CHAOS, now=now)


def _signed(how: str, name: str, body: bytes, seat: Seat, stage: Stage) -> dict[str, str]:
    stamp = int(datetime.now(UTC).timestamp()) - (STALE if how == "stale" else 0)
    match how:
        case "unsigned":
            return {}
        case "stale":
            secret = seat.endpoint_secret
        case "foreign":  # another endpoint's, which is somebody's, and not this account's
            others = [other for other in stage.seats.values() if other is not seat]
            secret = others[0].endpoint_secret if others else WRONG_SECRET
        case _:
            secret = WRONG_SECRET
    return {
        "webhook-id": name,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signatures.sign(secret, name, stamp, body),
    }


def _claim(name: str, client_order_id: str, terms: Any) -> dict[str, Any]:
    """Return news of a fill that never was, in the exchange's own words."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    order = {
        "id": f"P-{name}",
        "sequence": 1,
        "version": 999,
        "client_order_id": client_order_id,
        "symbol": terms["symbol"],
        "side": terms["side"],
        "type": terms["order_type"],
        "time_in_force": terms["time_in_force"],
        "quantity": terms["quantity"],
        "limit_price": terms.get("limit_price"),
        "stop_price": terms.get("stop_price"),
        "status": "filled",
        "filled_quantity": terms["quantity"],
        "cost": "1",
        "average_price": "1",
        "triggered": True,
        "replaces": None,
        "replaced_by": None,
        "reason": None,
        "created_at": now,
        "updated_at": now,
    }
    execution = {
        "id": f"X-{name}",
        "sequence": 1,
        "number": 1,
        "order_id": order["id"],
        **{key: order[key] for key in ("client_order_id", "symbol", "side", "quantity")},
        "price": "1",
        "at": now,
    }
    return {
        "type": "order.filled",
        "timestamp": now,
        "data": {"order": order, "execution": execution},
    }
