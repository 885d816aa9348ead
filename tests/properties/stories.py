"""What must be so of the events that an account's record tells, whatever is in it."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any
from unittest import mock

from brokers.vocabulary import ExecutionKind
from orders.api.alpaca import recounting, showing
from orders.api.alpaca.streaming import imaging, numbering, recalling
from orders.api.alpaca.streaming.recalling import Event, Recall
from orders.api.carrying import carried
from orders.deriving import Flag
from orders.models import Account, Execution, Order
from orders.positioning import held

TRADES = frozenset({"partial_fill", "fill"})
ENDS = frozenset({"fill", "canceled", "expired", "rejected", "replaced"})
CONTRADICTED = {Flag.TERMINAL_CONFLICT, Flag.FILL_ON_REJECTED, Flag.OVERFILL, Flag.HAS_BUST}


def hold(account: Account) -> None:
    """Read an account's record as its streams do, and look at every event."""
    with mock.patch.object(recalling.log, "exception", _fail):
        recall, whole = _read(account, since=0)
        _is_the_same_in_any_parts(account, whole)
    _grows(account, whole)
    _ends_as_things_stand(account, recall)
    stories: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in whole:
        stories[event.said["order"]["id"]].append(event.said)
    for order in account.orders.order_by("id"):
        _adds_up(order, stories[str(order.id)])
        _comes_about_in_order(order, stories[str(order.id)])
    traded = [event.said for event in whole if "position_qty" in event.said]
    if traded:
        assert Fraction(traded[-1]["position_qty"]) == Fraction(held(account).get("ACME", 0))


def _fail(*said: object, **more: object) -> None:
    raise AssertionError(f"{said} {more}")


def _read(account: Account, *, since: int) -> tuple[Recall, list[Event]]:
    recall, told = Recall(account.id, since), []
    while True:
        batch = recall.next()
        told += batch.events
        if batch.is_last:
            return recall, told


def _is_the_same_in_any_parts(account: Account, whole: list[Event]) -> None:
    said = [event.said for event in whole]
    with mock.patch.multiple(recalling, MOST_ROWS=3, MOST_LIVES=2):
        assert [event.said for event in _read(account, since=0)[1]] == said
    for cut in range(0, len(whole), 5):
        place = whole[cut].place
        assert recalling.place_of(account.id, said[cut]["event_id"]) == place
        rest = _read(account, since=place.sequence - 1)[1]
        assert [event.said for event in rest if event.place > place] == said[cut + 1 :]
        begin = recalling.sequence_before(account.id, whole[cut].at_ns)
        assert begin < place.sequence


def _grows(account: Account, whole: list[Event]) -> None:
    ids = [event.said["event_id"] for event in whole]
    assert ids == sorted(set(ids))
    moments = [event.said["at"] for event in whole]
    assert moments == sorted(set(moments))
    assert [numbering.read(one)[0] for one in ids] == [event.place for event in whole]


def _ends_as_things_stand(account: Account, recall: Recall) -> None:
    """Once all of it is read, an order as the record has it is the order itself."""
    lives = recall._narrator.lives
    for order in showing.orders_of(account):
        life = lives[order.id]
        image = imaging.shown(life.image(), life, lives)
        assert image == showing.one(order, before=carried([order])[order.id])


def _adds_up(order: Order, story: list[dict[str, Any]]) -> None:
    """Trades, and what was said of them later, come to what has filled."""
    trades = {
        str(recounting.execution_id(one)): one for one in Execution.objects.filter(order=order)
    }
    filled: dict[str, Fraction] = {}
    for event in story:
        name = event.get("execution_id")
        if name is None:
            continue
        quantity = Fraction(event["qty"])
        assert quantity == Fraction(trades[name].quantity)
        if event["event"] not in TRADES:
            filled.pop(event.get("previous_execution_id", ""), None)
        if trades[name].kind != ExecutionKind.BUST:
            filled[name] = quantity
        if order.replaces_id is None:
            assert Fraction(event["order"]["filled_qty"]) == sum(filled.values())
    assert sum(filled.values(), Fraction(0)) == Fraction(order.filled_quantity)


def _comes_about_in_order(order: Order, story: list[dict[str, Any]]) -> None:
    words = [event["event"] for event in story]
    if order.source != "broker" and not order.leg:
        assert words[0] in {"accepted", "order_replace_rejected"}
    if TRADES & set(words) and "rejected" not in words[: _first(words, TRADES)]:
        late = ENDS & set(words[: _first(words, TRADES)])
        assert late or words.index("new") < _first(words, TRADES)
    if CONTRADICTED & set(order.flags) or "trade_bust" in words or "trade_correct" in words:
        return
    assert words.count("fill") <= 1
    if "fill" in words:
        assert set(words[words.index("fill") + 1 :]) <= {"order_replace_rejected", "restated"}


def _first(words: list[str], which: frozenset[str]) -> int:
    return next(at for at, word in enumerate(words) if word in which)
