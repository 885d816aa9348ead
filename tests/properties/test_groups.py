"""Whatever becomes of orders with legs, no group closes more than it opened or outlives itself."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.amounts import ZERO
from brokers.paper.grouping import Group
from brokers.paper.orders import Order, Standing
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.vocabulary import Leg, OrderClass, Side, TimeInForce
from tests.brokers.paper.conftest import Floor
from tests.properties.effort import PURE

CASH = "100000"
WITH_LEGS = [OrderClass.BRACKET, OrderClass.OTO, OrderClass.OCO]
PRICES = st.sampled_from(["138", "138", "141", "150", "159", "162", "162"])  # about the legs'
SIZES = st.sampled_from(["1", "2", "1000"])
BEFORE = st.sampled_from(["10", "50"])
WHICH = st.integers(0, 30)

Act = Callable[[Floor], None]


@st.composite
def grouping(draw: st.DrawFn) -> Act:
    """Ask for an order with legs."""
    order_class, side = draw(st.sampled_from(WITH_LEGS)), draw(st.sampled_from(Side))
    far, near = draw(st.sampled_from(["160", "155"])), draw(st.sampled_from(["140", "145"]))
    above = side is Side.BUY or order_class is OrderClass.OCO
    if order_class is OrderClass.OCO and side is Side.BUY:
        above = False
    target, stop = (far, near) if above else (near, far)
    limit = (
        target if order_class is OrderClass.OCO else draw(st.sampled_from([None, "150.02", "149"]))
    )
    both = order_class is OrderClass.BRACKET
    has_target = both or (order_class is OrderClass.OTO and draw(st.booleans()))
    has_stop = both or not has_target
    tif = draw(st.sampled_from([TimeInForce.DAY, TimeInForce.GTC]))
    stop_limit = draw(st.none() | st.just(stop))
    quantity = draw(st.sampled_from(["1", "7", "10"]))

    def act(floor: Floor) -> None:
        _try(
            lambda: floor.place(
                quantity,
                order_class=order_class,
                side=side,
                limit=limit,
                time_in_force=tif,
                take_profit=TakeProfit(limit_price=Decimal(target)) if has_target else None,
                stop_loss=StopLoss(
                    stop_price=Decimal(stop),
                    limit_price=None if stop_limit is None else Decimal(stop_limit),
                )
                if has_stop
                else None,
            )
        )

    return act


def opening() -> st.SearchStrategy[Act]:
    """Ask for a bracket or a pair that is taken: at random, most of them would not be."""
    stop = StopLoss(stop_price=Decimal(140))
    bracket = {"order_class": OrderClass.BRACKET, "stop_loss": stop}
    bracket["take_profit"] = TakeProfit(limit_price=Decimal(160))
    pair = {"order_class": OrderClass.OCO, "stop_loss": stop, "side": Side.SELL, "limit": "160"}
    return st.sampled_from([bracket, pair]).map(
        lambda terms: lambda floor: _try(lambda: floor.place("10", **terms))
    )


@st.composite
def placing(draw: st.DrawFn) -> Act:
    """Ask for an order without any, which moves the position under the groups."""
    side, quantity = draw(st.sampled_from(Side)), draw(st.sampled_from(["1", "4", "12"]))
    return lambda floor: _try(lambda: floor.place(quantity, side=side))


@st.composite
def pricing(draw: st.DrawFn) -> Act:
    price, size = draw(PRICES), draw(SIZES)

    def act(floor: Floor) -> None:
        floor.price(price, size=size)
        floor.step()

    return act


@st.composite
def canceling(draw: st.DrawFn) -> Act:
    which = draw(WHICH)
    fault = draw(st.sampled_from(["", "fill_after_cancel_ack", "fill_after_cancelled"]))

    def act(floor: Floor, order: Order) -> None:
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        if fault:
            floor.exchange.fate.canceling(order, fault, Decimal("0.2"))

    return lambda floor: _about(floor, which, act)


@st.composite
def replacing(draw: st.DrawFn) -> Act:
    which, price = draw(WHICH), Decimal(draw(PRICES))
    quantity = draw(st.none() | st.sampled_from([Decimal(3), Decimal(9)]))

    def act(floor: Floor, order: Order) -> None:
        terms = floor.exchange.terms_of(order)
        moved = {"limit_price": price} if terms.limit_price else {"stop_price": price}
        name, amount = floor.terms().client_order_id, quantity or order.remaining
        new = replace(terms, client_order_id=name, quantity=amount, **moved)
        floor.exchange.replace(floor.account, order.id, new, now=floor.now)

    return lambda floor: _about(floor, which, act)


@st.composite
def revising(draw: st.DrawFn) -> Act:
    which, quantity = draw(WHICH), draw(st.none() | st.sampled_from([Decimal(1), Decimal(5)]))

    def act(floor: Floor) -> None:
        records, words = floor.exchange.records, floor.exchange.books.executions_of(floor.account)
        if not words:
            return
        name, now = words[which % len(words)].id, records.time(floor.now)
        price = Decimal(150)
        _try(
            (lambda: bust(records, name, now=now))
            if quantity is None
            else (lambda: correct(records, name, quantity=quantity, price=price, now=now))
        )

    return act


@st.composite
def expiring(draw: st.DrawFn) -> Act:
    which = draw(WHICH)
    return lambda floor: _about(
        floor,
        which,
        lambda floor, order: floor.exchange.fate._expire(
            order, floor.exchange.records.time(floor.now)
        ),
    )


def reopening() -> st.SearchStrategy[Act]:
    def act(floor: Floor) -> None:
        floor.exchange.commit()
        before = _books(floor)
        price = floor.exchange.market.listings["AAPL"].last
        floor.reopen()
        floor.price(str(price))
        assert _books(floor) == before

    return st.just(act)


CALM = grouping() | placing() | pricing() | pricing() | pricing() | canceling() | replacing()
ACTS = CALM | expiring() | reopening()


@settings(max_examples=PURE, deadline=None)
@given(first=opening(), acts=st.lists(ACTS, min_size=5, max_size=30), before=BEFORE)
def test_legs_never_close_more_than_their_entry_opened(first, acts, before):
    def closes_what_it_opened(floor: Floor) -> None:
        for group in _groups(floor):
            closed = sum((one.filled for one in group.closers), ZERO)
            is_pair = group.head.terms.order_class is OrderClass.OCO
            assert closed <= (group.head.terms.quantity if is_pair else group.head.filled)

    _run([first, *acts], before, closes_what_it_opened)


@settings(max_examples=PURE, deadline=None)
@given(first=opening(), acts=st.lists(ACTS | revising(), min_size=5, max_size=30), before=BEFORE)
def test_nor_more_than_was_asked_for_when_trades_are_taken_back(first, acts, before):
    def closes_what_was_asked(floor: Floor) -> None:
        for group in _groups(floor):
            assert sum((one.filled for one in group.closers), ZERO) <= group.head.terms.quantity

    _run([first, *acts], before, closes_what_was_asked)


def _run(acts: list[Act], before: str, check: Callable[[Floor], None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        floor = Floor(Path(directory), cash=CASH)
        try:
            floor.place(before, side=Side.BUY)  # or what may be closed would be all there is
            for act in acts:
                act(floor)
                floor.exchange.commit()
                check(floor)
                _check(floor)
        finally:
            floor.close()


def _check(floor: Floor) -> None:
    books, account = floor.exchange.books, floor.account
    cash, position = Decimal(CASH), ZERO
    standing = {word.id: word for word in books.executions_of(account)}
    filled: defaultdict[str, Decimal] = defaultdict(Decimal)
    for trade in standing.values():
        sign = 1 if trade.side is Side.BUY else -1
        cash -= sign * trade.counts * trade.price + trade.fee
        position += sign * trade.counts
        filled[trade.order_id] += trade.counts
    assert (account.cash, account.held("AAPL")) == (cash, position)

    for order in books.orders_of(account):
        assert order.filled == filled[order.id] <= order.terms.quantity
        assert (order.standing is Standing.FILLED) == (order.remaining == 0)
        assert (order.id in books.open_of(account)) == (not order.ended)
        assert order.told == order.json()
    for group in _groups(floor):
        _check_group(floor, group)


def _check_group(floor: Floor, group: Group) -> None:
    head, legs = group.head, group.legs
    alive = [leg for leg in legs if not leg.ended]
    roles = [leg.leg for leg in alive]
    assert len(roles) == len(set(roles))
    for leg in alive:
        assert leg.workable <= leg.remaining
        # It is held exactly until its entry is filled, unless it is just being cancelled.
        if head.terms.order_class is not OrderClass.OCO and leg.standing is Standing.HELD:
            assert head.standing is not Standing.FILLED
            assert not head.ended
            assert leg.workable == 0
        elif head.terms.order_class is OrderClass.OCO:
            assert not head.ended or _works_again(floor, leg)
    workable = [one.workable for one in group.closers if not one.ended]
    if workable:
        # Whatever each may do by itself, all of them together have no more than is left to close.
        left = head.terms.quantity if head.terms.order_class is OrderClass.OCO else head.filled
        left -= sum((one.filled for one in group.closers), ZERO)
        assert max(workable) <= max(left, ZERO)
    if group.closed:
        assert not any(one for one in group.closers if not one.ended)
    ended_otherwise = {Standing.CANCELLED, Standing.EXPIRED}
    if head.standing in ended_otherwise and head.ended_as is None:
        assert all(leg.ended or _works_again(floor, leg) for leg in legs)
    targets = [leg for leg in legs if leg.leg is Leg.TAKE_PROFIT]
    assert len({leg.terms.client_order_id for leg in legs} | {head.terms.client_order_id}) == (
        1 + len(legs)
    )
    assert all(leg.terms.order_class is head.terms.order_class for leg in targets)


def _works_again(floor: Floor, order: Order) -> bool:
    """Whether a trade of an order was taken back or restated, which may have opened it again."""
    return any(word.revision for word in floor.exchange.books.executions_in(order))


def _groups(floor: Floor) -> list[Group]:
    books = floor.exchange.books
    found = (books.group_of(order) for order in books.orders_of(floor.account) if not order.parent)
    return [group for group in found if group is not None]


def _books(floor: Floor) -> object:
    books, account = floor.exchange.books, floor.account
    commitments, price_of = books.commitments_of(account), floor.exchange.market.price_of
    return (
        [order.json() for order in books.orders_of(account)],
        account.cash,
        account.held("AAPL"),
        sorted(books.open_of(account)),
        [commitments.promised("AAPL", side, price_of) for side in Side],
    )


def _about(floor: Floor, which: int, act: Callable[[Floor, Order], object]) -> None:
    orders = floor.exchange.books.orders_of(floor.account)
    if orders:
        _try(lambda: act(floor, orders[-1 - which % len(orders)]))


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal:
        return
