"""How requests are counted, and what is heeded of Alpaca's own count."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from brokers.alpaca.adapter import AlpacaAdapter
from brokers.alpaca.terms import PASSPORT
from brokers.errors import AuthRefused, BrokerError, NotSent, OutcomeUnknown, Postponed
from brokers.terms import Need
from tests.brokers.alpaca.golden import ORDER_ID, an_order
from tests.brokers.contract import NOW, TICKET
from tests.brokers.wire import Wire, answer

TOO_MANY = {"code": 42910000, "message": "too many requests."}


class Counter:
    """A budget that grants what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.granted, self.asked, self.rested = True, list[Need](), list[float]()

    def take(self, need: Need) -> bool:
        self.asked.append(need)
        return self.granted

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


@pytest.fixture
def budget() -> Counter:
    return Counter()


@pytest.fixture
def adapter(wire: Wire, budget: Counter) -> AlpacaAdapter:
    return AlpacaAdapter(base_url=wire.url, key="k", secret="s", budget=budget)


NEEDS = {
    "submit": (lambda adapter: adapter.submit(TICKET), Need.ORDER),
    "replace": (lambda a: a.replace(ORDER_ID, TICKET, filled=Decimal(0)), Need.ORDER),
    "cancel": (lambda adapter: adapter.cancel(ORDER_ID), Need.CANCEL),
    "find": (lambda adapter: adapter.find("order-1"), Need.LOOK),
    "read": (lambda adapter: adapter.read(ORDER_ID), Need.LOOK),
    "orders": (lambda adapter: list(adapter.orders_since(NOW)), Need.LIST),
    "executions": (lambda adapter: list(adapter.executions_since(NOW)), Need.LIST),
    "holdings": (lambda adapter: adapter.holdings(), Need.FIGURE),
    "balance": (lambda adapter: adapter.balance(), Need.FIGURE),
    "instruments": (lambda adapter: adapter.instruments(), Need.FIGURE),
}


@pytest.mark.parametrize(("ask", "need"), NEEDS.values(), ids=NEEDS)
def test_what_there_is_no_room_for_is_not_asked(adapter, wire, budget, ask, need):
    budget.granted = False

    with pytest.raises(Postponed) as caught:
        ask(adapter)

    assert budget.asked == [need]
    assert wire.connections == 0
    # No look that was put off is an absence, and no order that was put off is in doubt.
    assert isinstance(caught.value, NotSent)
    assert caught.value.call is None


@pytest.mark.parametrize(
    ("headers", "between"),
    [
        ({"Retry-After": "7"}, (7, 7)),
        ({"Retry-After": "3600"}, (60, 60)),
        ({"X-RateLimit-Reset": "in:20"}, (18, 20)),
        ({"X-RateLimit-Reset": "in:-5"}, (1, 1)),
        ({"X-RateLimit-Reset": "soon"}, (5, 5)),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, (5, 5)),
        ({}, (5, 5)),
    ],
    ids=str,
)
def test_too_many_are_heeded_and_prove_nothing(adapter, wire, budget, headers, between):
    least, most = between
    now = int(time.time())
    said = {
        name: str(now + int(value[3:])) if value.startswith("in:") else value
        for name, value in headers.items()
    }
    wire.script = answer(429, TOO_MANY, **said)

    with pytest.raises(OutcomeUnknown):
        adapter.submit(TICKET)

    (rest,) = budget.rested
    assert least <= rest <= most


@pytest.mark.parametrize(("left", "rests"), [("150", False), ("10", True), ("0", True)])
def test_its_own_count_is_heeded_when_few_are_left(adapter, wire, budget, left, rests):
    reset = str(int(time.time()) + 30)
    headers = {"X-RateLimit-Remaining": left, "X-RateLimit-Reset": reset}
    wire.script = answer(200, an_order(), **headers)

    adapter.read(ORDER_ID)

    assert bool(budget.rested) == rests
    assert all(28 <= rest <= 30 for rest in budget.rested)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "9" * 400},
        {"X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "²"},
    ],
)
def test_headers_that_make_no_sense_change_nothing(adapter, wire, budget, headers):
    wire.script = answer(200, an_order(), **{n: v.encode("latin-1", "replace").decode("latin-1")
                                             for n, v in headers.items()})  # fmt: skip

    adapter.read(ORDER_ID)

    assert budget.rested in ([], [60])


def test_a_key_that_is_not_taken_is_no_rest(adapter, wire, budget):
    wire.script = answer(401, {"code": 40110000, "message": "request is not authorized"})

    with pytest.raises(BrokerError) as caught:
        adapter.read(ORDER_ID)

    assert isinstance(caught.value, AuthRefused)
    assert budget.rested == []


def test_its_allowance_leaves_something_for_everything():
    allowance = PASSPORT.allowance
    assert allowance is not None
    most = [allowance.most(need) for need in Need]
    assert most == [None, 180, 170, 150, 120]
