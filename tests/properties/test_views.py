"""`derive` shows the same of the same facts, and what it shows keeps the desk's invariants."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import TERMINAL, ExecutionKind, Status
from orders.deriving import Flag, View, derive, digest, live_fills
from orders.recording.disputing import identity
from tests.properties import facts as made_up
from tests.properties.effort import PURE
from tests.properties.facts import Fact

many = settings(max_examples=PURE)

ORDERED = Decimal(10)
one_or_two_ids = st.sampled_from(["B-1", "B-1", "B-1", "B-2"])
snapshots = made_up.snapshots(broker_order_ids=one_or_two_ids)
fills = made_up.fills(broker_order_ids=one_or_two_ids)
some_facts = made_up.with_twins(st.lists(snapshots | fills, max_size=10))


def view(facts: list[Fact]) -> View:
    told = made_up.report(facts)
    return derive(ORDERED, told.snapshots, told.fills)


@many
@given(facts=some_facts, data=st.data())
def test_any_order_and_repetition_of_facts_gives_the_same_view(
    facts: list[Fact], data: st.DataObject
) -> None:
    assert view(data.draw(made_up.retold(facts))) == view(facts)


@many
@given(facts=some_facts.map(made_up.consistent), data=st.data())
def test_any_batching_of_them_does_when_each_is_kept_once_by_its_identity(
    facts: list[Fact], data: st.DataObject
) -> None:
    told = data.draw(made_up.retold(facts))

    kept: dict[object, Fact] = {}  # as the desk's tables keep them
    for batch in data.draw(made_up.batched(told)):
        for fact in batch:
            kept.setdefault(identity(fact) if isinstance(fact, Fill) else digest(fact), fact)

    assert view(list(kept.values())) == view(facts)


@many
@given(snapshots, snapshots)
def test_snapshots_that_would_be_shown_otherwise_are_two(one: Snapshot, other: Snapshot) -> None:
    for word in fields(Snapshot):
        twin = replace(one, **{word.name: getattr(other, word.name)})
        assert digest(twin) != digest(one) or view([twin]) == view([one]), word.name


@many
@given(some_facts)
def test_filled_is_the_sum_of_what_stands(facts: list[Fact]) -> None:
    shown = view(facts)

    live = made_up.standing(fact for fact in facts if isinstance(fact, Fill))
    assert Fraction(shown.filled) == sum(Fraction(fill.quantity) for fill in live)
    assert Fraction(shown.value) == sum(Fraction(f.quantity) * Fraction(f.price) for f in live)


@many
@given(some_facts)
def test_what_is_left_is_never_below_zero_unsaid(facts: list[Fact]) -> None:
    shown = view(facts)

    assert (Flag.OVERFILL in shown.flags) == (shown.filled > ORDERED)
    assert (shown.status is Status.FILLED) == (shown.filled >= ORDERED)


@many
@given(some_facts)
def test_what_is_shown_is_never_wrong_unsaid(facts: list[Fact]) -> None:
    shown = view(facts)

    told = made_up.report(facts)
    said = {snapshot.status for snapshot in told.snapshots}
    assert (Flag.FILLS_MISSING in shown.flags) == (shown.claimed > shown.filled)
    less = bool(told.snapshots) and shown.claimed < shown.filled
    assert (Flag.NEEDS_CONFIRM in shown.flags) == less
    assert (Flag.HAS_BUST in shown.flags) == any(f.kind is ExecutionKind.BUST for f in told.fills)
    assert (Flag.FILL_ON_REJECTED in shown.flags) == (Status.REJECTED in said and shown.filled > 0)
    ends = said & TERMINAL
    if any(trade.kind is not ExecutionKind.FILL for trade in told.fills):
        ends -= {Status.FILLED}  # it was, until a trade was taken back: no contradiction
    if len(ends) > 1:
        assert Flag.TERMINAL_CONFLICT in shown.flags
    # A terminal word is shown only if a broker said it, or every unit of it has traded.
    if shown.status in TERMINAL:
        assert shown.status in said or shown.filled >= ORDERED
    # Nothing is shown only where nothing was said, and nothing traded.
    assert (shown.status is None) == (not told.snapshots and not shown.filled)


@many
@given(some_facts, snapshots | fills)
def test_filled_falls_by_a_bust_or_a_correction_alone(facts: list[Fact], news: Fact) -> None:
    before, after = view(facts), view([*facts, news])

    if not (isinstance(news, Fill) and news.kind is not ExecutionKind.FILL):
        assert after.filled >= before.filled


@many
@given(some_facts, snapshots | fills)
def test_what_has_ended_stays_ended_but_for_busts_and_corrections(
    facts: list[Fact], news: Fact
) -> None:
    before, after = view(facts), view([*facts, news])

    if before.status in TERMINAL and not (
        isinstance(news, Fill) and news.kind is not ExecutionKind.FILL
    ):
        assert after.status in TERMINAL


@many
@given(some_facts, fills)
def test_a_late_fill_is_always_booked(facts: list[Fact], late: Fill) -> None:
    trades = [fact for fact in facts if isinstance(fact, Fill)]
    known = {(f.broker_order_id, f.execution_id, f.trade_date) for f in trades}
    is_new = (late.broker_order_id, late.execution_id, late.trade_date) not in known

    booked = view([*facts, late]).filled - view(facts).filled

    if is_new:
        assert booked == (0 if late.kind is ExecutionKind.BUST else late.quantity)


@many
@given(some_facts, st.sampled_from(Status), st.text(max_size=20))
def test_a_word_we_do_not_know_is_shown_raw_and_ends_nothing(
    facts: list[Fact], other: Status, word: str
) -> None:
    unheard_of = Snapshot(
        broker_order_id="B-1",
        wire_id="",
        symbol="ACME",
        side=made_up.Side.BUY,
        quantity=ORDERED,
        status=Status.INDETERMINATE,
        raw_status=word,
        cumulative=Decimal(0),
        average_price=None,
        version=9 * made_up.A_SECOND,
    )
    shown = view([fact for fact in facts if isinstance(fact, Fill)] + [unheard_of])

    assert shown.raw_status == word
    assert shown.status in {Status.INDETERMINATE, Status.FILLED}


@many
@given(st.lists(fills, max_size=10))
def test_one_trade_stands_once(facts: list[Fill]) -> None:
    live = live_fills(facts)

    trades = [(fill.broker_order_id, fill.execution_id, fill.trade_date) for fill in live]
    assert len(trades) == len(set(trades))
