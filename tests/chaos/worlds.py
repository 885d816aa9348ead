"""Small worlds in which all is well, for tests to break in one place each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.chaos.checking.records import (
    Account,
    Answer,
    Attempt,
    Delivery,
    Event,
    Fill,
    Holding,
    Incident,
    Order,
    Push,
    Request,
    Sample,
    Trade,
    Version,
)
from tests.chaos.checking.world import World

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
D = Decimal


def at(seconds: float) -> datetime:
    """Return so long after noon, when everything began."""
    return NOON + timedelta(seconds=seconds)


def account(**changes: Any) -> Account:
    usual = Account(
        key="paper",
        id="a-1",
        broker="paper",
        machine_may_conclude_absence=True,
        doubt_ends_within=timedelta(seconds=60),
    )
    return replace(usual, **changes)


def order(number: int = 1, **changes: Any) -> Order:
    """Return a row: 10 AAPL bought for 151.4 on average, filled."""
    said = {"submission": "accepted", "status": "filled"}
    usual = Order(
        id=f"o-{number}",
        account="paper",
        client_order_id=f"c-{number}",
        wire_id=f"c-{number}",
        symbol="AAPL",
        side="buy",
        quantity=D(10),
        order_type="limit",
        time_in_force="day",
        limit_price=D(152),
        stop_price=None,
        source="api",
        placed_at=at(0),
        submit_by=at(30),
        submission="accepted",
        submission_at=at(2),
        in_conflict=False,
        broker_order_id=f"b-{number}",
        status="filled",
        filled=D(10),
        value=D(1514),
        average_price=D("151.4"),
        flags=(),
        version=3,
        cancel_requested=False,
        escalated=False,
        look_at=None,
        projection=said,
    )
    return replace(usual, **changes)


def trade(number: int = 1, **changes: Any) -> Trade:
    usual = Trade(
        account="paper",
        broker_order_id="b-1",
        wire_id="c-1",
        execution_id=f"x-{number}",
        kind="fill",
        revision=0,
        symbol="AAPL",
        side="buy",
        quantity=D(4),
        price=D(152),
        at=at(3),
    )
    return replace(usual, **changes)


def fill(number: int = 1, **changes: Any) -> Fill:
    usual = Fill(
        order_id="o-1",
        account="paper",
        broker_order_id="b-1",
        execution_id=f"x-{number}",
        trade_date="2026-03-02",
        kind="fill",
        revision=0,
        symbol="AAPL",
        side="buy",
        quantity=D(4),
        price=D(152),
        executed_at=at(3),
        heard_at=at(4),
        evidence="delivery:1",
    )
    return replace(usual, **changes)


def version(number: int = 1, **changes: Any) -> Version:
    usual = Version(
        account="paper",
        broker_order_id="b-1",
        wire_id="c-1",
        at=at(1.5),
        version=number,
        status="working",
        symbol="AAPL",
        side="buy",
        quantity=D(10),
        order_type="limit",
        time_in_force="day",
        limit_price=D(152),
        stop_price=None,
        filled=D(0),
    )
    return replace(usual, **changes)


def event(action: str, second: float, before: dict[str, Any], after: dict[str, Any]) -> Event:
    return Event(order_id="o-1", action=action, at=at(second), before=before, after=after)


def sample(second: float = 5, **changes: Any) -> Sample:
    usual = Sample(
        before=at(second),
        after=at(second + 0.1),
        order_id="o-1",
        seen_on="api",
        submission="accepted",
        status="filled",
        word="",
        filled=D(10),
    )
    return replace(usual, **changes)


def push(number: int = 1, **changes: Any) -> Push:
    usual = Push(account="paper", delivery_id=f"m-{number}", status=204, fault="", at=at(3.5))
    return replace(usual, **changes)


def request(**changes: Any) -> Request:
    usual = Request(account="paper", wire_id="c-1", at=at(1.4), fault="", status=201)
    return replace(usual, **changes)


def attempt(**changes: Any) -> Attempt:
    usual = Attempt(order_id="o-1", kind="submit", number=1, state="accepted", armed_at=at(1))
    return replace(usual, **changes)


def answer(second: float = 0.1, **changes: Any) -> Answer:
    usual = Answer(
        at=at(second),
        account="paper",
        client_order_id="c-1",
        what="place",
        web=0,
        status=201,
        order_id="o-1",
    )
    return replace(usual, **changes)


def doubt_incident(**changes: Any) -> Incident:
    usual = Incident(order_id="o-1", account="paper", kind="doubt", open=True)
    return replace(usual, **changes)


def a_world(**changes: Any) -> World:
    """Return a world with one order in it, placed, filled in two parts and shown on the way."""
    usual = World(
        ended_at=at(300),
        accounts=(account(),),
        orders=(order(),),
        fills=(fill(1), fill(2, quantity=D(6), price=D(151))),
        attempts=(attempt(),),
        events=(
            event("order.placed", 0, {}, {"symbol": "AAPL"}),
            event("order.sending", 1, {"submission": "ready"}, {"submission": "sending"}),
            event(
                "order.facts",
                2,
                {"submission": "sending", "status": None},
                {"submission": "accepted", "status": "filled"},
            ),
        ),
        deliveries=(Delivery(id=1, account="paper", delivery_id="m-1", state="understood"),),
        holdings=(Holding(account="paper", symbol="AAPL", quantity=D(10)),),
        versions=(
            version(1),
            version(2, at=at(3), status="part_filled", filled=D(4)),
            version(3, at=at(3.2), status="filled", filled=D(10)),
        ),
        trades=(trade(1), trade(2, quantity=D(6), price=D(151), at=at(3.2))),
        requests=(request(),),
        pushes=(push(),),
        their_holdings=(Holding(account="paper", symbol="AAPL", quantity=D(10)),),
        answers=(answer(), answer(0.2, what="again", status=200, web=1)),
        samples=(
            sample(0.5, submission="ready", status=None, filled=D(0)),
            sample(1.45, submission="sending", status=None, filled=D(0)),
            sample(5),
            sample(6, seen_on="page", submission="", status=None, word="Filled"),
        ),
    )
    return replace(usual, **changes)
