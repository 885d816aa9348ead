"""The middle of a run: everything that needs a desk that is up. Needs Django, pointed at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from brokers.vocabulary import TERMINAL
from tests.chaos import nemesis, staging, testimony
from tests.chaos.checking import BOOKS, check_all
from tests.chaos.checking.doubting import UNSETTLED
from tests.chaos.checking.records import Death, Order
from tests.chaos.checking.world import World
from tests.chaos.driving import Driver
from tests.chaos.ledger import ExchangeWitness
from tests.chaos.lineup import ChaosDesk
from tests.chaos.meddling import Meddler
from tests.chaos.options import Options, Stopwatch
from tests.chaos.plan import Plan
from tests.chaos.record import Record
from tests.chaos.sampling import Sampler

LOOK_EVERY = 3.0  # seconds between comparisons while all comes right
PENDING_FOR = 20.0  # seconds for cancels to be carried out, before the market stops
SEND_WITHIN = timedelta(seconds=29)  # from a claim to its last byte (`orders.timing`)
STUCK = 60  # connections of one process to PostgreSQL: many more than its threads need
NAMED = 3  # differences that are named on the way
SAMPLE_EVERY = 0.15  # seconds


class Course:
    """One run, from opening its accounts to the whole of what is known at its end."""

    def __init__(
        self,
        desk: ChaosDesk,
        *,
        options: Options,
        plan: Plan,
        actions: Sequence[nemesis.Action],
        record: Record,
        timed: Stopwatch,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.plan, self.desk, self.record = options, plan, desk, record
        self.timed, self.say = timed, say
        self.stage = staging.set_up(
            plan.brokers,
            exchange_url=desk.exchange_url,
            admin_token=desk.admin_token,
            broker_url=desk.broker_url,
            webhook_base=desk.webhook_base,
            environment=desk.environment,
        )
        self.ours = testimony.DeskWitness(self.stage)
        self.theirs = ExchangeWitness(desk.directory / "paper")
        self.actions = actions
        self.wrongs: dict[str, int] = {}
        self.their_holdings = lambda: testimony.their_holdings(self.stage)

    def world(self) -> World:
        """Drive, calm, wait until all is right or the time is up, and return all there is."""
        asyncio.run(self._drive())
        with self.ours.at_one_moment():
            world = replace(self._books(), **self.ours.rest())
        return replace(
            world,
            rebuild=self.ours.rebuilt(),
            **self._pushed(),
            answers=tuple(self.record.answers),
            samples=tuple(self.record.samples),
            halts=tuple(self.record.halts),
            deaths=tuple(
                Death(
                    at=datetime.fromtimestamp(death.at, UTC),
                    role=death.role,
                    cause=death.cause,
                    point=death.point,
                )
                for death in self.desk.deaths
            ),
            secrets_found=tuple(sorted({*self.record.secrets_found, *self._secrets()})),
            left_over=tuple(self._left_over()),
            latest_send=SEND_WITHIN + _longest_silence(self.actions),
        )

    async def _drive(self) -> None:
        desk, options = self.desk, self.options
        driver = Driver(
            self.plan, self.stage, webs=desk.web_urls, record=self.record, rate=options.rate
        )
        meddler = Meddler(
            self.plan,
            self.stage,
            exchange_url=desk.exchange_url,
            admin_token=desk.admin_token,
            webs=desk.web_urls,
            record=self.record,
        )
        sampler = Sampler(
            self.stage,
            webs=desk.web_urls,
            record=self.record,
            seed=options.seed,
            known=driver.known,
            every=SAMPLE_EVERY,
        )
        async with asyncio.TaskGroup() as watching:  # one that stops by itself stops the run
            sampling = watching.create_task(sampler.run())
            progress = watching.create_task(self._progress(driver))
            breaking = nemesis.Nemesis(desk, self.actions, placed=lambda: driver.released)
            breaking.start()
            await driver.run(meddler.before)
            await asyncio.to_thread(breaking.stop)
            self.wrongs = dict(breaking.counted())
            self.timed.note("driving")
            progress.cancel()
            await self._calm(driver, meddler)
            sampling.cancel()
        for client in (driver, meddler, sampler):
            await client.close()

    async def _calm(self, driver: Driver, meddler: Meddler) -> None:
        """End all that is wrong, and wait until both sides agree or the time is up."""
        desk = self.desk
        self.say(f"All {driver.released} asked for; {len(driver.acknowledged)} acknowledged.")
        desk.heal()
        await asyncio.to_thread(desk.wait_until_up)
        await meddler.calm()
        orders = await asyncio.to_thread(self._orders_now)
        await driver.wind_down({order.id for order in orders if _is_unfinished(order)})
        await self._until_nothing_pends()
        await meddler.stop_the_market()
        self.timed.note("winding down")
        await self._until_right()
        self.timed.note("coming right")

    async def _progress(self, driver: Driver) -> None:
        while True:
            await asyncio.sleep(10)
            self.say(f"{driver.released} orders asked for, {len(self.desk.deaths)} deaths")

    async def _until_nothing_pends(self) -> None:
        give_up_at = time.monotonic() + PENDING_FOR
        while time.monotonic() < give_up_at:
            orders = await asyncio.to_thread(self._orders_now)
            working = [o for o in orders if o.submission in UNSETTLED - {"unknown"}]
            if not working and not any(o.cancel_requested and _is_open(o) for o in orders):
                return
            await asyncio.sleep(1)

    async def _until_right(self) -> None:
        """Compare until nothing differs and nothing is left to be settled, or the time is up."""
        give_up_at = time.monotonic() + self.options.quiet_for
        while True:
            world = await asyncio.to_thread(self._books_now)
            wrong = check_all(world, BOOKS)
            left = list(_unsettled(world))
            count = sum(map(len, wrong.values()))
            self.say(f"{count} differences, {len(left)} orders unsettled")
            for line in list(chain(*wrong.values()))[:NAMED]:
                self.say(f"    {line}")
            if (not count and not left) or time.monotonic() > give_up_at:
                return
            await asyncio.sleep(LOOK_EVERY)

    def _orders_now(self) -> tuple[Order, ...]:
        with self.ours.at_one_moment():
            return self.ours.orders()

    def _books_now(self) -> World:
        with self.ours.at_one_moment():
            return self._books()

    def _books(self) -> World:
        ours, theirs = self.ours.books(), self.theirs.books()
        requests = self.theirs.rest()["requests"]
        return World(
            ended_at=datetime.now(UTC),
            accounts=self.ours.accounts(),
            requests=requests,
            their_holdings=self.their_holdings(),
            **ours,
            **theirs,
        )

    def _pushed(self) -> dict[str, Any]:
        pushes = self.theirs.rest()["pushes"]
        return {"pushes": (*pushes, *self.record.pushes)}

    def _secrets(self) -> Iterator[str]:
        """Yield where a secret stands in a log or a table."""
        yield from self.ours.secrets_found()
        for log in sorted(self.desk.log_folder.iterdir()):
            said = log.read_text(errors="replace")
            for name, value in self.stage.secrets.items():
                if value in said:
                    yield f"{name} in {log.name}"

    def _left_over(self) -> Iterator[str]:
        """Yield what a quiet desk has no use for."""
        yield from self.ours.undone()
        leaks = self.desk.leaks()
        for stuck in leaks["idle_in_transaction"]:
            yield f"{stuck['process']}: {stuck['state']} for {stuck['seconds']:.0f} s"
        for process, count in leaks["connections"].items():
            if count > STUCK:
                yield f"{process}: {count} connections to PostgreSQL"
        if leaks["queued"] > STUCK:
            yield f"{leaks['queued']} tasks are queued"


def _longest_silence(actions: Iterable[nemesis.Action]) -> timedelta:
    """Return for how long the network, or the exchange, may keep what was sent to itself."""
    held = [
        action.how["seconds"]
        for action in actions
        if action.do in {"partition", "pause", "latency"}
    ]
    return timedelta(seconds=max(held, default=0))


def _unsettled(world: World) -> Iterator[str]:
    """Yield the orders that the desk has yet to settle, or to give to a person."""
    for order in world.orders:
        if order.submission in UNSETTLED:
            account = world.account_of[order.account]
            if account.machine_may_conclude_absence or not order.escalated:
                yield order.wire_id


def _is_unfinished(order: Order) -> bool:
    return order.submission in UNSETTLED or _is_open(order)


def _is_open(order: Order) -> bool:
    return order.submission == "accepted" and order.status not in TERMINAL
