"""Made-up facts as brokers tell them: stamps that tie, ids used again, words nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import strategies as st

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Side, Status
from orders.recording.disputing import identity
from tests.fakes import NOON

Fact = Snapshot | Fill

A_SECOND = 1_000_000  # stamps are in µs, and some brokers stamp whole seconds

# Round ones make sums that meet the ordered quantity, fine ones make every digit count.
round_quantities = st.integers(1, 12).map(Decimal)
fine_quantities = st.integers(1, 10**24).map(lambda n: Decimal(f"{n}e-18"))
quantities = round_quantities | fine_quantities
prices = (
    st.integers(0, 500).map(Decimal)
    | st.integers(0, 10**5).map(lambda n: Decimal(f"{n}e-2"))
    | st.integers(0, 10**30).map(lambda n: Decimal(f"{n}e-18"))
)
versions = st.integers(0, 3) | st.integers(0, 3).map(lambda second: second * A_SECOND)
words = st.sampled_from(["", "frobbed", "No funds", "übernommen"])


def snapshots(
    *,
    broker_order_ids: st.SearchStrategy[str],
    wire_id: str = "",
    quantity: Decimal = Decimal(10),
) -> st.SearchStrategy[Snapshot]:
    """Make up what a broker says of an order at one moment."""
    return st.builds(
        Snapshot,
        broker_order_id=broker_order_ids,
        # Some brokers say our id in every message, others in none but the first.
        wire_id=st.sampled_from(["", wire_id]),
        symbol=st.just("ACME"),
        side=st.just(Side.BUY),
        quantity=st.just(quantity),
        status=st.sampled_from(Status),
        raw_status=words,
        cumulative=st.just(Decimal(0)) | round_quantities,
        average_price=st.none() | prices,
        version=versions,
        sequence=st.integers(0, 2),
        replaced_by=st.sampled_from(["", "", "B-next"]),
        reason=words,
    )


def fills(*, broker_order_ids: st.SearchStrategy[str]) -> st.SearchStrategy[Fill]:
    """Make up a trade, or a venue's later word on one."""
    return st.builds(
        Fill,
        broker_order_id=broker_order_ids,
        execution_id=st.sampled_from(["exec-001", "exec-002", "exec-003"]),
        trade_date=st.integers(0, 1).map(lambda days: NOON.date() + timedelta(days=days)),
        quantity=quantities,
        price=prices,
        executed_at=st.integers(0, 2).map(lambda seconds: NOON + timedelta(seconds=seconds)),
        kind=st.sampled_from(ExecutionKind),
        revision=st.integers(0, 2),
    )


@st.composite
def with_twins(draw: st.DrawFn, told: st.SearchStrategy[list[Fact]]) -> list[Fact]:
    """Add facts that differ from others in one word alone: what comes of ties must not be luck."""
    facts = draw(told)
    for kind, words in (
        (Snapshot, ("version", "sequence", "status", "raw_status", "cumulative", "reason")),
        (Snapshot, ("average_price", "quantity", "replaces", "replaced_by")),
        (Fill, ("quantity", "price", "executed_at", "kind", "revision", "trade_date")),
    ):
        alike = [fact for fact in facts if isinstance(fact, kind)]
        if alike and draw(st.booleans()):
            one, other = draw(st.sampled_from(alike)), draw(st.sampled_from(alike))
            word = draw(st.sampled_from(words))
            facts = [*facts, replace(one, **{word: getattr(other, word)})]
    return facts


def consistent(facts: list[Fact]) -> list[Fact]:
    """Leave out trades told a second time as other trades.

    The desk books the first it hears and puts the other on record: there, arrival decides.
    """
    kept: dict[object, Fact] = {}
    for fact in facts:
        kept.setdefault(identity(fact) if isinstance(fact, Fill) else fact, fact)
    return list(kept.values())


def report(facts: Iterable[Fact]) -> Report:
    """Put facts into one message."""
    facts = list(facts)
    return Report(
        snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
        fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
    )


@st.composite
def retold(draw: st.DrawFn, facts: list[Fact]) -> list[Fact]:
    """Tell the same facts again: each at least once, in any order."""
    again = draw(st.lists(st.sampled_from(facts), max_size=len(facts))) if facts else []
    return draw(st.permutations(facts + again))


@st.composite
def batched(draw: st.DrawFn, facts: list[Fact]) -> list[list[Fact]]:
    """Cut a sequence of facts into messages."""
    cuts = draw(st.sets(st.integers(1, len(facts) - 1))) if len(facts) > 1 else set()
    bounds = [0, *sorted(cuts), len(facts)]
    return [facts[start:end] for start, end in pairwise(bounds)]


def authority(fill: Fill) -> tuple[bool, bool, int, Decimal, Decimal, int]:
    """Return what says which word on a trade stands: the protocol's sentence, written again."""
    return (
        fill.kind is ExecutionKind.BUST,
        fill.kind is ExecutionKind.CORRECT,
        0 if fill.kind is ExecutionKind.FILL else fill.revision,
        fill.quantity,
        fill.price,
        fill.revision,
    )


def standing(fills: Iterable[Fill]) -> list[Fill]:
    """Return the trades that stand, each in the word on it that does."""
    words: dict[object, Fill] = {}
    for fill in fills:
        trade = fill.broker_order_id, fill.execution_id, fill.trade_date
        words[trade] = max(words.get(trade, fill), fill, key=authority)
    return [fill for fill in words.values() if fill.kind is not ExecutionKind.BUST]
