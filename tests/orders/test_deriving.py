"""The same facts give the same view, whatever order they came in."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import ExecutionKind, Status
from orders.deriving import RANK, Flag, View, derive, digest
from tests.fakes import TICKET, fill, snapshot

TEN = Decimal(10)


def told(status: Status, version: int = 1, filled: str = "0", **changes: Any) -> Snapshot:
    return snapshot(TICKET, status=status, version=version, cumulative=Decimal(filled), **changes)


def view(*facts: Snapshot | Fill, quantity: Decimal = TEN) -> View:
    return derive(
        quantity,
        [fact for fact in facts if isinstance(fact, Snapshot)],
        [fact for fact in facts if isinstance(fact, Fill)],
    )


S = Status


@pytest.mark.parametrize(
    ("facts", "status", "filled", "flags"),
    [
        ([], None, "0", set()),
        ([told(S.PENDING_NEW)], S.PENDING_NEW, "0", set()),
        ([told(S.PENDING_NEW), told(S.NEW, 2)], S.NEW, "0", set()),
        ([told(S.NEW, 2), told(S.PENDING_NEW)], S.NEW, "0", set()),
        ([told(S.NEW, 2, "4"), fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, "4", set()),
        # More than the broker's latest word has: it is behind, or took a trade back unheard.
        ([told(S.NEW), fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, "4", {Flag.NEEDS_CONFIRM}),
        ([fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, "4", set()),
        ([fill(TICKET, "a", "10")], S.FILLED, "10", set()),
        ([told(S.NEW), fill(TICKET, "a", "10")], S.FILLED, "10", {Flag.NEEDS_CONFIRM}),
        # "filled" is believed when the executions are in.
        ([told(S.FILLED, 2, "10")], S.PARTIALLY_FILLED, "0", {Flag.FILLS_MISSING}),
        (
            [told(S.FILLED, 2, "10"), fill(TICKET, "a", "4")],
            S.PARTIALLY_FILLED,
            "4",
            {Flag.FILLS_MISSING},
        ),
        ([told(S.FILLED, 2, "10"), fill(TICKET, "a", "10")], S.FILLED, "10", set()),
        # Its broker made it smaller, as of an exit whose other half has partly filled.
        (
            [told(S.FILLED, 2, "6", quantity=Decimal(6)), fill(TICKET, "a", "6")],
            S.CANCELED,
            "6",
            set(),
        ),
        (
            [told(S.FILLED, 2, "6", quantity=Decimal(6)), fill(TICKET, "a", "5")],
            S.PARTIALLY_FILLED,
            "5",
            {Flag.FILLS_MISSING},
        ),
        (
            [told(S.NEW, 2, "6", quantity=Decimal(6)), fill(TICKET, "a", "6")],
            S.PARTIALLY_FILLED,
            "6",
            set(),
        ),
        ([told(S.CANCELED, 2)], S.CANCELED, "0", set()),
        ([told(S.CANCELED, 2, "4"), fill(TICKET, "a", "4")], S.CANCELED, "4", set()),
        # A fill that crossed our cancel is booked, and the claim it overtook is shown.
        (
            [told(S.CANCELED, 2), fill(TICKET, "a", "10")],
            S.FILLED,
            "10",
            {Flag.TERMINAL_CONFLICT, Flag.NEEDS_CONFIRM},
        ),
        (
            [told(S.CANCELED, 2), fill(TICKET, "a", "3")],
            S.CANCELED,
            "3",
            {Flag.NEEDS_CONFIRM},
        ),
        (
            [told(S.CANCELED, 2), told(S.REJECTED, 3)],
            S.REJECTED,
            "0",
            {Flag.TERMINAL_CONFLICT},
        ),
        ([told(S.CANCELED, 2), told(S.NEW, 3)], S.CANCELED, "0", {Flag.TERMINAL_CONFLICT}),
        (
            [told(S.REJECTED, 2), fill(TICKET, "a", "1")],
            S.REJECTED,
            "1",
            {Flag.FILL_ON_REJECTED, Flag.NEEDS_CONFIRM},
        ),
        ([told(S.EXPIRED, 2)], S.EXPIRED, "0", set()),
        ([told(S.REPLACED, 2)], S.REPLACED, "0", set()),
        ([told(S.PENDING_CANCEL, 2)], S.NEW, "0", set()),
        ([told(S.PENDING_REPLACE, 2)], S.NEW, "0", set()),
        ([told(S.INDETERMINATE, 2, raw_status="frobbed")], S.INDETERMINATE, "0", set()),
        ([told(S.HELD)], S.HELD, "0", set()),
        ([told(S.DONE_FOR_DAY, 2)], S.DONE_FOR_DAY, "0", set()),
        ([fill(TICKET, "a", "11")], S.FILLED, "11", {Flag.OVERFILL}),
        # The same trade twice is one trade; one with another id, day or order is another.
        ([fill(TICKET, "a", "4"), fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, "4", set()),
        (
            [
                fill(TICKET, "a", "4"),
                fill(TICKET, "a", "4", trade_date=fill(TICKET, "a", "1").trade_date.replace(day=3)),
            ],
            S.PARTIALLY_FILLED,
            "8",
            set(),
        ),
        (
            [
                fill(TICKET, "a", "10"),
                fill(TICKET, "a", "10", kind=ExecutionKind.BUST),
                told(S.NEW),
            ],
            S.NEW,
            "0",
            {Flag.HAS_BUST},
        ),
        (
            [
                fill(TICKET, "a", "10"),
                fill(TICKET, "a", "7", kind=ExecutionKind.CORRECT, revision=1),
                fill(TICKET, "a", "6", kind=ExecutionKind.CORRECT, revision=2),
            ],
            S.PARTIALLY_FILLED,
            "6",
            set(),
        ),
    ],
)
def test_what_facts_add_up_to(
    facts: list[Snapshot | Fill], status: Status | None, filled: str, flags: set[Flag]
) -> None:
    shown = view(*facts)

    assert (shown.status, shown.filled, set(shown.flags)) == (status, Decimal(filled), flags)
    assert view(*reversed(facts)) == shown


def test_every_status_has_a_rank() -> None:
    assert set(RANK) == set(Status)


def test_the_broker_has_the_last_word_on_why() -> None:
    shown = view(told(S.NEW), told(S.REJECTED, 2, reason="No funds", raw_status="rej"))

    assert (shown.reason, shown.raw_status) == ("No funds", "rej")


def test_two_tellings_of_one_moment_are_one_fact_and_two_moments_are_two() -> None:
    assert digest(told(S.NEW)) == digest(told(S.NEW, raw="{another spelling}"))
    assert digest(told(S.NEW)) != digest(told(S.NEW, 2))


amounts = st.decimals("0.000000001", "999999999.999999999", places=9)
fills = st.builds(
    fill,
    st.just(TICKET),
    st.sampled_from("abcdef"),
    amounts.map(str),
    amounts.map(str),
    kind=st.sampled_from(ExecutionKind),
    revision=st.integers(0, 2),
)
snapshots = st.builds(
    told,
    st.sampled_from(Status),
    st.integers(1, 3),
    st.integers(0, 12).map(str),
)


@given(facts=st.lists(fills | snapshots, max_size=12), data=st.data())
def test_any_shuffle_and_repetition_gives_the_same_view(
    facts: list[Snapshot | Fill], data: st.DataObject
) -> None:
    once = view(*facts)

    again = data.draw(st.lists(st.sampled_from(facts), max_size=6)) if facts else []
    shuffled = data.draw(st.permutations(facts + again))

    assert view(*shuffled) == once


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=40))
def test_the_average_is_exact_to_nine_decimals(trades: list[tuple[Decimal, Decimal]]) -> None:
    shown = view(
        *(fill(TICKET, str(n), str(q), str(p)) for n, (q, p) in enumerate(trades)),
        quantity=Decimal("1e11"),
    )

    quantity = sum(Fraction(q) for q, _ in trades)
    value = sum(Fraction(q) * Fraction(p) for q, p in trades)
    assert Fraction(shown.filled) == quantity
    assert Fraction(shown.value) == value
    assert shown.average_price is not None
    assert abs(Fraction(shown.average_price) - value / quantity) <= Fraction(1, 2 * 10**9)


class TestForMoney:
    """An order for an amount of money has no quantity that it could be measured by."""

    @pytest.mark.parametrize(
        ("facts", "status", "flags"),
        [
            ([told(S.NEW)], S.NEW, set()),
            ([told(S.NEW, 2, "4"), fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, set()),
            ([told(S.FILLED, 2, "4"), fill(TICKET, "a", "4")], S.FILLED, set()),
            ([told(S.FILLED, 2, "4")], S.PARTIALLY_FILLED, {Flag.FILLS_MISSING}),
            (
                [told(S.FILLED, 2, "4"), fill(TICKET, "a", "3")],
                S.PARTIALLY_FILLED,
                {Flag.FILLS_MISSING},
            ),
            (
                [told(S.FILLED, 2, "4"), fill(TICKET, "a", "5")],
                S.FILLED,
                {Flag.NEEDS_CONFIRM},
            ),
            ([told(S.CANCELED, 2, "4"), fill(TICKET, "a", "4")], S.CANCELED, set()),
            ([fill(TICKET, "a", "4")], S.PARTIALLY_FILLED, set()),
        ],
    )
    def test_is_whole_when_its_broker_says_so_and_the_trades_are_in(
        self, facts: list[Any], status: Status, flags: set[Flag]
    ) -> None:
        snapshots = [fact for fact in facts if isinstance(fact, Snapshot)]
        seen = derive(None, snapshots, [fact for fact in facts if isinstance(fact, Fill)])

        assert (seen.status, set(seen.flags)) == (status, flags)


class TestTrailing:
    def test_shows_where_the_stop_stands_now_in_whatever_order_it_is_told(self) -> None:
        moves = [
            told(S.NEW, n, stop_price=Decimal(90 + n), high_water_mark=Decimal(100 + n))
            for n in (1, 2, 3)
        ]

        for facts in (moves, moves[::-1]):
            seen = view(*facts)
            assert (seen.trailing_stop_price, seen.high_water_mark) == (93, 103)

    def test_a_stop_that_moved_is_news_though_nothing_else_changed(self) -> None:
        here, there = (
            told(S.NEW, stop_price=Decimal(price), high_water_mark=Decimal(100))
            for price in ("90", "91")
        )

        assert digest(here) != digest(there)
        assert digest(told(S.NEW)) == digest(told(S.NEW, stop_price=Decimal(5)))
