"""A broker that hangs must not take the pages with it, and slow is not silent."""

from __future__ import annotations

import threading
import time

import pytest

from brokers.errors import OutcomeUnknown
from orders import asking
from orders.asking import NoAnswer
from tests.web.conftest import HTMX


@pytest.fixture
def hanging(account, broker, monkeypatch):
    """A broker that keeps every question waiting until the test is over."""
    monkeypatch.setattr(asking, "WITHIN", 0.1)
    # Noting what came of it is for another test: this one's database ends with it.
    monkeypatch.setattr(asking, "_note", lambda *_, **__: None)
    over, asked = threading.Event(), []

    def hang(*question: object, **_: object) -> None:
        asked.append(question)
        over.wait(5)

    broker.quote = broker.balance = broker.holdings = broker.instruments = hang
    yield asked
    over.set()


def test_one_question_waits_and_the_others_do_without(account, hanging):
    for _ in range(20):
        with pytest.raises(NoAnswer):
            asking.balance(account)

    assert len(hanging) == 1


def test_pages_come_all_the_same(page, hanging):
    for path in ("/", "/desk/side", "/desk/figures", "/desk/strip", "/positions/", "/doubt/"):
        assert page.get(path, headers=HTMX).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestSlow:
    @pytest.fixture
    def slow(self, account, broker, monkeypatch):
        """Have a broker answer after everybody has gone, and wait for what is noted then."""
        monkeypatch.setattr(asking, "WITHIN", 0.05)

        def ask(outcome):
            def balance():
                time.sleep(0.2)
                return outcome()

            broker.balance = balance
            with pytest.raises(NoAnswer):
                asking.balance(account)
            asking._hands().shutdown()
            asking._hands.cache_clear()
            account.feed.refresh_from_db()
            return account.feed

        return ask

    def test_an_answer_that_comes_late_is_not_called_silence(self, slow):
        feed = slow(lambda: None)

        assert feed.silent_since is None
        assert feed.took_ms >= 200

    def test_a_question_that_fails_late_is(self, slow):
        def fail():
            raise OutcomeUnknown("Silence.")

        assert slow(fail).failure == "Silence."
