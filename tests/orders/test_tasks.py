"""Celery's doors, and what goes through them when there is no Celery."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from orders import attending, recording, sweeping, tasks


@pytest.fixture(autouse=True)
def nothing_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database: each test says what is due."""
    monkeypatch.setattr(attending, "due", lambda *, now: [])
    monkeypatch.setattr(attending, "accounts_due", lambda *, now: [])
    monkeypatch.setattr(recording, "judge_feeds", lambda *, now: None)
    monkeypatch.setattr(recording, "judge_streams", lambda *, now: None)
    monkeypatch.setattr(tasks.timing, "database_now", lambda: None)


def test_an_order_that_waits_behind_a_hanging_broker_is_queued_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order_id, looked = uuid4(), []
    answers, began = threading.Event(), threading.Event()

    def hangs(found: object, *, now: object) -> None:
        looked.append(found)
        began.set()
        answers.wait(5)

    def due(*, now: object) -> list[attending.Due]:
        return [attending.Due(order_id, look=True, cancel=False)]

    monkeypatch.setattr(attending, "look", hangs)
    monkeypatch.setattr(attending, "due", due)
    for _ in range(5):
        tasks.sweep(directly=True)
    assert began.wait(5)
    answers.set()
    tasks._own_hands().submit(int).result(5)

    assert looked == [order_id]


def test_an_account_whose_broker_hangs_holds_up_neither_another_nor_an_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging, other, order_id = uuid4(), uuid4(), uuid4()
    answers, swept, looked = threading.Event(), threading.Event(), threading.Event()
    begun: list[object] = []

    def sweep(account_id: object, *, now: object) -> None:
        begun.append(account_id)
        if account_id == hanging:
            answers.wait(5)
        else:
            swept.set()

    monkeypatch.setattr(sweeping, "sweep", sweep)
    monkeypatch.setattr(attending, "look", lambda found, *, now: looked.set())
    monkeypatch.setattr(attending, "accounts_due", lambda *, now: [hanging, other])
    tasks.sweep(directly=True)
    assert swept.wait(5)
    monkeypatch.setattr(attending, "accounts_due", lambda *, now: [hanging])
    monkeypatch.setattr(
        attending, "due", lambda *, now: [attending.Due(order_id, look=True, cancel=False)]
    )
    tasks.sweep(directly=True)
    assert looked.wait(5)
    answers.set()
    tasks._list_readers().submit(int).result(5)

    assert begun == [hanging, other]  # one that hangs is not begun a second time
