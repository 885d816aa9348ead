"""Carries orders, replaces and cancels to brokers: claim, one write, record.

No transaction is open while a broker thinks, and nothing is sent twice: a
request that went unanswered is looked up, never sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError, NotSent, OutcomeUnknown, Unasked
from brokers.messages import Report
from orders import connecting, recording, timing
from orders.models import Account, Order
from orders.money import ZERO
from orders.recording import Claim
from orders.states import AttemptKind

log = structlog.get_logger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)


def send(order_id: UUID) -> None:
    """Submit an order, or the replace that it is, and record what came of it.

    Does nothing if somebody else has it already, so a repeated call is harmless.
    """
    claim = recording.claim_submission(order_id)
    if claim is None:
        return
    settled = _carry(claim)
    if settled is not None and settled.cancel_at is not None:
        send_cancel(order_id)  # it was asked for while nobody knew whether there was an order


def send_cancel(order_id: UUID) -> None:
    """Ask the broker to cancel an order, if a cancel is due and nobody else is asking."""
    claim = recording.claim_cancel(order_id)
    if claim is not None:
        _carry(claim)


def _carry(claim: Claim) -> Order | None:
    outcome = _converse(claim)
    settled = _record(claim, outcome)
    _note_health(claim.order.account, outcome)
    return settled


def _converse(claim: Claim) -> Report | BrokerError:
    """Write one request and return what came of it. Whatever else breaks is doubt."""
    order = claim.order
    try:
        adapter = connecting.connect(order.account)
    except connecting.UNCONNECTABLE as error:
        return NotSent(f"The account's credentials, or where they go, are not good: {error}")
    except Exception as error:
        log.exception("not_connected", account=str(order.account_id))
        return NotSent(f"The account can't be connected to its broker: {error!r}")
    if not claim.is_fresh:
        return OutcomeUnknown("This machine paused between claiming and sending.")
    try:
        return _write(adapter, claim)
    except BrokerError as error:
        return error
    except Exception as error:
        log.exception("adapter_failed", order=str(order.id), attempt=claim.attempt_id)
        return OutcomeUnknown(f"Our adapter failed after it may have sent: {error!r}")


def _write(adapter: BrokerAdapter, claim: Claim) -> Report:
    order = claim.order
    match claim.kind:
        case AttemptKind.SUBMIT:
            return adapter.submit(order.ticket())
        case AttemptKind.REPLACE:
            was = order.replaces.ticket() if order.replaces else None
            filled = order.replaces_filled or ZERO
            return adapter.replace(claim.target, order.ticket(), filled=filled, was=was)
        case AttemptKind.CANCEL:
            return adapter.cancel(claim.target)


def _record(claim: Claim, outcome: Report | BrokerError) -> Order | None:
    """Record an outcome, trying for half a minute. After that the lease lapses and it is doubt."""

    def settle() -> Order:
        return recording.settle(claim, outcome, now=timing.database_now())

    return _persist(settle, what=f"attempt {claim.attempt_id}")


def _persist(keep: Callable[[], Order], *, what: str) -> Order | None:
    """Call until the database takes it or half a minute is over; then say so and return None."""
    give_up_at = time.monotonic() + timing.RECORD_WITHIN
    pause = 0.1
    while True:
        try:
            return keep()
        except DATABASE_AWAY:
            if time.monotonic() + pause > give_up_at:
                log.exception("answer_not_recorded", what=what)
                return None
            close_old_connections()
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def _note_health(account: Account, outcome: Report | BrokerError) -> None:
    try:
        now = timing.database_now()
        call = outcome.call
        if call is not None and call.status is not None:
            connecting.note_heard(account, took_ms=call.took_ms, now=now)
        elif isinstance(outcome, BrokerError) and not isinstance(outcome, Unasked):
            connecting.note_silent(account, str(outcome), now=now)
    except DATABASE_AWAY as error:
        log.warning("health_not_noted", account=str(account.id), error=str(error))
