"""Doors from Celery into the desk. Each turns an id into one call.

Celery only rings the bell: what there is to do stands in the database, and the
sweep finds what a lost message left undone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.contrib.auth.models import User
from django.db import connections

from orders import actors, attending, balancing, guarding, recording, sending, sweeping, timing
from orders.models import Account
from orders.ringing import ring

log = structlog.get_logger(__name__)

# What our own hands have to do. A lost message comes round every few seconds, and so does what
# still waits behind a hanging broker: queued each time, it would bury the next order and cancel.
_in_hand: set[tuple[str, ...]] = set()


@shared_task
def send_order(order_id: str) -> None:
    sending.send(UUID(order_id))


@shared_task
def send_cancel(order_id: str) -> None:
    attending.cancel(UUID(order_id), now=timing.database_now())


@shared_task
def look(order_id: str) -> None:
    attending.look(UUID(order_id), now=timing.database_now())


@shared_task
def sweep_account(account_id: str) -> None:
    sweeping.sweep(UUID(account_id), now=timing.database_now())


@shared_task
def sweep(*, directly: bool = False) -> None:
    """Attend to every order and every account that is due. Beat calls this every second.

    `directly` does the work in this process: when there is no queue to hand it
    to, or nobody who empties it.
    """
    for order in attending.due(now=timing.database_now()):
        if order.cancel:
            _hand_out(send_cancel, order.order_id, directly=directly)
        if order.look:
            _hand_out(look, order.order_id, directly=directly)
    for account_id in attending.accounts_due(now=timing.database_now()):
        _hand_out(sweep_account, account_id, directly=directly)
    recording.judge_feeds(now=timing.database_now())
    recording.judge_streams(now=timing.database_now())


@shared_task
def close_days(*, directly: bool = False) -> None:
    """Reconcile every account whose trading day has ended. Beat calls this every minute."""
    for account_id in balancing.due(now=timing.database_now()):
        _hand_out(close_day, account_id, directly=directly)


@shared_task
def close_day(account_id: str) -> None:
    balancing.close_day(UUID(account_id), now=timing.database_now())


@shared_task
def reconcile(account_id: str, user_id: str) -> None:
    """Compare an account with its broker because a person asked for it."""
    balancing.reconcile_account(
        Account.objects.get(id=account_id),
        actor=actors.person(User.objects.get(pk=user_id)),
        now=timing.database_now(),
    )


def reconcile_soon(account: Account, user: User) -> None:
    """Have an account compared with its broker: by a worker, or else by this process."""
    _hand_out(reconcile, account.id, user.pk)


@shared_task
def watch(*, directly: bool = False) -> None:  # noqa: ARG001 — the clock calls every task alike
    """Look whether the database is the one we left, and anchor it outside itself."""
    guarding.watch(now=timing.database_now())


def _hand_out(task: Task[..., None], *about: UUID | int, directly: bool = False) -> None:
    words = tuple(map(str, about))
    if directly or not ring(task, *words):
        errand = task.name, *words
        if errand not in _in_hand:
            _in_hand.add(errand)
            hands = _list_readers() if task in LISTS else _own_hands()
            hands.submit(_do, task, *words)


def _do(task: Task[..., None], *about: str) -> None:
    try:
        task(*about)
    except Exception:
        log.exception("attending_failed", task=task.name, about=about)
    finally:
        connections.close_all()
        _in_hand.discard((task.name, *about))


LISTS = (sweep_account, close_day, reconcile)


@cache
def _own_hands() -> ThreadPoolExecutor:
    # A hanging broker holds a thread for 25 seconds; the other orders should not wait for it.
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="attending")


@cache
def _list_readers() -> ThreadPoolExecutor:
    # Reading whole lists takes its time, and no order or cancel should wait behind it.
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="sweeping")
