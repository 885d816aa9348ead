"""The clock rings the workers' bell, and does the rounds itself when nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule

from orders import timing
from orders.clock import ROUNDS_MISSED, Clock
from orders.models import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rounds() -> list[dict[str, Any]]:
    """What ran here, in this process."""
    return []


@pytest.fixture
def clock(rounds: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Clock:
    app = Celery("test", set_as_current=False)

    @app.task(name="round", shared=False)
    def do_round(**how: Any) -> None:
        rounds.append(how)

    made = Clock(app=app, lazy=True)
    made._started -= 60  # it has been running for a while
    return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the queue."""
    messages: list[str] = []

    def apply_async(self: Scheduler, entry: ScheduleEntry, **_: Any) -> None:
        messages.append(str(entry.task))

    monkeypatch.setattr(Scheduler, "apply_async", apply_async)
    return messages


def tick(clock: Clock) -> None:
    clock.apply_async(
        ScheduleEntry(name="sweep", task="round", schedule=schedule(1), app=clock.app),
        advance=False,
    )
    clock._hands.shutdown(wait=True)


def swept(ago: timedelta) -> None:
    Heartbeat.objects.create(name="sweep", at=timing.database_now() - ago)


def test_rings_while_the_workers_do_their_rounds(
    clock: Clock, rounds: list[Any], sent: list[str]
) -> None:
    swept(timedelta(seconds=1))

    tick(clock)

    assert (sent, rounds) == (["round"], [])


@pytest.mark.parametrize(
    "so", [lambda: None, lambda: swept(ROUNDS_MISSED + timedelta(seconds=1))], ids=["never", "late"]
)
def test_does_the_round_when_nobody_has_for_too_long(
    clock: Clock, rounds: list[Any], sent: list[str], so: Callable[[], None]
) -> None:
    so()

    tick(clock)

    assert (sent, rounds) == ([], [{"directly": True}])


def test_does_the_round_when_the_queue_is_away(
    clock: Clock, rounds: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(timedelta(seconds=1))

    def away(self: Scheduler, entry: ScheduleEntry, **_: Any) -> None:
        raise OSError("no queue")

    monkeypatch.setattr(Scheduler, "apply_async", away)
    tick(clock)

    assert rounds == [{"directly": True}]


def test_gives_new_workers_a_moment(clock: Clock, rounds: list[Any], sent: list[str]) -> None:
    clock._started += 60

    tick(clock)

    assert (sent, rounds) == (["round"], [])
