"""The rest of the harness: its plan and its witnesses can be trusted, and its sums are right."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from brokers import registry, tickets
from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.paper.faults import Faults
from brokers.vocabulary import OrderClass, OrderType, Side, Status, TimeInForce
from orders import placing, timing
from orders.models import Order
from tests.chaos import ledger, plan, sampling, staging
from tests.chaos.checking import check_all
from tests.chaos.checking.world import World
from tests.chaos.figures import bound, figures, percentiles
from tests.chaos.options import Options, Outcome
from tests.chaos.record import Record
from tests.chaos.reporting import document, tables
from tests.chaos.staging import Seat, Stage
from tests.chaos.testimony import DeskWitness
from tests.chaos.weather import SUBMIT_FAULTS
from tests.chaos.worlds import a_world, at, sample
from tests.factories import AccountFactory, OrderFactory, UserFactory
from webhooks.enrolling import enroll

D = Decimal
PLAN = plan.make(7, orders=400)


class TestPlan:
    def test_a_seed_is_a_plan(self) -> None:
        assert plan.make(7, orders=400) == PLAN
        assert plan.make(8, orders=400) != PLAN

    @pytest.mark.parametrize("intent", PLAN.intents[:200], ids=lambda intent: intent.number)
    def test_asks_for_what_the_broker_takes(self, intent: plan.Intent) -> None:
        told = intent.terms
        limit, stop = told.get("limit_price"), told.get("stop_price")
        stop_loss, take_profit = told.get("stop_loss"), told.get("take_profit")
        ticket = Ticket(
            wire_id=intent.client_order_id,
            symbol=told["symbol"],
            side=Side(told["side"]),
            quantity=D(told["quantity"]),
            order_type=OrderType(told["order_type"]),
            time_in_force=TimeInForce(told["time_in_force"]),
            limit_price=D(limit) if limit else None,
            stop_price=D(stop) if stop else None,
            order_class=OrderClass(told.get("order_class", "simple")),
            stop_loss=StopLoss(stop_price=D(stop_loss["stop_price"])) if stop_loss else None,
            take_profit=TakeProfit(limit_price=D(take_profit["limit_price"]))
            if take_profit
            else None,
        )

        tickets.check(ticket)
        registry.passport(intent.broker).check(ticket)

    def test_sets_dials_that_the_exchange_has(self) -> None:
        faults = Faults(seed=1)

        for weather in PLAN.weathers:
            faults.set("account", weather.faults)

    def test_exposes_more_than_a_third_of_all_submissions(self) -> None:
        shares = []
        for weather in PLAN.weathers:
            unharmed = D(1)
            for name, dial in weather.faults.items():
                if name in SUBMIT_FAULTS:
                    unharmed *= 1 - D(dial["probability"])
            shares.append(1 - unharmed)

        assert sum(shares) / len(shares) > D("0.35")

    def test_holds_an_exchange_to_its_passport(self) -> None:
        """Late orders and old reads end before the desk may conclude that there is no order."""
        for weather in PLAN.weathers:
            doubt = registry.passport(weather.broker).doubt
            if doubt.absence_is_definitive:
                lasts = {
                    name: timedelta(seconds=float(dial.get("seconds", 0)))
                    for name, dial in weather.faults.items()
                }
                late = lasts.get("late_accept", timedelta())
                reads = [lasts[name] for name in lasts if name.startswith("read_")]
                old = max(reads, default=timedelta())
                assert old < doubt.second_grace
                assert late + old < max(doubt.second_grace, timing.LEASE + doubt.first_grace)

    def test_trades_with_every_broker(self) -> None:
        assert {intent.broker for intent in PLAN.intents} == set(plan.known_brokers())


class TestRecord:
    def test_keeps_the_first_and_the_last_of_equal_views(self, tmp_path: Path) -> None:
        record = Record(tmp_path / "record.jsonl")

        for second in range(1, 6):
            record.seen(sample(second))
        record.seen(sample(3, word="Filled"))
        record.close()

        assert [view.before for view in record.samples] == [at(1), at(5), at(3)]
        assert record.sampled == 6


@pytest.mark.django_db
class TestPages:
    """What the sampler reads off a page is what stands on it."""

    def test_reads_every_row(self, client: Client) -> None:
        person = UserFactory()
        account = AccountFactory(trader=person)
        working = OrderFactory(account=account, working=True)
        over = OrderFactory(
            account=account,
            working=True,
            filled_quantity=D(3),
            average_price=D(1),
            flags=["overfill", "has_bust"],
        )
        part = OrderFactory(
            account=account,
            working=True,
            status=Status.PARTIALLY_FILLED,
            quantity=D(2000),
            filled_quantity=D("1250.5"),
            average_price=D(1),
        )
        refused = OrderFactory(account=account, submission="refused")
        client.force_login(person)

        page = client.get("/orders/").content.decode()

        views = list(sampling._of_page(page, at(1), at(2)))
        read = {view.order_id: (view.word, view.filled, view.is_qualified) for view in views}
        assert read == {
            str(working.id): ("Working", D(0), False),
            str(over.id): ("Working", D(3), True),
            str(part.id): ("Part-filled", D("1250.5"), False),
            str(refused.id): ("Rejected", D(0), False),
        }

    def test_a_row_that_can_not_be_read_is_no_row_that_is_fine(self) -> None:
        row = f'<tr id="order-{"0" * 36}" data-say="Filled">'

        with pytest.raises(ValueError, match="can't be read"):
            list(sampling._of_page(row, at(1), at(2)))


@pytest.fixture
def placed(transactional_db: None, broker: Any) -> tuple[Order, DeskWitness]:
    """An order that has been placed, and a witness of the desk that has it."""
    account = AccountFactory()
    actor = staging.CHAOS
    endpoint, secret = enroll(account, actor=actor, now=timing.database_now())
    ticket = Ticket(
        wire_id="c-1",
        symbol="AAPL",
        side=Side.BUY,
        quantity=D(10),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
    )
    order, _ = placing.place(account, ticket, source="api", actor=actor, now=timing.database_now())
    seat = Seat(
        broker="scripted",
        key="k",
        secret="CANARY",
        account_id=str(account.id),
        headers={},
        endpoint_token=endpoint.token,
        endpoint_secret=secret,
    )
    stage = Stage(
        seats={"scripted": seat}, cookies={}, csrf_cookie="csrf", secrets={"a credential": "CANARY"}
    )
    return order, DeskWitness(stage)


class TestDesksTestimony:
    def test_a_desk_that_is_well(self, placed: tuple[Order, DeskWitness]) -> None:
        order, witness = placed

        world = World(
            ended_at=datetime.now(UTC),
            accounts=witness.accounts(),
            **witness.books(),
            **witness.rest(),
            rebuild=witness.rebuilt(),
        )

        assert [row.wire_id for row in world.orders] == ["c-1"]
        assert [event.action for event in world.events] == ["order.placed"]
        assert {name for name, found in check_all(world).items() if found} == set()
        assert list(witness.secrets_found()) == []
        assert order.version == 1

    def test_a_row_of_the_audit_that_was_changed(self, placed: tuple[Order, DeskWitness]) -> None:
        by_force("UPDATE orders_auditevent SET reason = 'nothing' WHERE order_id IS NOT NULL")

        assert len(placed[1].rest()["broken_chains"]) == 1

    def test_a_column_that_was_changed(self, placed: tuple[Order, DeskWitness]) -> None:
        by_force("UPDATE orders_order SET submission_reason = 'changed'")

        assert "submission_reason" in placed[1].rebuilt()

    @pytest.mark.parametrize("column", ["submission_reason", "reason", "symbol"])
    def test_a_secret_in_a_column(self, placed: tuple[Order, DeskWitness], column: str) -> None:
        by_force(f"UPDATE orders_order SET {column} = 'key CANARY'")

        assert list(placed[1].secrets_found()) == ["a credential in 1 rows of orders_order"]

    def test_a_secret_among_bytes(self, placed: tuple[Order, DeskWitness]) -> None:
        endpoint = placed[0].account.endpoints.get()
        by_force(
            "INSERT INTO webhooks_delivery (endpoint_id, delivery_id, digest, headers, body,"
            " received_at, is_contradicting, event, note)"
            f" VALUES ('{endpoint.id}', 'm', '', '{{}}', 'a CANARY'::bytea, now(), false, '', '')"
        )

        assert list(placed[1].secrets_found()) == ["a credential in 1 rows of webhooks_delivery"]

    def test_what_is_overdue(self, placed: tuple[Order, DeskWitness]) -> None:
        by_force("UPDATE orders_order SET look_at = now() - interval '1 minute'")

        (said,) = placed[1].undone()

        assert said.startswith("c-1: look_at")


def by_force(statement: str) -> None:
    """Change what the desk's own triggers would not let anybody change."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


def test_the_ledger_tells_of_orders_trades_requests_and_webhooks(paper: Any) -> None:
    account = paper.account()
    paper.price("AAPL", "150")
    account.adapter.submit(
        Ticket(
            wire_id="c-1",
            symbol="AAPL",
            side=Side.BUY,
            quantity=D(3),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
        )
    )

    witness = ledger.ExchangeWitness(paper.directory)
    books, rest = witness.books(), witness.rest()

    mine = [version for version in books["versions"] if version.account == account.key]
    assert [(v.wire_id, v.status, v.filled) for v in mine][-1] == ("c-1", "filled", D(3))
    assert sum(t.quantity for t in books["trades"] if t.account == account.key) == 3
    assert [r.wire_id for r in rest["requests"] if r.account == account.key] == ["c-1"]


def an_outcome(world: World, **changes: Any) -> Outcome:
    options = Options(
        seed=1, orders=1, kills=0, per_window=0, rate=1, quiet_for=1, out=Path(), mutant=None
    )
    usual = Outcome(
        options=options,
        world=world,
        violations=check_all(world),
        seconds={"driving": 60.0},
        sampled=4,
        brokers=("paper",),
        wrongs={"kill": 2},
        intents={"c-1": 0},
    )
    return replace(usual, **changes)


class TestReport:
    def test_names_the_check_and_the_offender(self) -> None:
        run = figures(an_outcome(a_world(fills=())), command="again")

        assert run["checks"]["C3"]["violations"] > 0
        assert run["checks"]["C3"]["first"][0].startswith("c-1 (paper): 4 at 152 is lost")
        assert run["checks"]["C3"]["after"] == 1
        assert "**0 violations" not in tables([run])

    def test_adds_runs_up_and_says_which(self) -> None:
        run = json.loads(json.dumps(figures(an_outcome(a_world()), command="again")))

        said = document([run, {**run, "seed": 2}])

        assert "**0 violations in 2 orders**" in said
        assert "* seed 1:" in said
        assert "* seed 2:" in said

    def test_shows_which_defect_was_caught_by_what(self) -> None:
        run = figures(an_outcome(a_world(fills=())), command="again") | {"mutant": "lossy"}
        clean = figures(an_outcome(a_world()), command="again") | {"mutant": "harmless"}

        said = tables([run, clean])

        assert "1 of 2 deliberate defects" in said
        assert "| lossy | C3 | 1 |" in said
        assert "| harmless | **nothing** |  |" in said

    def test_percentiles(self) -> None:
        assert percentiles(range(100)) == {"p50": 50, "p90": 90, "p99": 99, "max": 99}
        assert percentiles([]) == {}

    def test_the_bound_is_three_in_n(self) -> None:
        assert bound(3000) == 0.001
        assert bound(0) is None
