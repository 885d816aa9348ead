"""The desk's own code, driven by a clock that a trial moves, and cut off where it says so."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from math import inf
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.db import connection
from django.db.models import Min

from brokers import registry
from brokers.messages import Fill, Report, Snapshot
from orders import (
    announcing,
    attending,
    bracketing,
    canceling,
    connecting,
    guarding,
    ids,
    placing,
    recording,
    sending,
    sweeping,
    timing,
)
from orders.models import Account, Feed, Heartbeat, Order
from orders.models.facts import Heard
from orders.recording import Claim
from orders.states import AttemptKind
from tests.brackets.exchange import Exchange

TICK = timedelta(seconds=0.5)
CHANGES = {
    "orders_order": "due",
    "orders_feed": "due",
    "orders_snapshotfact": "facts",
    "orders_execution": "facts",
    "orders_incident": "incidents",
}


class Killed(BaseException):
    """The desk is cut off here: what was not committed has not been."""


class Desk:
    """Every door by which the desk does something, each an event at a moment of the trial's."""

    def __init__(self, account: Account, broker: Exchange, *, rng: random.Random) -> None:
        self.account, self.broker, self.rng = account, broker, rng
        self.now = broker.now
        self.kills = 0.0  # of what it does
        self.loses = 0.0  # of the webhooks, and of the bells
        self.killed_at = broker.now - timedelta(hours=1)
        self.deaths = 0
        self._fuse: int | None = None
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._made = 0
        self._due: dict[str, datetime | None] | None = None
        self.changed = {"due", "facts", "incidents"}  # since somebody last looked
        broker.told = self._post

    # When ---------------------------------------------------------------------------------

    def next_at(self) -> datetime:
        """Return when the desk next does something of itself, or hears of something."""
        if "due" in self.changed or self._due is None:
            self.changed.discard("due")
            orders = Order.objects.filter(account=self.account)
            self._due = orders.aggregate(
                tend=Min("tend_at"), look=Min("look_at"), cancel=Min("cancel_at")
            )
            self._due["sweep"] = Feed.objects.get(account=self.account).sweep_at
        due, sweep = self._due, self._due["sweep"]
        times = [self._grid(due["tend"], TICK)] if due["tend"] else []
        times += [self._grid(at, 2 * TICK) for at in (due["look"], due["cancel"]) if at]
        times += [self._grid(sweep, 2 * TICK)] if sweep else [self._grid(self.now, 2 * TICK)]
        times += [self._queue[0][0]] if self._queue else []
        return min(times)

    def _grid(self, at: datetime, step: timedelta) -> datetime:
        """Return when the clock's next stroke finds what is due at a moment."""
        at = max(at, self.now)
        begin = datetime(2026, 1, 1, tzinfo=at.tzinfo)
        return begin - (begin - at) // step * step

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way to the desk, or waits for it."""
        return not self._queue

    def acts(self) -> None:
        """Do what is due now."""
        if self._queue and self._queue[0][0] <= self.now:
            self._do(heapq.heappop(self._queue)[2])
            return
        self._do(lambda: bracketing.tend_due(now=self.now))
        self._do(self._sweep)

    def _sweep(self) -> None:
        for due in sorted(attending.due(now=self.now), key=lambda one: one.order_id):
            if due.cancel:
                self._later(lambda one=due.order_id: attending.cancel(one, now=self.now))
            if due.look:
                self._later(lambda one=due.order_id: attending.look(one, now=self.now))
        for account_id in attending.accounts_due(now=self.now):
            self._later(lambda one=account_id: sweeping.sweep(one, now=self.now))

    def _do(self, work: Callable[[], object]) -> None:
        self._fuse = self.rng.randint(0, 40) if self.rng.random() < self.kills else None
        try:
            work()
        except Killed:
            self.killed_at, self.deaths = self.now, self.deaths + 1
        finally:
            self._fuse = None

    def _later(self, work: Callable[[], object], least: float = 0.01, most: float = 0.2) -> None:
        self._made += 1
        at = self.now + timedelta(seconds=self.rng.uniform(least, most))
        heapq.heappush(self._queue, (at, self._made, work))  # type: ignore[arg-type]

    # What it hears ------------------------------------------------------------------------

    def _post(self, fact: Snapshot | Fill) -> None:
        """A webhook leaves the broker."""
        rng = self.rng
        if rng.random() < self.loses:
            return
        for _ in range(1 + (rng.random() < 0.1)):
            self._later(lambda: self._hears(fact), 0.02, rng.choice([0.2, 0.5, 3.0]))

    def _hears(self, fact: Snapshot | Fill) -> None:
        told = Report(fills=(fact,)) if isinstance(fact, Fill) else Report(snapshots=(fact,))
        try:
            recording.heed(
                self.account, told, heard=Heard.WEBHOOK, evidence="delivery:1", now=self.now
            )
        except Killed:
            self._later(lambda: self._hears(fact), 1.0, 2.0)  # it stands where the door put it
            raise

    # What it sends ------------------------------------------------------------------------

    def _carry(self, claim: Claim) -> Order | None:
        """As `orders.sending` does it, but that the answer may take its time."""
        outcome = sending._converse(claim)
        if self.rng.random() >= self.broker.temper.slow:
            return sending._record(claim, outcome)

        def answered() -> None:
            settled = sending._record(claim, outcome)
            if claim.kind != AttemptKind.CANCEL and settled and settled.cancel_at is not None:
                sending.send_cancel(claim.order.id)

        self._later(answered, 0.5, 20.0)
        return None

    def _ring(self, task: Any, *args: str) -> bool:
        if self.rng.random() >= self.loses:
            doors = {"send_order": sending.send, "send_cancel": self._send_cancel}
            door = doors[task.name.rpartition(".")[2]]
            self._later(lambda: door(UUID(args[0])))
        return True

    def _send_cancel(self, order_id: UUID) -> None:
        attending.cancel(order_id, now=self.now)

    # Its surroundings ---------------------------------------------------------------------

    def _guarded(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._fuse is not None:
            self._fuse -= 1
            if self._fuse < 0:
                self._fuse = None
                raise Killed
        if not sql.startswith("SELECT"):
            self.changed |= {what for table, what in CHANGES.items() if table in sql[:400]}
        return execute(sql, params, many, context)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the desk's code see this trial's clock, broker and bells, and no others."""
        known = registry.passport
        count = iter(range(10**9))
        # What a process asks once alone, and a database writes once, would tell its first trial
        # from the others.
        Heartbeat.objects.get_or_create(name="sweep", defaults={"at": self.now})
        guarding.is_sure(self.account.id)
        with ExitStack() as stack:
            for target, name, new in (
                (timing, "database_now", lambda: self.now),
                # However slow this machine is: its own clock is no part of the trial.
                (timing, "CLAIM_GOOD_FOR", inf),
                (timing, "ARMED_GOOD_FOR", inf),
                (connecting, "connect", lambda account: self.broker),
                (
                    registry,
                    "passport",
                    lambda name: self.broker.passport if name == "scripted" else known(name),
                ),
                (placing, "ring", self._ring),
                (canceling, "ring", self._ring),
                (announcing, "announce", lambda *a, **k: None),
                (sending, "_carry", self._carry),
                # Ids that sort as they were made, on the trial's clock.
                (ids, "time", SimpleNamespace(time_ns=lambda: self._ticks(count))),
            ):
                stack.enter_context(patch.object(target, name, new))
            stack.enter_context(connection.execute_wrapper(self._guarded))
            yield

    def _ticks(self, count: Iterator[int]) -> int:
        return int(self.now.timestamp() * 1000) * 1_000_000 + next(count) * 1_000_000
