"""Celery's doors, and what goes through them when there is no Celery."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from orders import attending, tasks


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
    monkeypatch.setattr(tasks.timing, "database_now", lambda: None)
    for _ in range(5):
        tasks.sweep(directly=True)
    assert began.wait(5)
    answers.set()
    tasks._own_hands().submit(int).result(5)

    assert looked == [order_id]
