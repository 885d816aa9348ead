"""C2, C3, C4, C10: the desk's books held against the exchange's, once all is quiet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from tests.chaos.checking.records import Fill, Holding, Order, Trade, Version
from tests.chaos.checking.world import World, live

NO_ORDER = frozenset({"refused", "absent", "withdrawn", "expired_unsent", "blocked"})
IN_FLIGHT = frozenset({"awaiting_approval", "ready", "sending", "unknown"})
WORKING = frozenset({"pending_new", "accepted", "held", "new"})
SAME = {  # the desk's words that stand for the exchange's
    "waiting": WORKING,
    "held": frozenset({"held"}),
    "working": WORKING,
    "part_filled": frozenset({"partially_filled"}),
    "cancel_pending": WORKING | {"partially_filled"},
    "filled": frozenset({"filled"}),
    "cancelled": frozenset({"canceled"}),
    "expired": frozenset({"expired"}),
    "replaced": frozenset({"replaced"}),
    "rejected": frozenset({"rejected"}),
}
NINE_PLACES = Decimal("1e-9")
WIDE = Context(prec=200, rounding=ROUND_HALF_EVEN)


def orders_differ(world: World) -> Iterator[str]:
    """C2: each order at the exchange is one row on the desk, with the same terms; and back."""
    rows = {
        (order.account, order.broker_order_id): order
        for order in world.orders
        if order.broker_order_id
    }
    there = set()
    strange = {
        (account, truth.broker_order_id)
        for (account, wire_id) in world.own_doubles
        for truth in world.finals[account, wire_id]
        if (account, truth.broker_order_id) not in rows
    }
    for (account, wire_id), finals in world.finals.items():
        for truth in finals:
            there.add((account, truth.broker_order_id))
            row = rows.get((account, truth.broker_order_id))
            if row is not None:
                yield from _terms_differ(row, truth)
            elif (account, truth.parent) in strange:
                continue  # a leg of an order that the broker doubled by its own doing
            elif (account, wire_id) not in world.own_doubles and truth.status != "rejected":
                yield f"{wire_id} ({account}): {truth.broker_order_id} is not on the desk"
    for name, row in rows.items():
        if name not in there:
            yield f"{row.wire_id} ({row.account}): {name[1]} is not at the exchange"


def executions_differ(world: World) -> Iterator[str]:
    """C3: the same trades on both sides, and exact sums and averages of them on every order."""
    for row in world.orders:
        if row.broker_order_id is None and not row.filled:
            continue
        theirs = live(world.trades_of.get((row.account, row.broker_order_id or ""), []))
        ours = standing(world.fills_of.get(row.id, []))
        lost = Counter(map(_size, theirs)) - Counter(map(_size, ours))
        invented = Counter(map(_size, ours)) - Counter(map(_size, theirs))
        name = f"{row.wire_id} ({row.account})"
        for quantity, price in lost.elements():
            yield f"{name}: {quantity:f} at {price:f} is lost"
        for quantity, price in invented.elements():
            yield f"{name}: {quantity:f} at {price:f} never was"
        yield from _sums_differ(row, theirs, name)
        if "fills_missing" in row.flags:
            yield f"{name}: still says that fills are missing"
    ours_there = {(row.account, row.broker_order_id) for row in world.orders}
    parents = {(v.account, v.broker_order_id): v.parent for v in world.versions if v.parent}
    for (account, broker_order_id), trades in world.trades_of.items():
        wire_id = trades[0].wire_id
        if (account, broker_order_id) in ours_there or (account, wire_id) in world.own_doubles:
            continue
        parent = parents.get((account, broker_order_id))
        if parent and (account, parent) not in ours_there:
            continue  # of an order that the broker doubled: C2 says what is not
        if live(trades):
            yield f"{wire_id} ({account}): {len(live(trades))} fills, and no row to hold them"


def statuses_differ(world: World) -> Iterator[str]:
    """C4: once quiet, both sides have the same last word on every order."""
    by_broker_id = {
        (final.account, final.broker_order_id): final
        for finals in world.finals.values()
        for final in finals
    }
    for row in world.orders:
        name = f"{row.wire_id} ({row.account})"
        truths = world.finals.get((row.account, row.wire_id), [])
        real = [truth for truth in truths if truth.status != "rejected"]
        if row.submission in NO_ORDER:
            if real:
                yield f"{name}: {row.submission} on the desk, {real[0].status} at the exchange"
            continue
        if row.submission in IN_FLIGHT:
            if real:
                yield f"{name}: still {row.submission} here, {real[0].status} at the exchange"
            continue  # and without one there: C5
        truth = by_broker_id.get((row.account, row.broker_order_id or ""))
        if truth is None:
            continue  # C2 says so
        if row.status not in SAME[truth.status]:
            yield f"{name}: {row.status} on the desk, {truth.status} at the exchange"


def positions_differ(world: World) -> Iterator[str]:
    """C10: every position is the same by our books, by the exchange's, and by its trades.

    Orders that the broker doubled by its own doing are its own: where we do not hold them as
    rows, they are left out of both of its counts.
    """
    rows = {(row.account, row.broker_order_id) for row in world.orders}
    strange: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    traded: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for trade in live(world.trades):
        counted = (trade.account, trade.broker_order_id) in rows
        signed = Fraction(trade.quantity) * (1 if trade.side == "buy" else -1)
        (traded if counted else strange)[trade.account, trade.symbol] += signed
    ours, theirs = _held(world.holdings), _held(world.their_holdings)
    doubled = {account for account, _ in world.own_doubles}
    for account, symbol in sorted(ours.keys() | theirs.keys() | traded.keys()):
        mine, sum_ = ours[account, symbol], traded[account, symbol]
        said = theirs[account, symbol]
        if account in doubled:
            said -= strange[account, symbol]
        if not mine == sum_ == said:
            yield f"{symbol} ({account}): {mine} here, {said} there, {sum_} traded"


def standing(fills: list[Fill]) -> list[Fill]:
    """Return the desk's fills that stand: a bust wins, else the latest correction."""
    weight = {"fill": 0, "correct": 1, "bust": 2}
    last: dict[tuple[str, str, str], Fill] = {}
    for fill in sorted(fills, key=lambda fill: (weight[fill.kind], fill.revision)):
        last[fill.broker_order_id, fill.execution_id, fill.trade_date] = fill
    return [fill for fill in last.values() if fill.kind != "bust"]


def _terms_differ(row: Order, truth: Version) -> Iterator[str]:
    pairs = {
        "symbol": (row.symbol, truth.symbol),
        "side": (row.side, truth.side),
        "quantity": (row.quantity, truth.quantity),
        "type": (row.order_type, truth.order_type),
        "time in force": (row.time_in_force, truth.time_in_force),
        "limit price": (row.limit_price, truth.limit_price),
        "stop price": (row.stop_price, truth.stop_price),
    }
    if row.source != "broker":
        pairs["id"] = (row.wire_id, truth.wire_id)
    for name, (here, there) in pairs.items():
        if here != there:
            yield f"{row.wire_id} ({row.account}): {name} is {here} here and {there} there"


def _sums_differ(row: Order, theirs: list[Trade], name: str) -> Iterator[str]:
    filled = sum((Fraction(trade.quantity) for trade in theirs), Fraction())
    value = sum((Fraction(trade.quantity) * Fraction(trade.price) for trade in theirs), Fraction())
    if Fraction(row.filled) != filled:
        yield f"{name}: {row.filled:f} filled here, {decimal(filled):f} there"
    if Fraction(row.value) != value:
        yield f"{name}: worth {row.value:f} here, {decimal(value):f} there"
    average = decimal(value / filled) if filled else None
    if row.average_price != average:
        yield f"{name}: {row.average_price} on average here, {average} there"


def decimal(exact: Fraction) -> Decimal:
    """Return an exact number to nine places, half to even: the one figure that is rounded."""
    divided = WIDE.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return WIDE.quantize(divided, NINE_PLACES)


def _size(trade: Trade | Fill) -> tuple[Decimal, Decimal]:
    return trade.quantity.normalize(WIDE), trade.price.normalize(WIDE)


def _held(holdings: tuple[Holding, ...]) -> defaultdict[tuple[str, str], Fraction]:
    held: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for holding in holdings:
        held[holding.account, holding.symbol] += Fraction(holding.quantity)
    return held
