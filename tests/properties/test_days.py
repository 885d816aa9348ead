"""Days at the real desk, on PostgreSQL: people, senders, brokers, webhooks, polls and crashes act
in any order, and after each step everything is as it must be (`promises`).
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from brokers import registry
from brokers.errors import BrokerError, OutcomeUnknown
from brokers.messages import Report
from brokers.vocabulary import ExecutionKind, Side, Status
from orders import (
    attending,
    canceling,
    connecting,
    halting,
    placing,
    recording,
    replacing,
    sending,
    sweeping,
    timing,
)
from orders.errors import DeskError
from orders.models.facts import Heard
from orders.recording import Claim
from tests.factories import ANA, AccountFactory, a_ticket
from tests.fakes import PASSPORT
from tests.properties import facts as made_up
from tests.properties import promises, stories
from tests.properties.effort import DAYS, STEPS, undone
from tests.properties.exchange import ANSWERED, FATES, Exchange, Row

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOST = 5  # intents in a day: few, so that much happens to each
EVENING = 5  # rounds until everything must have been found out
WRITTEN_WITHIN = timedelta(seconds=timing.ARMED_GOOD_FOR)

which = st.integers(0, MOST - 1)
fates = st.sampled_from([ANSWERED, *FATES])


class Day(RuleBasedStateMachine):
    """One account's day. Its clock is its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = MORNING
        self.broker = Exchange()
        self.opened = ExitStack()
        self.opened.enter_context(undone())
        for module, name, ours in (
            (timing, "database_now", lambda: self.now),
            (timing, "CLAIM_GOOD_FOR", 600.0),  # a busy machine's pauses are none of this day's
            (timing, "ARMED_GOOD_FOR", 600.0),
            (connecting, "connect", lambda account: self.broker),
            (registry, "passport", lambda name: PASSPORT),
        ):
            self.opened.enter_context(mock.patch.object(module, name, ours))
        self.account = AccountFactory(created_at=MORNING)
        self.intents: list[UUID] = []
        self.claims: list[tuple[Claim, datetime]] = []  # and when they were made
        self.outcomes: list[tuple[Claim, Report | BrokerError]] = []
        self.seen = promises.Seen()

    @initialize(orders=st.lists(st.tuples(st.integers(1, 10), st.integers(0, 9)), max_size=2))
    def some_orders_go_well(self, orders: list[tuple[int, int]]) -> None:
        """Begin with what most days are made of, so that more is seen of what may come after."""
        for number, (quantity, filled) in enumerate(orders):
            self.somebody_places(quantity, Side.BUY, 1)
            self.the_sweep_attends(number, ANSWERED)
            if filled:
                self.broker.trade(self.row(number), filled, at=self.now, is_named=True)
                self.the_sweep_attends(number, ANSWERED)

    # People

    @precondition(lambda self: len(self.intents) < MOST)
    @rule(quantity=st.integers(1, 10), side=st.sampled_from(Side), clicks=st.integers(1, 2))
    def somebody_places(self, quantity: int, side: Side, clicks: int) -> None:
        ticket = a_ticket(quantity=Decimal(quantity), side=side)
        self.account.refresh_from_db()
        for _ in range(clicks):
            with suppress(DeskError):
                order, is_new = placing.place(
                    self.account, ticket, source="api", actor=ANA, now=self.now
                )
                self.intents += [order.id] if is_new else []

    @precondition(lambda self: self.intents)
    @rule(which=which)
    def somebody_cancels(self, which: int) -> None:
        with suppress(DeskError):
            canceling.cancel(self.intent(which), actor=ANA, now=self.now)

    @precondition(lambda self: 0 < len(self.intents) < MOST)
    @rule(which=which, quantity=st.integers(1, 12))
    def somebody_replaces(self, which: int, quantity: int) -> None:
        placed = list(self.account.orders.order_by("id"))
        fit = [one for one in placed if one.is_replaceable] or placed  # most others are refused
        order = fit[which % len(fit)]
        with suppress(DeskError):
            new, is_new = replacing.replace(
                order,
                client_order_id=a_ticket().wire_id,
                quantity=Decimal(quantity),
                source="api",
                actor=ANA,
                now=self.now,
            )
            self.intents += [new.id] if is_new else []
            assert new.replaces_filled == order.filled_quantity
            assert new.quantity + new.replaces_filled == quantity  # of the two together

    @rule(halted=st.booleans())
    def somebody_halts_or_releases(self, halted: bool) -> None:
        act = halting.halt if halted else halting.release
        act(self.account.id, reason="a hunch", actor=ANA, now=self.now)

    # Senders: each claims, writes and records, and may stop for good in between

    @precondition(lambda self: self.intents)
    @rule(which=which)
    def a_sender_claims(self, which: int) -> None:
        self.account.refresh_from_db()
        claim = recording.claim_submission(self.intent(which))
        if claim is not None:
            assert self.account.halted_at is None
            self.claims.append((claim, self.now))

    @precondition(lambda self: self.intents)
    @rule(which=which)
    def a_sender_claims_a_cancel(self, which: int) -> None:
        claim = recording.claim_cancel(self.intent(which))
        if claim is not None:
            self.claims.append((claim, self.now))

    @precondition(lambda self: self.claims)
    @rule(which=which, fate=fates)
    def a_sender_writes(self, which: int, fate: str) -> None:
        claim, claimed_at = self.claims.pop(which % len(self.claims))
        outcome: Report | BrokerError = OutcomeUnknown("This machine paused.")
        if self.now - claimed_at < WRITTEN_WITHIN:
            self.broker.fate, self.broker.wire_until = fate, claimed_at + timing.LEASE
            try:
                outcome = sending._write(self.broker, claim)
            except BrokerError as error:
                outcome = error
        self.outcomes.append((claim, outcome))

    @precondition(lambda self: self.outcomes)
    @rule(which=which, again=st.booleans())
    def a_sender_records(self, which: int, again: bool) -> None:
        claim, outcome = self.outcomes.pop(which % len(self.outcomes))
        for _ in range(1 + again):  # a commit that was not heard of is made again
            recording.settle(claim, outcome, now=self.now)
        if isinstance(outcome, Report):
            self.seen.told(self.account, outcome)

    @precondition(lambda self: self.claims or self.outcomes)
    @rule(which=which)
    def a_sender_dies(self, which: int) -> None:
        doomed = self.claims or self.outcomes
        doomed.pop(which % len(doomed))

    # What comes round by itself

    @precondition(lambda self: self.intents)
    @rule(which=which, fate=fates)
    def the_sweep_attends(self, which: int, fate: str) -> None:
        self.broker.fate, self.broker.wire_until = fate, self.now + timing.LEASE
        attending.look(self.intent(which), now=self.now)

    @rule()
    def the_lists_are_read(self) -> None:
        sweeping.sweep(self.account.id, now=self.now)
        recording.judge_feeds(now=self.now)

    @rule(seconds=st.sampled_from([1, 3, 7, 31, 400]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        late = self.broker.on_its_way
        self.broker.on_its_way = [request for request in late if request.until > self.now]

    # The broker

    @precondition(lambda self: self.broker.on_its_way)
    @rule(which=which)
    def a_request_arrives_late(self, which: int) -> None:
        late = self.broker.on_its_way
        self.broker.take(late.pop(which % len(late)).ticket)

    @rule()
    def an_order_is_entered_elsewhere(self) -> None:
        if len(self.broker.rows) < MOST:
            self.broker.take(a_ticket(wire_id=f"theirs-{len(self.broker.rows)}"))

    @precondition(lambda self: self.broker.rows)
    @rule(which=which, quantity=st.integers(1, 10), is_named=st.booleans())
    def it_trades(self, which: int, quantity: int, is_named: bool) -> None:
        self.broker.trade(self.row(which), quantity, at=self.now, is_named=is_named)

    @precondition(lambda self: any(row.trades for row in self.broker.rows.values()))
    @rule(which=which, kind=st.sampled_from(["bust", "correct"]), quantity=st.integers(1, 12))
    def a_trade_is_taken_back(self, which: int, kind: str, quantity: int) -> None:
        traded = [row for row in self.broker.rows.values() if row.trades]
        self.broker.take_back(traded[which % len(traded)], ExecutionKind(kind), quantity)

    @precondition(lambda self: any(row.works for row in self.broker.rows.values()))
    @rule(which=which, status=st.sampled_from(["canceled", "expired", "rejected"]))
    def it_ends(self, which: int, status: str) -> None:
        working = [row for row in self.broker.rows.values() if row.works]
        self.broker.end(working[which % len(working)], Status(status))

    @precondition(lambda self: self.broker.untold)
    @rule(chosen=st.lists(st.integers(0, 50), min_size=1, max_size=4), is_kept=st.booleans())
    def a_webhook_tells(self, chosen: list[int], is_kept: bool) -> None:
        untold = self.broker.untold
        facts = [untold[number % len(untold)] for number in chosen]
        report = made_up.report(facts)
        recording.heed(
            self.account, report, heard=Heard.WEBHOOK, evidence="delivery:1", now=self.now
        )
        self.seen.told(self.account, report)
        if not is_kept:  # else it comes again
            self.broker.untold = [fact for fact in untold if fact not in facts]

    # What must be so

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        promises.hold(self.account, self.broker, self.seen)

    def teardown(self) -> None:
        """Let the evening come: nobody sends or tells any more, and the desk finds all of it."""
        try:
            self.broker.fate = ANSWERED
            halting.halt(self.account.id, reason="evening", actor=ANA, now=self.now)
            for _ in range(EVENING):
                self.time_passes(400)
                for order_id in self.intents:
                    attending.look(order_id, now=self.now)
                self.the_lists_are_read()
            self.everything_is_as_it_must_be()
            promises.agree(self.account, self.broker)
            stories.hold(self.account)
        finally:
            self.opened.close()

    def intent(self, which: int) -> UUID:
        return self.intents[which % len(self.intents)]

    def row(self, which: int) -> Row:
        return list(self.broker.rows.values())[which % len(self.broker.rows)]


@pytest.mark.django_db
def test_any_day_keeps_every_promise() -> None:
    run_state_machine_as_test(
        Day,
        settings=settings(
            max_examples=DAYS,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
        ),
    )
