"""One bracket's life, made up from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.messages import StopLoss, TakeProfit
from brokers.passport import Strategy
from brokers.vocabulary import TERMINAL, Leg, OrderClass, OrderType, Side, Status
from orders import actors, canceling, halting, placing, rebuilding, replacing
from orders.errors import DeskError
from orders.models import Account, AuditEvent, Incident, Order
from tests.brackets.desk import Desk
from tests.brackets.exchange import ANSWERED, WORKING, Customs, Exchange, Row, Temper
from tests.brackets.figures import Outcome
from tests.brackets.witness import Witness
from tests.factories import AccountFactory, a_ticket
from tests.fakes import PASSPORT

START = datetime(2026, 3, 2, 14, tzinfo=UTC)
BUSY = timedelta(seconds=45)  # so long anything goes wrong
SETTLED = timedelta(minutes=15)  # so long at most until nothing moves any more
ANA = actors.Actor(kind=AuditEvent.ActorKind.PERSON, id="1", name="ana")
CLASSES = {
    Strategy.PENDING: {OrderClass.SIMPLE},
    Strategy.NATIVE_OCO: {OrderClass.SIMPLE, OrderClass.OCO},
    Strategy.NATIVE: set(OrderClass),
}


@dataclass(frozen=True)
class Plan:
    """What a trial is made of."""

    seed: int
    strategy: Strategy
    side: Side
    stop: bool
    target: bool
    customs: Customs
    fails: float
    kills: float
    loses: float
    flattens: bool
    meddles: bool


def plan(seed: int) -> Plan:
    """Return what is to be tried under a seed."""
    rng = random.Random(seed)
    strategy = rng.choice(list(Strategy))
    legs = rng.choice([(True, True)] * 3 + [(True, False), (False, True)])
    terms = replace(PASSPORT, classes=frozenset(CLASSES[strategy]))
    if rng.random() < 0.2:
        terms = replace(terms, replaceable=frozenset({"limit_price", "stop_price"}))
    fails = rng.choice([0.0, 0.15, 0.4, 0.8])
    return Plan(
        seed=seed,
        strategy=strategy,
        side=rng.choice(list(Side)),
        stop=legs[0],
        target=legs[1],
        customs=Customs(
            passport=terms,
            holds_the_stop=rng.random() < 0.3,
            releases_in_part=rng.random() < 0.3,
            forgets_siblings=rng.random() < 0.15,
        ),
        fails=fails,
        kills=rng.choice([0.0, 0.0, 0.05, 0.2]),
        loses=rng.choice([0.0, 0.1, 0.5, 1.0]),
        flattens=rng.random() < 0.2,
        meddles=rng.random() < 0.3,
    )


class Trial:
    """Lets one bracket live at an exchange, and have the witness look on."""

    def __init__(self, told: Plan) -> None:
        self.plan, self.rng = told, random.Random(f"life {told.seed}")
        self.broker = Exchange(told.customs, rng=self.rng, start=START)
        account: Account = AccountFactory(created_at=START)
        account.unprotected = "flatten" if told.flattens else "escalate"
        account.save(update_fields=["unprotected"])
        self.desk = Desk(account, self.broker, rng=self.rng)
        self.acts: list[tuple[datetime, Callable[[], None]]] = []
        self.story: list[str] = []
        self.is_calm = False

    def run(self) -> Outcome:
        with self.desk.running():
            self._begins()
            self._goes_on(START + BUSY)
            self._calms_down()
            self._goes_on(START + SETTLED)
            self._is_seen()
            self.witness.ends()
            self._adds_up()
            return self._outcome()

    # Its course ---------------------------------------------------------------------------

    def _begins(self) -> None:
        told, up = self.plan, 1 if self.plan.side == Side.BUY else -1
        target = TakeProfit(limit_price=Decimal(100 + 10 * up)) if told.target else None
        stop = StopLoss(stop_price=Decimal(100 - 5 * up)) if told.stop else None
        ticket = a_ticket(
            side=told.side,
            quantity=Decimal(self.rng.choice([10, 100, 7])),
            limit_price=Decimal(100),
            order_class=OrderClass.BRACKET if target and stop else OrderClass.OTO,
            take_profit=target,
            stop_loss=stop,
        )
        entry, _ = placing.place(
            self.desk.account, ticket, source="api", actor=ANA, now=self.desk.now
        )
        assert entry.strategy == (
            told.strategy
            if told.strategy != Strategy.NATIVE_OCO or (target and stop)
            else Strategy.PENDING
        )
        self.entry = entry
        self.witness = Witness(self.desk.account, self.broker, entry)
        self.broker.temper = Temper(
            fails=told.fails, silent=self.rng.choice([0.0, 0.2]), slow=self.rng.choice([0.0, 0.3])
        )
        self.desk.kills, self.desk.loses = told.kills, told.loses
        for _ in range(self.rng.randint(4, 16)):
            self._at(self.rng.uniform(0.5, 30), self._market_moves)
        for _ in range(self.rng.randint(0, 3)):
            self._at(self.rng.uniform(5, 43), self._broker_acts)
        if told.meddles:
            self._at(self.rng.uniform(2, 35), self._somebody_acts)
        self._at(self.rng.uniform(0, 3), lambda: self._entry_trades(whole=False))
        if self.rng.random() < 0.7:
            self._at(self.rng.uniform(3, 25), lambda: self._entry_trades(whole=True))

    def _goes_on(self, until: datetime) -> None:
        while True:
            moment = self._next_at(until)
            if moment is None or (self.is_calm and self._has_settled()):
                if moment is None:
                    self.desk.now = self.broker.now = max(self.desk.now, until)
                return
            self.desk.now = self.broker.now = max(self.desk.now, moment)
            self._one_event()
            self._is_seen()

    def _is_seen(self) -> None:
        desk = self.desk
        self.witness.looks(desk.now, killed_at=desk.killed_at, changed=desk.changed)

    def _has_settled(self) -> bool:
        """Nothing moves, and nothing is to move any more."""
        if self.acts or not self.desk.is_idle or self.broker.next_at() or self.witness.says:
            return False
        mine = Order.objects.filter(account=self.desk.account)
        under_way = mine.filter(submission__in=["ready", "sending", "unknown"])
        return not (under_way | mine.filter(tend_at__isnull=False)).exists()

    def _next_at(self, until: datetime) -> datetime | None:
        times = [self.desk.next_at()]
        times += [self.acts[0][0]] if self.acts else []
        timer = self.broker.next_at()
        times += [timer] if timer else []
        return min(times) if min(times) < until else None

    def _one_event(self) -> None:
        now, timer = self.desk.now, self.broker.next_at()
        if timer is not None and timer <= now:
            self.broker.happens()
        elif self.acts and self.acts[0][0] <= now:
            self.acts.pop(0)[1]()
        else:
            self.desk.acts()

    def _calms_down(self) -> None:
        self.broker.temper = Temper()
        self.desk.kills = self.desk.loses = 0.0
        self._releases()
        self.is_calm = True
        self._at(35, lambda: None)  # until every lease has lapsed, and every poll has come
        if self.rng.random() < 0.5:
            role = self.rng.choice([Leg.STOP_LOSS, Leg.TAKE_PROFIT])
            self._at(self.rng.uniform(34, 60), lambda: self._all_trade(role))

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        begin = max(self.desk.now, START)
        self.acts.append((begin + timedelta(seconds=seconds), act))
        self.acts.sort(key=lambda pair: pair[0])

    # What happens outside -----------------------------------------------------------------

    def _market_moves(self) -> None:
        self.rng.choice(
            [
                lambda: self._entry_trades(whole=False),
                lambda: self._entry_trades(whole=False),
                lambda: self._leg_trades(Leg.TAKE_PROFIT, whole=False),
                lambda: self._leg_trades(Leg.STOP_LOSS, whole=self.rng.random() < 0.5),
            ]
        )()

    def _entry_trades(self, *, whole: bool) -> None:
        rows = [row for row in self.broker.rows.values() if row.ticket.side == self.plan.side]
        live = [row for row in rows if row.status in WORKING]
        if live:
            self._trades(live[-1], whole=whole)

    def _leg_trades(self, role: Leg, *, whole: bool) -> None:
        live = [
            row
            for row in self.broker.rows.values()
            if row.ticket.side != self.plan.side
            and self.broker.works(row)
            and (row.ticket.stop_price is not None) == (role is Leg.STOP_LOSS)
        ]
        if live:
            self._trades(self.rng.choice(live), whole=whole)

    def _all_trade(self, role: Leg) -> None:
        """The market goes where one of the legs is: all of that kind fill whole."""
        for row in list(self.broker.rows.values()):
            is_stop = row.ticket.stop_price is not None
            is_meant = row.ticket.side != self.plan.side and is_stop == (role is Leg.STOP_LOSS)
            if is_meant and self.broker.works(row):
                self._trades(row, whole=True)

    def _trades(self, row: Row, *, whole: bool) -> None:
        amount = row.leaves if whole else Decimal(self.rng.randint(1, max(1, int(row.leaves) // 2)))
        self._notes(f"{row.name} trades {amount} of {row.leaves}")
        self.broker.trade(row, amount)

    def _broker_acts(self) -> None:
        live = [row for row in self.broker.rows.values() if row.is_live]
        if live:
            row = self.rng.choice(live)
            status = self.rng.choice([Status.CANCELED, Status.EXPIRED, Status.REJECTED])
            if row.filled and status == Status.REJECTED:
                status = Status.CANCELED
            self._notes(f"the broker: {row.name} {status}")
            self.broker.end(row, status, "The broker's own doing.")

    def _somebody_acts(self) -> None:
        self.rng.choice([self._halts, self._replaces, self._replaces, self._cancels])()

    def _halts(self) -> None:
        account = self.desk.account
        self._notes("somebody halts the account")
        halting.halt(account.id, reason="a look", actor=ANA, now=self.desk.now)
        self._at(self.rng.uniform(1, 12), self._releases)

    def _releases(self) -> None:
        halting.release(self.desk.account.id, reason="seen", actor=ANA, now=self.desk.now)

    def _replaces(self) -> None:
        mine = Order.objects.filter(account=self.desk.account, submission="accepted")
        live = [one for one in mine.order_by("id") if one.status not in TERMINAL]
        live = [one for one in live if one.order_type != OrderType.MARKET]
        if not live:
            return
        order = self.rng.choice(live)
        step = Decimal(self.rng.choice(["0.5", "-0.5"]))
        change = (
            {"stop_price": order.stop_price + step}
            if order.stop_price is not None
            else {"limit_price": order.limit_price + step}  # type: ignore[operator]
        )
        self._notes(f"somebody replaces {order.broker_order_id}: {change}")
        self._tries(
            lambda: replacing.replace(
                order,
                client_order_id=f"by-hand-{order.id}",
                **change,
                source="api",
                actor=ANA,
                now=self.desk.now,
            )
        )

    def _cancels(self) -> None:
        orders = Order.objects.filter(account=self.desk.account).order_by("id")
        live = [one for one in orders if not one.has_ended]
        if live:
            order = self.rng.choice(live)
            self.witness.waived |= order.id != self.entry.id
            self._notes(f"somebody cancels {order.broker_order_id}")
            self._tries(lambda: canceling.cancel(order.id, actor=ANA, now=self.desk.now))

    def _tries(self, act: Callable[[], object]) -> None:
        try:
            act()
        except DeskError as error:
            self._notes(f"not done: {error}")

    def _notes(self, what: str) -> None:
        self.story.append(f"{(self.desk.now - START).total_seconds():8.2f}  {what}")

    # The end ------------------------------------------------------------------------------

    def _adds_up(self) -> None:
        for order in Order.objects.filter(account=self.desk.account):
            self.witness.violations += [f"rebuilt: {one}" for one in rebuilding.of_order(order)]
        # Nothing of this trial may be due in the next.
        Order.objects.filter(account=self.desk.account).update(
            look_at=None, cancel_at=None, tend_at=None
        )
        Account.objects.filter(id=self.desk.account.id).update(is_open=False)

    def _outcome(self) -> Outcome:
        said = Incident.objects.filter(account=self.desk.account)
        seen = self.witness
        return Outcome(
            seed=self.plan.seed,
            strategy=str(self.plan.strategy),
            plan=str(self.plan),
            violations=seen.violations,
            was_bare=seen.bare.longest > timedelta(),
            incidents=said.filter(kind=Incident.Kind.UNPROTECTED).count(),
            oversold=said.filter(kind=Incident.Kind.OVERSOLD).count(),
            legs=Order.objects.filter(account=self.desk.account, parent__isnull=False).count(),
            failed=sum(fate != ANSWERED for fate in self.broker.fates),
            deaths=self.desk.deaths,
            told_unsaid=seen.told_unsaid.longest.total_seconds(),
            bare_unsaid=seen.bare_unsaid.longest.total_seconds(),
            story=self.story,
        )


def run(seed: int) -> Outcome:
    """Try one bracket."""
    return Trial(plan(seed)).run()
