"""Tells accounts their news: signed webhooks, tried until they are taken or a day has gone by.

What is owed stands in the ledger before it is first tried, so a restart loses
nothing; it may repeat what was taken just before. No order is promised.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from datetime import UTC, datetime, timedelta
from random import Random

import aiohttp

from brokers import signatures
from brokers.paper.faults import Faults
from brokers.paper.recording import FOREIGN, News, Records

PAUSES = (0.5, 1, 2, 5, 10, 30, 60)  # seconds between tries; the last one again and again
JITTER = 0.2  # of a pause, either way, so that what failed together is not retried together
GIVE_UP_AFTER = timedelta(days=1)
AT_ONCE = 16  # tries on the wire at the same time
WITHIN = aiohttp.ClientTimeout(total=10)  # seconds a receiver has to answer
SWAPPED_AFTER = 0.1  # seconds, so that two on the wire at once do not swap back
GONE = 410
WRONG_SECRET = "whsec_" + "d3Jvbmc" * 4  # no account's


class Teller:
    """Everything owed to webhooks. `tell` takes more; `run` delivers, for as long as it runs."""

    def __init__(self, records: Records, faults: Faults, *, seed: int) -> None:
        self._records, self._faults = records, faults
        self._ledger, self._accounts = records.ledger, records.books.accounts
        self._random = Random(f"{seed}:telling")  # noqa: S311  (jitter)
        self._due: list[tuple[float, int, News, int]] = []  # a heap: when, tie, what, which try
        self._ties = 0
        self._held: dict[str, News] = {}  # by account: goes after the next news
        self._tried: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._sending = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, news: News) -> None:
        """Have a piece of news delivered."""
        key, now = news.account, _clock()
        if self._faults.strikes(key, "webhook_foreign"):
            foreign = self._records.foreign(news, now=datetime.now(UTC))
            if foreign is not None:
                self._plan(foreign, now)
        if self._faults.strikes(key, "webhook_drop"):
            self._record(news, 0, fault="webhook_drop", final=True)
            return
        delay = self._faults.strikes(key, "webhook_delay")
        due = now + (float(delay.seconds) if delay else 0)
        copies = self._faults.strikes(key, "webhook_duplicate")
        swapped = self._held.pop(key, None)
        hold = self._faults.strikes(key, "webhook_reorder") if swapped is None else None
        if hold is not None:
            self._held[key] = news
            due = now + float(hold.seconds)
        for _ in range(1 + (copies.times if copies else 0)):
            self._plan(news, due)
        if swapped is not None:
            self._hasten(swapped, due + SWAPPED_AFTER)

    def resume(self, *, now: datetime) -> None:
        """Take up what was owed when the exchange last stopped."""
        for line in self._ledger.undelivered(since=now - GIVE_UP_AFTER):
            self._plan(News(line.name, line.account, line.body, line.at), _clock())

    async def first_try(self, news: News, *, within: float) -> None:
        """Wait until a piece of news has been tried once, or the time is up."""
        tried = self._tried.setdefault(news.id, asyncio.Event())
        try:
            await asyncio.wait_for(tried.wait(), within)
        except TimeoutError:
            pass
        finally:
            self._tried.pop(news.id, None)

    async def run(self) -> None:
        """Deliver what is due, for ever."""
        async with aiohttp.ClientSession(
            timeout=WITHIN, trust_env=False, connector=aiohttp.TCPConnector(limit=AT_ONCE)
        ) as session:
            while True:
                self._wake.clear()
                while self._due and self._due[0][0] <= _clock():
                    _, _, news, tries = heapq.heappop(self._due)
                    task = asyncio.create_task(self._try(session, news, tries))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                pause = self._due[0][0] - _clock() if self._due else None
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                except TimeoutError:
                    continue

    async def _try(self, session: aiohttp.ClientSession, news: News, tries: int) -> None:
        hook = self._accounts[news.account].webhook
        if hook is None or hook.disabled:
            self._record(news, tries, failure="the webhook is off", final=True)
            return
        spoiled = self._faults.strikes(news.account, "webhook_bad_signature")
        stale = None if spoiled else self._faults.strikes(news.account, "webhook_stale")
        body = json.dumps(news.body).encode()
        stamp = int(datetime.now(UTC).timestamp() - float(stale.seconds if stale else 0))
        secret = WRONG_SECRET if spoiled else hook.secret
        fault = "webhook_bad_signature" if spoiled else "webhook_stale" if stale else ""
        if news.id.startswith(FOREIGN):
            fault = fault or "webhook_foreign"
        headers = {
            "content-type": "application/json",
            "webhook-id": news.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signatures.sign(secret, news.id, stamp, body),
        }
        status, failure = 0, ""
        async with self._sending:
            try:
                async with session.post(
                    hook.url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = f"{type(error).__name__}: {error}"
        self._conclude(news, tries, status, failure, fault=fault)
        if news.id in self._tried:
            self._tried[news.id].set()

    def _conclude(self, news: News, tries: int, status: int, failure: str, *, fault: str) -> None:
        """Record a try, and plan the next one if there is to be one."""
        now = datetime.now(UTC)
        taken = 200 <= status < 300
        account = self._accounts[news.account]
        if status == GONE and account.webhook is not None:
            account.webhook.disabled = True
            self._ledger.append(
                "accounts", account.record(), at=now, account=account.key, name=account.key
            )
        final = taken or status == GONE or now - news.since > GIVE_UP_AFTER
        self._record(news, tries, status=status, failure=failure, fault=fault, final=final)
        if not final:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            self._plan(
                news, _clock() + pause * self._random.uniform(1 - JITTER, 1 + JITTER), tries + 1
            )

    def _record(
        self,
        news: News,
        tries: int,
        *,
        status: int = 0,
        failure: str = "",
        fault: str = "",
        final: bool,
    ) -> None:
        # Not committed here: a try that is forgotten is made again, which does no harm.
        told = {
            "try": tries,
            "status": status,
            "failure": failure,
            "fault": fault,
            "final": final,
        }
        self._ledger.append(
            "attempts", told, at=datetime.now(UTC), account=news.account, name=news.id
        )

    def _plan(self, news: News, due: float, tries: int = 0) -> None:
        self._ties += 1
        heapq.heappush(self._due, (due, self._ties, news, tries))
        self._wake.set()

    def _hasten(self, news: News, due: float) -> None:
        """Have news that was held back go right after what has just been planned."""
        held = [item for item in self._due if item[2].id == news.id]
        self._due = [item for item in self._due if item[2].id != news.id]
        heapq.heapify(self._due)
        for _, _, item, tries in held:
            self._plan(item, due, tries)


def _clock() -> float:
    return asyncio.get_running_loop().time()
