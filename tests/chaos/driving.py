"""Carries the plan out: asks for every intent until it is acknowledged, and never for another.

It is what a hurried client is: it asks again after every answer that does not come, through
whichever web is up, and sometimes through both at once. Every answer is on record.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.chaos.checking.records import Answer
from tests.chaos.plan import Intent, Plan
from tests.chaos.record import Record
from tests.chaos.staging import Seat, Stage

PATIENCE = 60.0  # seconds of asking for one thing before it is given up
AT_ONCE = 32  # intents being placed at the same time
LIVES_FOR = 30.0  # seconds until what still works is cancelled: a desk has so many, and no more
RESTING = 25  # one in so many is left working for good
PLACED = re.compile(r".*/orders/(?P<id>[0-9a-f-]{36})/")
TIMEOUT = httpx.Timeout(12.0)


class Driver:
    """One run's client."""

    def __init__(
        self, plan: Plan, stage: Stage, *, webs: list[str], record: Record, rate: float
    ) -> None:
        self._plan, self._stage, self._record = plan, stage, record
        self._rate = rate
        self._webs = webs
        self._turn = 0
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=40),
        )
        self._person = httpx.AsyncClient(
            timeout=TIMEOUT, trust_env=False, cookies=dict(stage.cookies)
        )
        self._placing = asyncio.Semaphore(AT_ONCE)
        self.released = 0  # intents asked for so far
        self._order_ids: dict[int, str] = {}  # by the intent's number
        self.acknowledged: dict[str, tuple[Intent, str]] = {}  # by the id they got

    async def run(self, each: Callable[[int], Awaitable[None]]) -> None:
        """Carry out every intent. `each` is called with its number before it is asked for."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for intent in self._plan.intents:
                await asyncio.sleep(max(began + intent.number / self._rate - time.monotonic(), 0))
                await each(intent.number)
                await self._placing.acquire()
                tasks.create_task(self._carry_out(intent))
                self.released += 1
                if (old := self._outlived(intent.number)) is not None:
                    tasks.create_task(self._end(*old))

    async def wind_down(self, unfinished: Collection[str]) -> None:
        """Cancel these orders, but for a few that are left to work."""
        jobs = [
            self._end(intent, order_id)
            for order_id, (intent, _) in list(self.acknowledged.items())
            if order_id in unfinished and intent.number % RESTING
        ]
        for start in range(0, len(jobs), AT_ONCE):
            await asyncio.gather(*jobs[start : start + AT_ONCE])

    def known(self) -> list[tuple[str, str]]:
        """Return the orders acknowledged so far, oldest first: broker and id."""
        return [(intent.broker, order_id) for order_id, (intent, _) in self.acknowledged.items()]

    async def close(self) -> None:
        await self._client.aclose()
        await self._person.aclose()

    def _outlived(self, number: int) -> tuple[Intent, str] | None:
        """Return the intent that has worked for long enough by now, with its order's id."""
        before = number - int(LIVES_FOR * self._rate)
        if before < 0 or before % RESTING == 0:
            return None
        intent = self._plan.intents[before]
        order_id = self._order_ids.get(before)
        may_work = intent.later == "leave" and intent.terms["order_type"] != "market"
        return (intent, order_id) if may_work and order_id else None

    async def _carry_out(self, intent: Intent) -> None:
        try:
            order_id = await self._place(intent)
        finally:
            self._placing.release()
        if order_id is None:
            return
        self.acknowledged[order_id] = (intent, intent.client_order_id)
        self._order_ids[intent.number] = order_id
        await asyncio.sleep(intent.after)
        match intent.later:
            case "cancel":
                await self._cancel(intent, order_id)
            case "replace":
                await self._replace(intent, order_id)

    async def _place(self, intent: Intent) -> str | None:
        """Ask for an order, as often as the plan says, and return its id or None."""
        if intent.by_page:
            return await self._place_by_page(intent)
        seat = self._stage.seats[intent.broker]
        told = {"client_order_id": intent.client_order_id, **intent.terms}
        asks = [self._ask(intent, "POST", seat.orders, told, what="place", first=0)]
        again = [
            self._ask(intent, "POST", seat.orders, told, what="again", first=number + 1)
            for number in range(intent.again)
        ]
        if intent.at_once:
            found = await asyncio.gather(*asks, *again)
        else:
            found = [await ask for ask in (*asks, *again)]
        return next((order_id for order_id in found if order_id), None)

    async def _place_by_page(self, intent: Intent) -> str | None:
        """Confirm a ticket as a browser does, once or by a double click."""
        seat = self._stage.seats[intent.broker]
        form = {name: value for name, value in intent.terms.items() if value is not None}
        form |= {"account": seat.account_id, "intent": intent.client_order_id}
        give_up_at = time.monotonic() + PATIENCE
        again = intent.again
        order_id = None
        while time.monotonic() < give_up_at:
            web, url = self._next_web()
            try:
                token = await self._csrf(url)
                said = await self._person.post(
                    f"{url}/orders/place/", data=form | {"csrfmiddlewaretoken": token}
                )
            except httpx.HTTPError as error:
                self._note(intent, "place", web, 0, error=repr(error))
                await asyncio.sleep(0.5)
                continue
            if placed := PLACED.fullmatch(said.headers.get("location", "")):
                order_id = placed["id"]
            self._note(intent, "place", web, said.status_code, order_id or "", body=said.text[:300])
            if said.status_code < 500 and (not again or order_id is None):
                return order_id
            again -= said.status_code == 302
            await asyncio.sleep(0.2)
        return order_id

    async def _csrf(self, url: str) -> str:
        """Return the token that a form carries, from the cookie that came with its page."""
        if self._stage.csrf_cookie not in self._person.cookies:
            await self._person.get(f"{url}/orders/new/")
        return self._person.cookies.get(self._stage.csrf_cookie) or ""

    async def _cancel(self, intent: Intent, order_id: str) -> None:
        seat = self._stage.seats[intent.broker]
        path = f"{seat.orders}/{order_id}"
        await self._ask(intent, "DELETE", path, None, what="cancel", first=intent.number)
        if intent.number % 5 == 0:  # a second click
            await self._ask(intent, "DELETE", path, None, what="cancel", first=intent.number + 1)

    async def _replace(self, intent: Intent, order_id: str) -> None:
        """Replace an order. A 409 may mean that it is not working yet: ask a few times."""
        seat = self._stage.seats[intent.broker]
        told = {"client_order_id": intent.replacement_id, **intent.changes}
        for number in range(6):
            new = await self._ask(
                intent, "PATCH", f"{seat.orders}/{order_id}", told, what="replace", first=number
            )
            if new is not None:
                self.acknowledged[new] = (intent, intent.replacement_id)
                return
            await asyncio.sleep(1.0)

    async def _end(self, intent: Intent, order_id: str) -> None:
        """Cancel an order that has not ended."""
        seat = self._stage.seats[intent.broker]
        path = f"{seat.orders}/{order_id}"
        await self._ask(intent, "DELETE", path, None, what="cancel", first=intent.number)

    async def _ask(
        self, intent: Intent, method: str, path: str, told: Any, *, what: str, first: int
    ) -> str | None:
        """Ask until an answer says something. Returns the order's id of a 2xx, else None."""
        seat = self._stage.seats[intent.broker]
        give_up_at = time.monotonic() + PATIENCE
        tries = first
        pause = 0.2
        while time.monotonic() < give_up_at:
            web, url = tries % len(self._webs), self._webs[tries % len(self._webs)]
            tries += 1
            said = await self._once(method, url + path, seat, told)
            if said is None:
                self._note(intent, what, web, 0)
            else:
                order_id = _order_id(said) if said.is_success else ""
                body = "" if said.is_success else said.text[:300]
                self._note(intent, what, web, said.status_code, order_id, body=body)
                if said.is_success:
                    return order_id
                if said.status_code < 500 and not _is_halted(said):
                    return None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 3.0)
        return None

    async def _once(self, method: str, url: str, seat: Seat, told: Any) -> httpx.Response | None:
        try:
            return await self._client.request(method, url, json=told, headers=seat.headers)
        except httpx.HTTPError:
            return None

    def _note(
        self, intent: Intent, what: str, web: int, status: int, order_id: str = "", **more: Any
    ) -> None:
        seat = self._stage.seats[intent.broker]
        name = intent.replacement_id if what == "replace" else intent.client_order_id
        answer = Answer(
            at=datetime.now(UTC),
            account=seat.key,
            client_order_id=name,
            what=what,
            web=web,
            status=status,
            order_id=order_id if what != "cancel" else "",
        )
        self._record.answered(answer, **more)

    def _next_web(self) -> tuple[int, str]:
        self._turn += 1
        web = self._turn % len(self._webs)
        return web, self._webs[web]


def _order_id(said: httpx.Response) -> str:
    return str(said.json()["id"])


def _is_halted(said: httpx.Response) -> bool:
    """Whether the desk takes no orders for the account at the moment: it may again soon."""
    return said.status_code in {403, 409, 422} and "account_halted" in said.text
