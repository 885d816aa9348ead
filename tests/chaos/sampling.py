"""Reads pages and the API all the time, from both webs, as people and programs would.

What it asks for most are the lists that make the strongest claims: rejected, not sent, cancelled.
"""

from __future__ import annotations

import asyncio
import html
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx

from tests.chaos.checking.records import Sample
from tests.chaos.record import Record
from tests.chaos.staging import Stage

TIMEOUT = httpx.Timeout(10.0)
PAGES = ("", "open", "doubt", "filled", "cancelled", "rejected", "unsent")
LISTS = (
    *("", "submission=ready", "submission=refused", "submission=absent", "submission=blocked"),
    *("submission=withdrawn", "submission=expired_unsent", "submission=unknown"),
    *("status=canceled", "status=expired", "status=rejected", "status=replaced", "status=filled"),
)
ROW = re.compile(r'<tr id="order-(?P<id>[0-9a-f-]{36})"[^>]*? data-say="(?P<say>[^"]*)"')
SAID = re.compile(
    r"[^:]*: (?P<word>“.*”|[^,]*)(?:, (?P<filled>[\d,.]+) filled)?(?:, (?P<marks>.*))?"
)
# What a view calls a sum that it does not vouch for, as a flag and in words.
QUALIFIERS = frozenset({"needs_confirm", "overfill", "unconfirmed"})
RECENT = 60  # orders; those asked after one by one are mostly among the latest


class Sampler:
    """One run's reader."""

    def __init__(
        self,
        stage: Stage,
        *,
        webs: list[str],
        record: Record,
        seed: int,
        known: Callable[[], list[tuple[str, str]]],
        every: float,
    ) -> None:
        self._stage, self._webs, self._record = stage, webs, record
        self._known = known  # the orders acknowledged so far: broker and id
        self._every = every
        self._dice = random.Random(f"{seed}:sampling")
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._person = httpx.AsyncClient(
            timeout=TIMEOUT, trust_env=False, cookies=dict(stage.cookies)
        )
        self._secrets = [(name, value) for name, value in stage.secrets.items()]
        self.reads = 0

    async def run(self) -> None:
        """Read, for ever. Cancel it to stop."""
        while True:
            for read in (self._list, self._order, self._page, self._order):
                with suppress(httpx.HTTPError):  # a web that is down shows nothing
                    await read(self._dice.choice(self._webs))
                await asyncio.sleep(self._every)

    async def close(self) -> None:
        await self._client.aclose()
        await self._person.aclose()

    async def _list(self, web: str) -> None:
        seat = self._stage.seats[self._dice.choice(sorted(self._stage.seats))]
        wanted = self._dice.choice(LISTS)
        url = f"{web}{seat.orders}?limit=200{'&' if wanted else ''}{wanted}"
        before = datetime.now(UTC)
        said = await self._client.get(url, headers=seat.headers)
        after = datetime.now(UTC)
        if self._take(said, f"the list of orders ({wanted})"):
            for order in said.json()["orders"]:
                self._record.seen(_of_api(order, before, after, "list"))

    async def _order(self, web: str) -> None:
        known = self._known()
        if not known:
            return
        some = known[-RECENT:] if self._dice.random() < 0.8 else known
        broker, order_id = self._dice.choice(some)
        seat = self._stage.seats[broker]
        before = datetime.now(UTC)
        said = await self._client.get(f"{web}{seat.orders}/{order_id}", headers=seat.headers)
        after = datetime.now(UTC)
        if self._take(said, "an order"):
            self._record.seen(_of_api(said.json(), before, after, "order"))

    async def _page(self, web: str) -> None:
        show = self._dice.choice(PAGES)
        part = self._dice.choice(("", "rows"))
        query = f"show={show}" * bool(show) + "&part=rows" * bool(part)
        before = datetime.now(UTC)
        said = await self._person.get(f"{web}/orders/?{query}")
        after = datetime.now(UTC)
        if self._take(said, f"the blotter ({query})"):
            for sample in _of_page(said.text, before, after):
                self._record.seen(sample)

    def _take(self, said: httpx.Response, where: str) -> bool:
        """Look through an answer for secrets. Returns whether it is one that shows something."""
        self.reads += 1
        for name, value in self._secrets:
            if value in said.text:
                self._record.leaked(f"{name} on {where}")
        return said.status_code == 200


def _of_api(order: dict[str, Any], before: datetime, after: datetime, seen_on: str) -> Sample:
    return Sample(
        before=before,
        after=after,
        order_id=order["id"],
        seen_on=seen_on,
        submission=order["submission"],
        status=order["status"],
        word="",
        filled=Decimal(order["filled_quantity"]),
        is_qualified=not QUALIFIERS.isdisjoint(order["flags"]),
    )


def _of_page(text: str, before: datetime, after: datetime) -> Iterator[Sample]:
    for row in ROW.finditer(text):
        told = SAID.fullmatch(html.unescape(row["say"]))
        if told is None:
            raise ValueError(f"A row of the blotter can't be read: {row['say']!r}")
        yield Sample(
            before=before,
            after=after,
            order_id=row["id"],
            seen_on="page",
            submission="",
            status=None,
            word=told["word"],
            filled=Decimal((told["filled"] or "0").replace(",", "")),
            is_qualified=not QUALIFIERS.isdisjoint((told["marks"] or "").split(", ")),
        )
