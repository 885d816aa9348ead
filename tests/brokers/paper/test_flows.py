"""Whatever clients do, in whatever order, the books add up, and the ledger says the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.vocabulary import Side, TimeInForce
from tests.brokers.paper.conftest import Floor

CASH = "100000"
SYMBOLS = st.sampled_from(["AAPL", "BTC/USD", "KO"])
QUANTITIES = st.sampled_from(["1", "7", "40", "0.000000001", "0.333333333", "2.5", "600"])
PRICES = st.sampled_from(["10", "59.99", "60", "149.99", "150.01", "151", "16990", "17010.05"])

Act = Callable[[Floor], None]


@st.composite
def placing(draw: st.DrawFn) -> Act:
    given = {
        "symbol": draw(SYMBOLS),
        "side": draw(st.sampled_from(Side)),
        "time_in_force": draw(st.sampled_from(TimeInForce)),
        "limit": draw(st.none() | PRICES),
        "stop": draw(st.none() | PRICES),
    }
    quantity = draw(QUANTITIES)
    return lambda floor: _try(lambda: floor.place(quantity, **given))


@st.composite
def pricing(draw: st.DrawFn) -> Act:
    symbol, size = draw(SYMBOLS), draw(st.sampled_from(["0.5", "3", "1000"]))
    price = draw(PRICES)
    return lambda floor: floor.price(price, size=size, symbol=symbol)


@st.composite
def canceling(draw: st.DrawFn) -> Act:
    which = draw(st.integers(0, 20))
    return lambda floor: _about(
        floor, which, lambda order: floor.exchange.cancel(floor.account, order.id, now=floor.now)
    )


@st.composite
def replacing(draw: st.DrawFn) -> Act:
    which, quantity, limit = draw(st.integers(0, 20)), draw(QUANTITIES), draw(PRICES)

    def replace(floor: Floor) -> None:
        def put(order):
            terms = floor.terms(
                quantity, limit=limit, symbol=order.terms.symbol, side=order.terms.side
            )
            floor.exchange.replace(floor.account, order.id, terms, now=floor.now)

        _about(floor, which, put)

    return replace


def stepping() -> st.SearchStrategy[Act]:
    return st.just(lambda floor: floor.step())


@settings(max_examples=80, deadline=None)
@given(acts=st.lists(placing() | pricing() | canceling() | replacing() | stepping(), max_size=25))
def test_the_books_add_up(acts):
    with tempfile.TemporaryDirectory() as directory:
        floor = Floor(Path(directory), cash=CASH)
        try:
            for act in acts:
                act(floor)
                _check(floor)
            floor.exchange.commit()
            before = _books(floor)
            floor.reopen()
            assert _books(floor) == before
            _check(floor)
        finally:
            floor.close()


def _check(floor: Floor) -> None:
    books, account = floor.exchange.books, floor.account
    cash, positions = Decimal(CASH), dict.fromkeys(account.positions, Decimal(0))
    for fill in books.executions_of(account):
        sign = 1 if fill.side is Side.BUY else -1
        cash -= sign * fill.quantity * fill.price
        positions[fill.symbol] += sign * fill.quantity
    assert account.cash == cash
    assert {symbol: held.quantity for symbol, held in account.positions.items()} == positions

    for order in books.orders_of(account):
        fills = books.executions_in(order)
        assert order.filled == sum(fill.quantity for fill in fills) <= order.terms.quantity
        assert order.cost == sum(fill.quantity * fill.price for fill in fills)
        assert (order.standing is Standing.FILLED) == (order.remaining == 0)
        assert (order.id in books.open_of(floor.account)) == (not order.ended)
        limit = order.terms.limit_price
        for fill in fills:
            assert limit is None or (
                fill.price <= limit if fill.side is Side.BUY else fill.price >= limit
            )
        if order.replaced_by:
            assert order.standing is Standing.REPLACED
            assert books.orders[order.replaced_by].replaces == order.id


def _books(floor: Floor) -> object:
    books, account = floor.exchange.books, floor.account
    return (
        [order.json() for order in books.orders_of(account)],
        [fill.json() for fill in books.executions_of(account)],
        {symbol: (held.quantity, held.average_price) for symbol, held in account.positions.items()},
        account.cash,
        account.record(),
        list(books.open_of(floor.account)),
        books.traded,
    )


def _about(floor: Floor, which: int, act: Callable[..., object]) -> None:
    orders = floor.exchange.books.orders_of(floor.account)
    if orders:
        _try(lambda: act(orders[which % len(orders)]))


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal:
        return
