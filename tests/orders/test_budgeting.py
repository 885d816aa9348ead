"""Every process counts the same requests, and each its own while Redis is away."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from brokers.budgeting import UNBOUNDED
from brokers.terms import Allowance, Need
from config.environment import redis
from orders import budgeting
from orders.budgeting import Shared

FIVE = Allowance(per_minute=5, for_cancels=1, for_orders=1, for_lists=1, for_looks=1)


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    budgeting._failed_at = float("-inf")
    yield
    budgeting._failed_at = float("-inf")
    budgeting._redis.cache_clear()


@pytest.fixture
def gone(settings) -> None:
    """Redis is not there."""
    settings.REDIS = redis("redis://127.0.0.1:9/0")
    budgeting._redis.cache_clear()


def test_two_processes_share_one_allowance(monkeypatch):
    account = uuid4()
    here, there = (_process(account, monkeypatch) for _ in range(2))

    assert [here.take(Need.ORDER), there.take(Need.ORDER)] == [True, True]
    assert [here.take(Need.ORDER), there.take(Need.ORDER)] == [True, True]

    assert not here.take(Need.ORDER)
    assert not there.take(Need.LOOK)
    assert there.take(Need.CANCEL)


def test_one_account_takes_nothing_from_another():
    assert all(Shared(uuid4(), FIVE).take(Need.ORDER) for _ in range(20))


def test_what_the_broker_says_to_one_all_heed(monkeypatch):
    account = uuid4()
    here, there = (_process(account, monkeypatch) for _ in range(2))

    here.rest(30)
    there.rest(1)  # no shorter for it

    assert not there.take(Need.ORDER)
    assert there.take(Need.CANCEL)
    assert budgeting._redis().pttl(there._rests) > 25_000


def test_counts_go_by_themselves():
    shared = Shared(uuid4(), FIVE)
    shared.take(Need.ORDER)

    assert 0 < budgeting._redis().pttl(shared._made) <= 60_000


@pytest.mark.usefixtures("gone")
def test_without_redis_a_process_counts_for_itself():
    shared = Shared(uuid4(), FIVE)

    assert [shared.take(Need.ORDER) for _ in range(5)] == [True] * 4 + [False]
    assert shared.take(Need.CANCEL)
    shared.rest(30)
    assert not shared.take(Need.ORDER)


def test_what_was_shared_counts_when_redis_goes_away(settings):
    shared = Shared(uuid4(), FIVE)
    for _ in range(4):
        shared.take(Need.ORDER)
    settings.REDIS = redis("redis://127.0.0.1:9/0")
    budgeting._redis.cache_clear()

    assert not shared.take(Need.ORDER)


def test_a_broker_that_allows_as_many_as_there_are_is_not_counted():
    assert budgeting.of(uuid4(), None) is UNBOUNDED


def _process(account, monkeypatch) -> Shared:
    """Return the budget as a process of its own has it."""
    budgeting._window.cache_clear()
    return Shared(account, FIVE)
