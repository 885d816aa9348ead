"""A broker that hangs must not take the pages with it, and slow is not silent."""

from __future__ import annotations

import threading

import pytest

from orders import asking
from orders.asking import NoAnswer
from tests.web.conftest import HTMX


@pytest.fixture
def hanging(account, broker, monkeypatch):
    """A broker that keeps every question waiting until the test is over."""
    monkeypatch.setattr(asking, "WITHIN", 0.1)
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


def test_a_slow_answer_is_not_called_silence(account, hanging):
    with pytest.raises(NoAnswer):
        asking.balance(account)

    account.feed.refresh_from_db()
    assert account.feed.silent_since is None
