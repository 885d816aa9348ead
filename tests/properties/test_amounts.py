"""What we add up, average and fold is exact: the same as in fractions, to the last digit shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.messages import Fill
from brokers.vocabulary import Side
from orders import positioning
from orders.deriving import derive
from orders.money import EXACT, ZERO, average, plain, total, worth
from orders.positioning import Position
from tests.properties import facts as made_up
from tests.properties.effort import PURE

many = settings(max_examples=PURE)
BOOK = UUID(int=1)

# All that a broker may say (`brokers.parsing`): eighteen decimals, below 1e18.
amounts = st.integers(0, 10**36 - 1).map(lambda n: Decimal(n).scaleb(-18, EXACT))
fills = st.lists(made_up.fills(broker_order_ids=st.just("B-1")), max_size=12)
widest = fills.flatmap(
    lambda told: st.tuples(
        *(st.builds(replace, st.just(fill), quantity=amounts, price=amounts) for fill in told)
    )
)
of_two_orders = made_up.fills(broker_order_ids=st.sampled_from(["B-1", "B-2"])).map(
    lambda told: replace(told, side=Side.BUY if told.broker_order_id == "B-1" else Side.SELL)
)
trades = st.lists(of_two_orders, max_size=12).map(made_up.consistent)


def nine(amount: Fraction) -> Fraction:
    """Round to nine decimals, half to even: what Python does with fractions."""
    return round(amount, 9)


@many
@given(st.lists(st.tuples(amounts, amounts), max_size=12))
def test_sums_and_products_lose_no_digit(pairs: list[tuple[Decimal, Decimal]]) -> None:
    value = total(worth(quantity, price) for quantity, price in pairs)

    assert Fraction(value) == sum(Fraction(quantity) * Fraction(price) for quantity, price in pairs)


@many
@given(fills | widest.map(list))
def test_the_average_price_is_rounded_once_from_the_exact_one(told: list[Fill]) -> None:
    shown = derive(Decimal(10), [], told)

    live = made_up.standing(told)
    filled = sum((Fraction(fill.quantity) for fill in live), Fraction(0))
    value = sum((Fraction(fill.quantity) * Fraction(fill.price) for fill in live), Fraction(0))
    assert (Fraction(shown.filled), Fraction(shown.value)) == (filled, value)
    assert shown.average_price == average(shown.value, shown.filled)
    if filled:
        assert shown.average_price is not None
        assert Fraction(shown.average_price) == nine(value / filled)
    else:
        assert shown.average_price is None


@many
@given(amounts, st.integers(0, 12))
def test_an_amount_survives_being_written_down(amount: Decimal, zeros: int) -> None:
    written = plain(amount)

    assert written is not None
    assert (Decimal(written), "e" in written.lower()) == (amount, False)
    assert plain(Decimal(f"{written}{'.' if '.' not in written else ''}{'0' * zeros}")) == written


@many
@given(told=trades, data=st.data())
def test_a_position_is_what_its_trades_come_to_in_any_order(
    told: list[Fill], data: st.DataObject
) -> None:
    again = data.draw(made_up.retold(told))

    shown = positioning._fold(BOOK, "ACME", again)

    quantity, cost, realized = in_fractions(told)
    assert shown == positioning._fold(BOOK, "ACME", told)
    assert Fraction(shown.quantity) == quantity
    assert is_near(shown, lambda position: position.realized, realized)
    if quantity:
        assert is_near(shown, lambda position: position.average_price, cost / quantity)
    else:
        assert shown.average_price is None


@many
@given(trades, amounts)
def test_profit_at_a_price_lacks_nothing(told: list[Fill], price: Decimal) -> None:
    shown = positioning._fold(BOOK, "ACME", told)

    worth_it = shown.unrealized(price)

    if shown.average_price is None:
        assert worth_it == ZERO
    else:
        paid = Fraction(shown.average_price)
        assert Fraction(worth_it) == Fraction(shown.quantity) * (Fraction(price) - paid)


def in_fractions(told: list[Fill]) -> tuple[Fraction, Fraction, Fraction]:
    """Return what is held, what it cost, and the profit made, by average cost."""
    quantity, cost, realized = Fraction(0), Fraction(0), Fraction(0)
    for fill in sorted(made_up.standing(told), key=positioning._in_time):
        sign = 1 if fill.side is Side.BUY else -1
        price, left = Fraction(fill.price), sign * Fraction(fill.quantity)
        if quantity * left < 0:
            closed = min(abs(left), abs(quantity)) * sign
            entry = cost / quantity
            realized += closed * (entry - price)
            quantity, cost, left = quantity + closed, cost + closed * entry, left - closed
        quantity, cost = quantity + left, cost + left * price
    return quantity, cost, realized


def is_near(shown: Position, figure: Callable[[Position], Decimal | None], exact: Fraction) -> bool:
    """Whether a figure is the exact one to nine decimals. What an average was rounded to at the
    ninetieth digit may tip a tie, and no more.
    """
    said = figure(shown)
    return said is not None and abs(Fraction(said) - exact) <= Fraction(1, 2 * 10**9) + Fraction(
        1, 10**20
    )
