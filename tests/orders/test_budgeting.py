"""Every process counts the same requests, and each its own while Redis is away."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from brokers.budgeting import UNBOUNDED
from brokers.errors import OutcomeUnknown, Postponed
from brokers.terms import Allowance, Need
from config.environment import redis
from orders import asking, budgeting, reconciling, sending, sweeping, timing
from orders.asking import NoAnswer
from orders.budgeting import Shared
from orders.models import Feed
from orders.states import AttemptState, Submission
from tests.factories import AccountFactory, place

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


@pytest.mark.django_db
class TestWhatWasPutOff:
    """It is neither sent, nor in doubt, nor absent; and the broker is not silent for it."""

    def test_an_order_waits(self, broker):
        order = place()
        broker.script = [Postponed("This one waits.")]

        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission == Submission.READY
        assert [attempt.state for attempt in order.attempts.all()] == [AttemptState.NOT_SENT]
        assert order.account.feed.silent_since is None
        sending.send(order.id)
        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED

    def test_a_look_at_an_order_in_doubt_is_no_absence(self, broker):
        order = place()
        broker.script = [OutcomeUnknown("silence")]
        sending.send(order.id)
        Feed.objects.update(silent_since=None)
        broker.silent = Postponed("This one waits.")

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN
        assert {inquiry.result for inquiry in order.inquiries.all()} == {"no_answer"}
        assert order.account.feed.silent_since is None
        assert order.look_at is not None

    def test_a_look_at_a_working_order_comes_round_again(self, broker):
        order = place()
        sending.send(order.id)
        broker.silent = Postponed("This one waits.")

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.ACCEPTED, "")
        assert order.look_at is not None
        assert order.account.feed.silent_since is None

    def test_lists_come_round_again(self, broker):
        account = AccountFactory()
        broker.silent = Postponed("This one waits.")

        assert not sweeping.sweep(account.id, now=timing.database_now())

        feed = Feed.objects.get(account=account)
        assert (feed.swept_at, feed.silent_since) == (None, None)

    def test_figures_are_done_without(self, broker):
        account = AccountFactory()
        broker.silent = Postponed("This one waits.")

        with pytest.raises(NoAnswer):
            asking.balance(account)

        assert Feed.objects.get(account=account).silent_since is None


def _process(account, monkeypatch) -> Shared:
    """Return the budget as a process of its own has it."""
    budgeting._window.cache_clear()
    return Shared(account, FIVE)
