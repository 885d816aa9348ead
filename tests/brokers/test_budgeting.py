from __future__ import annotations

import pytest

from brokers.budgeting import UNBOUNDED, Window
from brokers.terms import Allowance, Need

TEN = Allowance(per_minute=10, for_cancels=1, for_orders=2, for_lists=3, for_looks=1)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock: Clock) -> Window:
    return Window(TEN, clock=clock)


def take_all(window: Window, need: Need) -> int:
    taken = 0
    while taken < 100 and window.take(need):
        taken += 1
    return taken


def test_keeps_room_for_what_comes_first(window):
    assert take_all(window, Need.FIGURE) == 3
    assert take_all(window, Need.LOOK) == 1
    assert take_all(window, Need.LIST) == 3
    assert take_all(window, Need.ORDER) == 2
    assert not any(window.take(need) for need in Need if need is not Need.CANCEL)


def test_cancels_go_whatever_else_there_is(window):
    take_all(window, Need.ORDER)

    assert take_all(window, Need.CANCEL) == 100


def test_an_order_counts_against_the_looks(window):
    for _ in range(4):
        window.take(Need.ORDER)

    assert not window.take(Need.LOOK)
    assert window.take(Need.LIST)


def test_what_was_not_granted_does_not_count(window):
    take_all(window, Need.FIGURE)
    for _ in range(50):
        window.take(Need.FIGURE)

    assert take_all(window, Need.ORDER) == 6


def test_room_comes_back_after_a_minute_and_no_sooner(window, clock):
    assert take_all(window, Need.ORDER) == 9
    clock.now += 30
    window.take(Need.CANCEL)
    clock.now += 29.9
    assert not window.take(Need.ORDER)

    clock.now += 0.1

    assert take_all(window, Need.ORDER) == 8  # the cancel of half a minute ago still counts


def test_never_more_than_allowed_in_any_minute(window, clock):
    made = []
    for _ in range(600):
        clock.now += 0.5
        if window.take(Need.ORDER):
            made.append(clock.now)

    for begin in made:
        assert sum(begin <= at < begin + 60 for at in made) <= 9
    assert len(made) >= 9 * 4


def test_heeds_the_broker(window, clock):
    window.rest(10)
    window.rest(5)  # said later, and no shorter for it

    assert not window.take(Need.ORDER)
    assert window.take(Need.CANCEL)
    clock.now += 9.9
    assert not window.take(Need.ORDER)
    clock.now += 0.1
    assert window.take(Need.ORDER)


def test_rests_a_minute_at_most(window, clock):
    window.rest(10_000)
    clock.now += 60

    assert window.take(Need.ORDER)


def test_others_take_as_many_as_there_are():
    UNBOUNDED.rest(60)

    assert all(UNBOUNDED.take(Need.FIGURE) for _ in range(1000))
