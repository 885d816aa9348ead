"""Positions are folded from executions: average cost, realised profit, straight through zero."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.messages import Fill, Report
from brokers.vocabulary import ExecutionKind, Side
from orders import recording
from orders.models.facts import Heard
from orders.positioning import Position, held, positions
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import NOON, fill, snapshot
from tests.orders.holding import hold

pytestmark = pytest.mark.django_db


def trade(*trades: str, extra: tuple[Fill, ...] = ()) -> Position:
    """Book trades such as "+10@100" and "-4@110", each by an order of its own."""
    account = AccountFactory()
    for minute, one in enumerate(trades):
        quantity, price = one.split("@")
        side = Side.BUY if quantity[0] == "+" else Side.SELL
        order = OrderFactory(
            account=account, side=side, quantity=Decimal(quantity[1:]), sending=True
        )
        ticket = order.ticket()
        fills = (
            fill(
                ticket,
                f"x{minute}",
                quantity[1:],
                price,
                executed_at=NOON + timedelta(minutes=minute),
            ),
        )
        recording.heed(
            account,
            Report(snapshots=(snapshot(ticket),), fills=fills),
            heard=Heard.POLL,
            evidence="poll",
            now=timezone.now(),
        )
    [position] = positions([account])
    return position


@pytest.mark.parametrize(
    ("trades", "quantity", "average", "realized"),
    [
        (["+10@100"], "10", "100", "0"),
        (["+10@100", "+10@110"], "20", "105", "0"),
        (["+10@100", "-4@110"], "6", "100", "40"),
        (["+10@100", "-10@90"], "0", None, "-100"),
        (["-10@100"], "-10", "100", "0"),
        (["-10@100", "+4@90"], "-6", "100", "40"),
        (["+10@100", "-15@110"], "-5", "110", "100"),
        (["-10@100", "+15@110"], "5", "110", "-100"),
        (["+0.000000001@100"], "0.000000001", "100", "0"),
        (["+1@0.1", "+1@0.2", "-2@0.3"], "0", None, "0.3"),
    ],
)
def test_position(trades: list[str], quantity: str, average: str | None, realized: str) -> None:
    position = trade(*trades)

    assert position.quantity == Decimal(quantity)
    assert position.average_price == (None if average is None else Decimal(average))
    assert position.realized == Decimal(realized)


def test_profit_at_a_price() -> None:
    assert trade("+10@100").unrealized(Decimal("101.5")) == 15
    assert trade("-10@100").unrealized(Decimal("101.5")) == -15
    assert trade("+10@100", "-10@100").unrealized(Decimal(1)) == 0


def test_fees_come_off_the_profit_whichever_trade_they_were_taken_for() -> None:
    account = AccountFactory()
    hold(account, "10", price="100", fee="0.25")
    hold(account, "-4", price="110", fee="0.000000001")

    [position] = positions([account])

    assert (position.quantity, position.realized) == (6, 40)
    assert position.fees == Decimal("0.250000001")
    assert position.net == Decimal("39.749999999")


def test_a_busted_trade_never_was() -> None:
    order = OrderFactory(sending=True)
    ticket = order.ticket()
    busted = fill(ticket, "a", "10", kind=ExecutionKind.BUST, fee=Decimal(1))
    recording.heed(
        order.account,
        Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "10"), busted)),
        heard=Heard.POLL,
        evidence="poll",
        now=timezone.now(),
    )

    [position] = positions([order.account])
    assert (position.quantity, position.fees) == (0, 0)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_what_the_database_adds_up_is_what_the_fold_holds(data: st.DataObject) -> None:
    account = AccountFactory()
    for side in (Side.BUY, Side.SELL):
        order = OrderFactory(
            account=account, side=side, quantity=Decimal(900000000000), sending=True
        )
        ticket = order.ticket()
        told = data.draw(
            st.lists(
                st.builds(
                    lambda ticket, name, quantity, kind, revision, day: fill(
                        ticket,
                        name,
                        str(quantity),
                        kind=kind,
                        revision=revision,
                        trade_date=NOON.date() + timedelta(days=day),
                    ),
                    st.just(ticket),
                    st.sampled_from("ab"),
                    st.decimals("1e-18", 10**11, places=18),
                    st.sampled_from(ExecutionKind),
                    st.integers(0, 2),
                    st.integers(0, 1),
                ),
                max_size=8,
            )
        )
        recording.heed(
            account,
            Report(snapshots=(snapshot(ticket),), fills=tuple(told)),
            heard=Heard.POLL,
            evidence="poll",
            now=timezone.now(),
        )

    folded = {position.symbol: position.quantity for position in positions([account])}
    assert held(account) == {name: quantity for name, quantity in folded.items() if quantity}


def test_a_quantity_of_more_digits_than_python_computes_with_is_counted_exactly() -> None:
    account = AccountFactory()
    order = OrderFactory(account=account, quantity=Decimal(900000000000), sending=True)
    ticket = order.ticket()
    told = fill(ticket, "a", "123456789012.123456789123456789", "1")
    recording.heed(
        account,
        Report(snapshots=(snapshot(ticket),), fills=(told,)),
        heard=Heard.POLL,
        evidence="poll",
        now=timezone.now(),
    )

    [position] = positions([account])

    assert position.quantity == told.quantity
