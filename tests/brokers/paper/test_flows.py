"""Whatever clients do, in whatever order, the books add up, and the ledger says the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.paper import matching
from brokers.paper.amounts import per_unit
from brokers.paper.committing import asked_price, closable_by
from brokers.paper.executions import Execution
from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.recording import Records
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.paper.sessions import AUCTIONS
from brokers.vocabulary import ExecutionKind, PositionEffect, Side, TimeInForce
from tests.brokers.paper.conftest import NOON, Floor

CASH, FEE_RATE = "100000", Decimal("2.5")
PRICES_OF = {
    "AAPL": ["145", "149.99", "150", "150.01", "151", "160"],
    "KO": ["0.9995", "59.99", "60", "60.5"],
    "BTC/USD": ["16990", "17000", "17010.05"],
}
SYMBOLS = st.sampled_from(["AAPL", "AAPL", "AAPL", "BTC/USD", "KO"])
QUANTITIES = st.sampled_from(["1", "7", "7", "40", "0.000000001", "0.333333333", "2.5", "600"])

TRAILS = [{"trail_price": "0.5"}, {"trail_percent": "0.1"}, {"trail_percent": "40"}]
EFFECTS = [None, None, *PositionEffect, PositionEffect.CLOSE]
DEAREST = Decimal(20_000)
TICK = timedelta(milliseconds=250)

Act = Callable[[Floor], None]


def prices_of(symbol: str) -> st.SearchStrategy[str]:
    return st.sampled_from(PRICES_OF[symbol])


@st.composite
def placing(draw: st.DrawFn) -> Act:
    time_in_force = draw(st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, *TimeInForce]))
    symbol = draw(SYMBOLS)
    price = st.none() | prices_of(symbol)
    priced = st.fixed_dictionaries({"limit": price, "stop": price})
    given = {
        "symbol": symbol,
        "side": draw(st.sampled_from(Side)),
        "time_in_force": time_in_force,
        "position_effect": draw(st.sampled_from(EFFECTS)),
        "extended_hours": draw(st.sampled_from([False, False, False, True])),
        **draw(st.sampled_from(TRAILS) | priced | priced),
    }
    if time_in_force is TimeInForce.GTD:
        given["expires_at"] = NOON + draw(st.sampled_from([TICK, timedelta(hours=20)]))
    quantity = draw(QUANTITIES)
    return lambda floor: _try(lambda: floor.place(quantity, **given))


@st.composite
def spending(draw: st.DrawFn) -> Act:
    symbol = draw(SYMBOLS)
    given = {
        "symbol": symbol,
        "side": draw(st.sampled_from(Side)),
        "limit": draw(st.none() | prices_of(symbol)),
        "stop": draw(st.none() | prices_of(symbol)),
        "time_in_force": draw(st.sampled_from([TimeInForce.DAY, TimeInForce.FOK])),
    }
    notional = draw(st.sampled_from(["1", "10", "1000", "12345.678901234", "99999"]))
    return lambda floor: _try(lambda: floor.place(None, notional=notional, **given))


@st.composite
def turning(draw: st.DrawFn) -> Act:
    symbol = draw(SYMBOLS)
    phase = draw(st.sampled_from([Phase.OPEN, Phase.OPEN, Phase.EXTENDED, Phase.CLOSED]))
    return lambda floor: floor.turn(phase, symbol=symbol)


@st.composite
def pricing(draw: st.DrawFn) -> Act:
    symbol, size = draw(SYMBOLS), draw(st.sampled_from(["0.5", "3", "1000"]))
    price, ticks = draw(prices_of(symbol)), draw(st.sampled_from([0, 1, 1, 2]))

    def move(floor: Floor) -> None:
        floor.price(price, size=size, symbol=symbol)
        for _ in range(ticks):
            floor.step()

    return move


@st.composite
def canceling(draw: st.DrawFn) -> Act:
    which = draw(st.integers(0, 20))
    return lambda floor: _about(
        floor, which, lambda order: floor.exchange.cancel(floor.account, order.id, now=floor.now)
    )


@st.composite
def replacing(draw: st.DrawFn) -> Act:
    which, quantity = draw(st.integers(0, 20)), draw(QUANTITIES)
    limit = draw(SYMBOLS.flatmap(prices_of))

    def replace(floor: Floor) -> None:
        def put(order):
            terms = floor.terms(
                quantity, limit=limit, symbol=order.terms.symbol, side=order.terms.side
            )
            floor.exchange.replace(floor.account, order.id, terms, now=floor.now)

        _about(floor, which, put)

    return replace


@st.composite
def busting(draw: st.DrawFn) -> Act:
    which = draw(st.integers(0, 20))
    return lambda floor: _about_trade(
        floor, which, lambda records, name, now: bust(records, name, now=now)
    )


@st.composite
def correcting(draw: st.DrawFn) -> Act:
    which, quantity = draw(st.integers(0, 20)), draw(QUANTITIES)
    price = draw(SYMBOLS.flatmap(prices_of))
    terms = {"quantity": Decimal(quantity), "price": Decimal(price)}
    return lambda floor: _about_trade(
        floor, which, lambda records, name, now: correct(records, name, now=now, **terms)
    )


@st.composite
def befalling(draw: st.DrawFn) -> Act:
    fault = draw(st.sampled_from(["fill_after_cancel_ack", "fill_after_cancelled"]))
    which = draw(st.integers(0, 20))

    def befall(floor: Floor) -> None:
        def cancel(order):
            floor.exchange.cancel(floor.account, order.id, now=floor.now)
            floor.exchange.fate.canceling(order, fault, Decimal("0.2"))

        _about(floor, which, cancel)

    return befall


def stepping() -> st.SearchStrategy[Act]:
    return st.sampled_from([TICK, TICK, timedelta(hours=13)]).map(
        lambda after: lambda floor: floor.step(after=after)
    )


@settings(max_examples=80, deadline=None)
@given(
    personality=st.sampled_from(["paper", "alpaca"]),
    shorting=st.booleans(),
    acts=st.lists(
        placing()
        | spending()
        | turning()
        | pricing()
        | canceling()
        | replacing()
        | busting()
        | correcting()
        | befalling()
        | stepping(),
        max_size=30,
    ),
)
def test_the_books_add_up(personality, shorting, acts):
    with tempfile.TemporaryDirectory() as directory:
        floor = Floor(Path(directory), cash=CASH, personality=personality)
        floor.account.shorting, floor.account.fee_rate = shorting, FEE_RATE
        floor.exchange.records.keep_account(floor.account, now=floor.now)
        try:
            for act in acts:
                act(floor)
                _check(floor)
            floor.exchange.commit()
            _check_history(floor)
            before = _books(floor)
            floor.reopen()
            assert _books(floor) == before
            _check(floor)
        finally:
            floor.close()


@settings(max_examples=40, deadline=None)
@given(
    side=st.sampled_from(Side),
    closing=st.lists(
        st.fixed_dictionaries(
            {
                "quantity": st.sampled_from(["3", "7", "10"]),
                "limit": st.none() | st.sampled_from(["150", "151", "149"]),
                "stop": st.none() | st.sampled_from(["149", "150", "151"]),
            }
        ),
        min_size=2,
        max_size=5,
    ),
    trail=st.sampled_from(TRAILS),
    prices=st.lists(st.sampled_from(["145", "149", "150", "151", "155"]), max_size=6),
)
def test_whoever_closes_a_position_and_whatever_the_market_does_it_is_not_turned_round(
    side, closing, trail, prices
):
    with tempfile.TemporaryDirectory() as directory:
        floor = Floor(Path(directory))
        try:
            floor.account.fee_rate = FEE_RATE
            floor.place("10", side=side)
            other = Side.SELL if side is Side.BUY else Side.BUY
            closes = {"side": other, "position_effect": PositionEffect.CLOSE}
            for given in ({"quantity": "10", **trail}, *closing):
                _try(lambda given=given: floor.place(**closes, **given))
            for price in prices:
                floor.price(price, size="4")
                floor.step()
            _check_history(floor)
        finally:
            floor.close()


def _check(floor: Floor) -> None:
    books, account = floor.exchange.books, floor.account
    cash, positions = Decimal(CASH), dict.fromkeys(account.positions, Decimal(0))
    standing = {word.id: word for word in books.executions_of(account)}
    for fill in standing.values():
        sign = 1 if fill.side is Side.BUY else -1
        cash -= sign * fill.counts * fill.price + fill.fee
        assert fill.fee == per_unit(fill.counts * fill.price * FEE_RATE, Decimal(10_000))
        positions[fill.symbol] += sign * fill.counts
    assert account.cash == cash
    assert {symbol: held.quantity for symbol, held in account.positions.items()} == positions

    for order in books.orders_of(account):
        fills = [fill for fill in standing.values() if fill.order_id == order.id]
        assert order.filled == sum(fill.counts for fill in fills)
        assert order.cost == sum(fill.counts * fill.price for fill in fills)
        if order.terms.quantity is not None:
            assert order.filled <= order.terms.quantity
            assert (order.standing is Standing.FILLED) == (order.remaining == 0)
        else:
            assert order.money >= 0
            assert order.standing is not Standing.FILLED or order.is_full(at=DEAREST)
        assert order.standing is not Standing.ACCEPTED or not fills
        assert (order.id in books.open_of(account)) == (not order.ended)
        assert order.told == order.json()
        limit = order.terms.limit_price
        for fill in fills:
            assert (
                limit is None
                or fill.kind is ExecutionKind.CORRECT
                or (fill.price <= limit if fill.side is Side.BUY else fill.price >= limit)
            )
        if order.replaced_by:
            assert Standing.REPLACED in {order.standing, order.ended_as}
            assert books.orders[order.replaced_by].replaces == order.id
    _check_shortcuts(floor)


def _check_shortcuts(floor: Floor) -> None:
    """What is kept up to date order by order is what adding everything up anew would give."""
    exchange, books, account = floor.exchange, floor.exchange.books, floor.account
    price_of = exchange.market.price_of
    open_orders = sorted(books.open_of(account).values(), key=lambda order: order.sequence)
    for without in [None, *open_orders[:3]]:
        cost, closable = Decimal(0), {}
        for order in open_orders:
            if order is without:
                continue
            way = (order.terms.symbol, order.terms.side)
            closable.setdefault(way, closable_by(way[1], held=account.held(way[0])))
            if order.terms.notional is not None:
                cost += Decimal(0) if order.terms.only_closes else order.money
                continue
            closing = min(order.remaining, closable[way])
            closable[way] -= closing
            if not order.terms.only_closes:
                cost += (order.remaining - closing) * asked_price(order.terms, price_of)
        shortcut = books.commitments_of(account).cost(price_of, held=account.held, without=without)
        assert shortcut == cost

    due = {
        order.id for order in books.queue.due(books.orders, exchange.market.listings, now=floor.now)
    }
    for order in open_orders:
        listing = exchange.market.listings[order.terms.symbol]
        better = order.high_water_mark is not None and (
            listing.last > order.high_water_mark
            if order.terms.side is Side.SELL
            else listing.last < order.high_water_mark
        )
        if order.standing is Standing.WAITING and better and not order.triggered:
            assert order.id in due
        if order.standing is Standing.CANCEL_PENDING or (
            matching.is_triggered(order, last=listing.last)
            and order.standing is not Standing.ACCEPTED
            and any(
                matching.suits(order, level.price) for level in listing.facing(order.terms.side)
            )
        ):
            assert order.id in due


def _check_history(floor: Floor) -> None:
    """What happened on the way was right as well, not only how it ended."""
    exchange, account = floor.exchange, floor.account
    _check_trails(floor)
    orders = exchange.books.orders
    held: dict[str, Decimal] = {}
    words: dict[str, Execution] = {}
    auctions: dict[tuple[str, datetime], set[Decimal]] = {}
    for word in exchange.books.executions_of(account):
        before = held.get(word.symbol, Decimal(0))
        earlier = words.get(word.id)
        change = word.counts - (earlier.counts if earlier else 0)
        after = before + (change if word.side is Side.BUY else -change)
        terms = orders[word.order_id].terms
        may_short = account.shorting and exchange.market.listings[word.symbol].instrument.shortable
        if not earlier and (terms.only_closes or (word.side is Side.SELL and not may_short)):
            assert abs(after) < abs(before)
            assert after * before >= 0
        if not earlier and terms.time_in_force in AUCTIONS:
            auctions.setdefault((word.symbol, word.at), set()).add(word.price)
        held[word.symbol], words[word.id] = after, word
    assert all(len(prices) == 1 for prices in auctions.values())


def _check_trails(floor: Floor) -> None:
    """A trailing stop moved one way, in every version of it there ever was."""
    stands: dict[str, tuple[Decimal, Decimal]] = {}
    for line in floor.exchange.ledger.lines("orders"):
        if line.body["high_water_mark"] is None:
            continue
        mark, stop = Decimal(line.body["high_water_mark"]), Decimal(line.body["stop_price"])
        sign = 1 if line.body["side"] == "sell" else -1
        assert sign * stop < sign * mark
        if line.name in stands:
            before, stood = stands[line.name]
            assert sign * mark >= sign * before
            assert sign * stop >= sign * stood
        stands[line.name] = mark, stop


def _books(floor: Floor) -> object:
    books, account = floor.exchange.books, floor.account
    return (
        [order.json() for order in books.orders_of(account)],
        [fill.json() for fill in books.executions_of(account)],
        {symbol: (held.quantity, held.average_price) for symbol, held in account.positions.items()},
        account.cash,
        account.record(),
        sorted(books.open_of(floor.account)),
        books.traded,
    )


def _about(floor: Floor, which: int, act: Callable[..., object]) -> None:
    orders = floor.exchange.books.orders_of(floor.account)
    if orders:
        _try(lambda: act(orders[which % len(orders)]))


def _about_trade(floor: Floor, which: int, act: Callable[[Records, str, datetime], object]) -> None:
    records = floor.exchange.records
    words = floor.exchange.books.executions_of(floor.account)
    if words:
        _try(lambda: act(records, words[which % len(words)].id, records.time(floor.now)))


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal:
        return
