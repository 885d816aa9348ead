"""A desk that trades through another desk, as it would at Alpaca: one intent is one order there.

The near desk is this process: its own records, and nothing that tells it of news unasked. The far
desk is a whole running one, whose `/alpaca` it takes for Alpaca.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from brokers.messages import StopLoss, TakeProfit
from brokers.vocabulary import (
    Environment,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from orders import (
    actors,
    attending,
    bracketing,
    canceling,
    opening,
    placing,
    reconciling,
    replacing,
    sending,
    sweeping,
    timing,
)
from orders.errors import NotReplaceable
from orders.models import Account, Execution, Incident, Order
from orders.states import Submission
from tests.factories import a_ticket
from tests.paths.between import AFTER_ARRIVAL, GARBLED, LOST, UNHEARD, Between
from tests.running_desk import SETTLE_WITHIN, START_WITHIN, Desk

pytestmark = pytest.mark.django_db(transaction=True)

ANA = actors.component("test")
T = TypeVar("T")
EARLY = {None, Status.PENDING_NEW, Status.ACCEPTED}
TERMS = (
    "symbol",
    "side",
    "quantity",
    "notional",
    "order_type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "trail_price",
    "trail_percent",
    "extended_hours",
    "position_effect",
    "order_class",
)


class Near:
    """The near desk, all of whose work is done by this process."""

    def __init__(self, account: Account, far: Desk, between: Between) -> None:
        self.account, self.far, self.between = account, far, between

    def place(self, **terms: Any) -> Order:
        """Record an order, a market buy of 5 AAPL unless told otherwise."""
        ticket = {
            "wire_id": f"near-{uuid4()}",
            "symbol": "AAPL",
            "side": Side.BUY,
            "quantity": Decimal(5),
            "order_type": OrderType.MARKET,
            "limit_price": None,
            "time_in_force": TimeInForce.DAY,
        } | terms
        now = timing.database_now()
        order, _ = placing.place(self.account, a_ticket(**ticket), source="api", actor=ANA, now=now)
        return order

    def send(self, **terms: Any) -> Order:
        """Place an order and send it; return it as it then stands."""
        order = self.place(**terms)
        sending.send(order.id)
        return self.fresh(order)

    def resting(self, **terms: Any) -> Order:
        """Send a limit order that nobody will sell to."""
        return self.send(order_type=OrderType.LIMIT, limit_price=Decimal(1), **terms)

    def fresh(self, order: Order) -> Order:
        return Order.objects.select_related("account").get(id=order.id)

    def looked(self, order: Order) -> Order:
        """Ask after an order now, whenever that would have been due."""
        reconciling.reconcile(order.id, now=timing.database_now())
        return self.fresh(order)

    def work(self) -> None:
        """Do what is due, as a worker would."""
        for due in attending.due(now=timing.database_now()):
            if due.cancel:
                attending.cancel(due.order_id, now=timing.database_now())
            if due.look:
                attending.look(due.order_id, now=timing.database_now())
        bracketing.tend_due(now=timing.database_now())

    def until(self, question: Callable[[], T], what: str, *, within: float = SETTLE_WITHIN) -> T:
        """Work until something is so."""
        give_up_at = time.monotonic() + within
        while not (answer := question()):
            if time.monotonic() > give_up_at:
                stands = Order.objects.values_list("submission", "submission_reason", "status")
                pytest.fail(f"It never came to be: {what}\n{list(stands)}\n{self.far.log_tail()}")
            self.work()
            time.sleep(0.05)
        return answer

    def until_status(self, order: Order, status: Status) -> Order:
        """Ask after an order until it stands so."""

        def so() -> Order | None:
            asked = self.looked(order)
            return asked if asked.status == status else None

        return self.until(so, f"{order} {status}; {self.fresh(order).status}")

    def at_far(self, order: Order) -> list[dict[str, Any]]:
        """Return the far desk's orders under our id, which is its client's id."""
        answer = self.far.api.get("/orders", params={"limit": 200})
        return [one for one in answer.json()["orders"] if one["client_order_id"] == order.wire_id]

    def far_listens(self) -> bool:
        """Whether anybody takes connections where the far desk is."""
        parts = urlsplit(self.far.url)
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 80), 1):
                return True
        except OSError:
            return False

    def at_exchange(self, order: Order) -> list[dict[str, Any]]:
        """Return what the exchange behind the far desk has of an order."""
        return [line for one in self.at_far(order) for line in self.far.at_exchange(one["wire_id"])]


@pytest.fixture(scope="module")
def key(desk_process: Desk) -> dict[str, str]:
    """The near desk's key at the far one."""
    told = json.loads(desk_process.manage("key", "--json", "--account", "Paper"))
    return {"key": told["key"], "secret": told["secret"]}


@pytest.fixture
def near(desk: Desk, key: dict[str, str]) -> Iterator[Near]:
    desk.price("AAPL", "150")
    with Between(f"{desk.url}/alpaca") as between:
        account = opening.open_account(
            name=f"Through {uuid4()}"[:60],
            broker="alpaca",
            environment=Environment.PAPER,
            base_url=between.url,
            credentials=key,
            actor=ANA,
            now=timing.database_now(),
        )
        yield Near(account, desk, between)


def test_an_order_is_one_order_at_the_far_end_and_fills_there(near: Near) -> None:
    order = near.send()

    assert order.submission == Submission.ACCEPTED
    order = near.until_status(order, Status.FILLED)
    (far,) = near.at_far(order)
    assert order.broker_order_id == far["id"]
    assert len(near.at_exchange(order)) == 1
    assert order.filled_quantity == 5
    ours = Execution.objects.filter(order=order)
    theirs = near.far.executions(far["id"])
    assert [(one.quantity, one.price) for one in ours] == [
        (Decimal(one["quantity"]), Decimal(one["price"])) for one in theirs
    ]
    # What is read again by other ways is nothing new.
    sweeping.sweep(near.account.id, now=timing.database_now())
    assert Execution.objects.filter(order=order).count() == len(theirs)
    assert near.fresh(order).version == order.version
    assert not Incident.objects.exists()


def test_an_order_is_changed_and_cancelled(near: Near) -> None:
    old = near.until_status(near.resting(), Status.NEW)

    new, _ = replacing.replace(
        old,
        client_order_id=f"near-{uuid4()}",
        limit_price=Decimal(2),
        source="api",
        actor=ANA,
        now=timing.database_now(),
    )
    sending.send(new.id)

    new = near.until_status(new, Status.NEW)
    near.until_status(old, Status.REPLACED)
    assert near.at_far(old)[0]["replaced_by"] == new.broker_order_id
    assert [one["limit_price"] for one in near.at_far(new)] == ["2"]
    assert near.between.count("PATCH") == 1

    canceling.cancel(new.id, actor=ANA, now=timing.database_now())
    sending.send_cancel(new.id)

    assert near.fresh(new).status == Status.NEW  # taken is not carried out
    near.until_status(new, Status.CANCELED)
    assert [one["status"] for one in near.at_far(new)] == ["canceled"]


def test_a_bracket_has_its_legs_at_both(near: Near) -> None:
    near.far.price("MSFT", "400")
    order = near.send(
        symbol="MSFT",
        quantity=Decimal(2),
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfit(limit_price=Decimal(450)),
        stop_loss=StopLoss(stop_price=Decimal(350)),
    )
    near.until_status(order, Status.FILLED)

    near.until(lambda: near.looked(order).legs.count() == 2, "two legs")
    legs = {leg.leg: leg for leg in order.legs.all()}
    (far,) = near.at_far(order)
    assert {leg.broker_order_id for leg in legs.values()} == set(far["legs"])
    assert {leg.order_type for leg in legs.values()} == {OrderType.LIMIT, OrderType.STOP}

    near.far.price("MSFT", "451")

    near.until_status(legs["take_profit"], Status.FILLED)
    near.until_status(legs["stop_loss"], Status.CANCELED)
    assert not Incident.objects.filter(kind=Incident.Kind.UNPROTECTED).open().exists()
    sweeping.sweep(near.account.id, now=timing.database_now())
    assert Order.objects.filter(account=near.account).count() == 3
    near.far.price("MSFT", "400")


def test_everything_that_its_terms_allow_arrives_as_it_was_meant(near: Near) -> None:
    near.far.price("TSLA", "250")
    limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal("1.01")}
    stop, far_off = {"order_type": OrderType.STOP}, Decimal(900)
    # For an exit in two there must be something to leave.
    near.until_status(near.send(symbol="TSLA", quantity=Decimal(20)), Status.FILLED)
    wanted: list[dict[str, Any]] = [
        limit | {"time_in_force": TimeInForce.GTC},
        limit | {"extended_hours": True},
        limit | {"quantity": Decimal("0.123456789")},
        limit | {"quantity": None, "notional": Decimal("20.5")},
        limit | {"position_effect": PositionEffect.OPEN},
        stop | {"stop_price": far_off},
        {
            "order_type": OrderType.STOP_LIMIT,
            "stop_price": far_off,
            "limit_price": Decimal(901),
            "time_in_force": TimeInForce.GTC,
        },
        {
            "order_type": OrderType.TRAILING_STOP,
            "trail_percent": Decimal(50),
            "side": Side.SELL,
            "quantity": Decimal(1),
        },
        {"order_type": OrderType.TRAILING_STOP, "trail_price": Decimal(120)},
        {
            "symbol": "BTC/USD",
            "quantity": Decimal("0.01"),
            "order_type": OrderType.LIMIT,
            "limit_price": Decimal(1500),
            "time_in_force": TimeInForce.GTC,
        },
        limit
        | {
            "order_class": OrderClass.OTO,
            "stop_loss": StopLoss(stop_price=Decimal(1), limit_price=Decimal("0.99")),
        },
        {
            "order_class": OrderClass.OCO,
            "side": Side.SELL,
            "order_type": OrderType.LIMIT,
            "limit_price": Decimal(500),
            "stop_loss": StopLoss(stop_price=Decimal(50)),
        },
    ]

    for terms in wanted:
        order = near.send(**{"symbol": "TSLA"} | terms)

        assert order.submission == Submission.ACCEPTED, (terms, order.submission_reason)
        near.until(lambda order=order: near.looked(order).status not in EARLY, str(terms))  # type: ignore[misc]
        order = near.fresh(order)
        assert not order.has_ended, (terms, order.reason)
        (far,) = near.at_far(order)
        for name in TERMS:
            ours = getattr(order, name)
            ours = f"{ours.normalize():f}" if isinstance(ours, Decimal) else ours or None
            assert (far[name] or None) == ours, (name, terms)
        loss = order.terms().stop_loss
        assert (far["stop_loss"] or {}).get("stop_price") == (
            f"{loss.stop_price.normalize():f}" if loss else None
        )
        canceling.cancel(order.id, actor=ANA, now=timing.database_now())
        sending.send_cancel(order.id)
        near.until_status(order, Status.CANCELED)


def test_a_stop_loss_is_moved_through_both(near: Near) -> None:
    near.far.price("AMZN", "180")
    order = near.send(
        symbol="AMZN",
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfit(limit_price=Decimal(250)),
        stop_loss=StopLoss(stop_price=Decimal(120)),
    )
    near.until_status(order, Status.FILLED)
    near.until(lambda: near.looked(order).legs.count() == 2, "two legs")
    stop = order.legs.get(leg="stop_loss")
    near.until(lambda: near.looked(stop).status in {Status.NEW, Status.HELD}, "it holds")

    moved, _ = replacing.replace(
        near.fresh(stop),
        client_order_id=f"near-{uuid4()}",
        stop_price=Decimal(130),
        source="api",
        actor=ANA,
        now=timing.database_now(),
    )
    sending.send(moved.id)

    near.until(lambda: near.looked(moved).status in {Status.NEW, Status.HELD}, "it holds")
    near.until_status(stop, Status.REPLACED)
    sweeping.sweep(near.account.id, now=timing.database_now())
    assert Order.objects.filter(account=near.account).count() == 4

    near.far.price("AMZN", "129")

    near.until_status(moved, Status.FILLED)
    target = order.legs.get(leg="take_profit")
    near.until_status(target, Status.CANCELED)
    assert not Incident.objects.filter(kind=Incident.Kind.UNPROTECTED).open().exists()
    near.far.price("AMZN", "180")


@pytest.mark.parametrize("fault", AFTER_ARRIVAL)
def test_an_answer_lost_between_them_is_no_second_order(near: Near, fault: str) -> None:
    near.between.fails("POST", fault)

    order = near.send()

    assert order.submission == Submission.UNKNOWN
    near.until(lambda: near.fresh(order).submission == Submission.ACCEPTED, "it is found")
    near.until_status(order, Status.FILLED)
    assert near.between.count("POST") == 1
    assert len(near.at_far(order)) == len(near.at_exchange(order)) == 1


def test_what_never_arrived_is_neither_sent_again_nor_given_up(near: Near) -> None:
    near.between.fails("POST", UNHEARD)

    order = near.send()
    near.between.fails("GET", LOST, times=2)
    for _ in range(3):
        order = near.looked(order)

    assert order.submission == Submission.UNKNOWN
    assert near.between.count("POST") == 1
    assert near.at_far(order) == []
    assert order.inquiries.filter(result="absent").exists()


def test_a_change_and_a_cancel_whose_answers_are_lost_happen_once(near: Near) -> None:
    old = near.until_status(near.resting(), Status.NEW)
    near.between.fails("PATCH", GARBLED)
    new, _ = replacing.replace(
        old,
        client_order_id=f"near-{uuid4()}",
        limit_price=Decimal(2),
        source="api",
        actor=ANA,
        now=timing.database_now(),
    )

    sending.send(new.id)

    assert near.fresh(new).submission == Submission.UNKNOWN
    near.until(lambda: near.fresh(new).submission == Submission.ACCEPTED, "it is found")
    near.until_status(old, Status.REPLACED)
    near.between.fails("DELETE", LOST)
    canceling.cancel(new.id, actor=ANA, now=timing.database_now())
    sending.send_cancel(new.id)
    near.until_status(new, Status.CANCELED)
    assert near.between.count("PATCH") == 1
    assert len(near.at_exchange(old)) == len(near.at_exchange(new)) == 1


def test_a_far_desk_that_dies_loses_nothing(near: Near) -> None:
    before = near.resting()
    Account.objects.update(base_url=near.between.target)  # nothing between them any more
    assert near.far.kill("uvicorn")
    near.until(lambda: not near.far_listens(), "nobody is there")
    # A limit order may wait for five minutes, and a market order for half of one.
    order = near.place(order_type=OrderType.LIMIT, limit_price=Decimal(160))

    sending.send(order.id)

    assert near.fresh(order).submission == Submission.READY  # no byte of it has left
    near.until(
        lambda: near.fresh(order).submission == Submission.ACCEPTED,
        "it is taken",
        within=START_WITHIN,
    )
    near.until_status(order, Status.FILLED)
    near.until_status(before, Status.NEW)
    assert len(near.at_far(order)) == len(near.at_exchange(order)) == 1


def test_what_has_partly_filled_is_not_replaced(near: Near) -> None:
    near.far.price("NVDA", "120", size="2")
    order = near.send(
        symbol="NVDA",
        quantity=Decimal(500),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(125),
    )
    order = near.until_status(order, Status.PARTIALLY_FILLED)

    with pytest.raises(NotReplaceable, match="partly filled"):
        replacing.replace(
            order,
            client_order_id=f"near-{uuid4()}",
            limit_price=Decimal(126),
            source="api",
            actor=ANA,
            now=timing.database_now(),
        )

    assert near.between.count("PATCH") == 0
    near.far.price("NVDA", "120")
    order = near.until_status(order, Status.FILLED)
    assert order.filled_quantity == 500


def test_what_the_far_desk_refuses_is_said(near: Near) -> None:
    order = near.send(symbol="AAPL", quantity=Decimal(10_000_000))

    # It was taken, and turned out to be more than its own broker lends money for.
    order = near.until_status(order, Status.REJECTED)

    assert order.reason
    refused = near.send(side=Side.SELL, quantity=Decimal("0.5"), symbol="NVDA")
    near.until(lambda: near.looked(refused).has_ended, "its end")
    # At the door, or by its own broker if the far desk has yet to hear what that trades.
    unknown = near.send(symbol="NOSUCH")
    near.until(lambda: near.looked(unknown).has_ended, "its end")
    assert near.looked(unknown).filled_quantity == 0


def test_what_somebody_else_places_there_is_seen(near: Near) -> None:
    sweeping.sweep(near.account.id, now=timing.database_now())
    placed = near.far.place(symbol="AAPL", quantity="3")
    near.far.until_order(placed, status="filled")

    def adopted() -> Order | None:
        sweeping.sweep(near.account.id, now=timing.database_now())
        return Order.objects.filter(account=near.account, broker_order_id=placed).first()

    order = near.until(adopted, "it is taken over")
    assert (order.source, order.status, order.filled_quantity) == ("broker", Status.FILLED, 3)
