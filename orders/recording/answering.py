"""Takes in what became of a request: the raw answer is kept, classified, and merged."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from brokers import registry
from brokers.errors import AuthRefused, BrokerError, Conflict, DuplicateId, NotSent, Refused
from brokers.messages import Call, Report
from orders import alarming, halting, timing
from orders.actors import component
from orders.models import Account, Attempt, Incident, Order, Severity
from orders.models.facts import Heard
from orders.recording import heeding
from orders.recording.changing import change, lock_all, projection
from orders.recording.claiming import Claim, withdraw
from orders.recording.noticing import CONFLICT, DUPLICATE
from orders.states import IN_FLIGHT, AttemptKind, AttemptState, Submission

SENDER = component("sender")
NOT_OURS = "The broker answered with an order that can not be this one."

STATE_OF: list[tuple[type[BrokerError], AttemptState]] = [
    (Refused, AttemptState.REFUSED),
    (NotSent, AttemptState.NOT_SENT),
    (BrokerError, AttemptState.UNKNOWN),
]


def settle(claim: Claim, outcome: Report | BrokerError, *, now: datetime) -> Order:
    """Record the outcome of a claimed request and return the order as it now stands.

    Safe when the order has moved on meanwhile: a webhook may have proved that
    it arrived, or its lease may have lapsed. Proof is never taken back.
    """
    while True:
        try:
            order = _settle(claim, outcome, now=now)
        except heeding.LearnedMeanwhile:
            continue
        if isinstance(outcome, AuthRefused):
            _halt_for_auth(order.account, str(outcome), now=now)
        return order


@transaction.atomic
def _settle(claim: Claim, outcome: Report | BrokerError, *, now: datetime) -> Order:
    about = outcome if isinstance(outcome, Report) else Report()
    orders = lock_all({claim.order.id, *heeding.related(claim.order.account_id, about)})
    order = orders[claim.order.id]
    attempt = Attempt.objects.select_for_update().get(id=claim.attempt_id)
    is_news = attempt.state in {AttemptState.SENDING, AttemptState.UNKNOWN}
    if isinstance(outcome, Report):
        heeding.merge_all(
            orders,
            outcome,
            account=order.account,
            heard=Heard.ANSWER,
            evidence=f"attempt:{attempt.id}",
            now=now,
        )
        attempt.refresh_from_db()
        if claim.kind is not AttemptKind.CANCEL and order.submission in IN_FLIGHT:
            # What it took can't be this order, so whether it took this one is not known.
            outcome = Conflict(order.submission_reason or NOT_OURS, call=outcome.call)
    _end(attempt, outcome, is_open=is_news, now=now)
    if not is_news:
        # Recorded before, by a commit that was not heard of: the order may be in another
        # attempt's hands by now.
        return order
    if claim.kind is AttemptKind.CANCEL:
        _settle_cancel(order, attempt, outcome, now=now)
    elif isinstance(outcome, BrokerError):
        _settle_submission(order, attempt, outcome, now=now)
    return order


def _end(attempt: Attempt, outcome: Report | BrokerError, *, is_open: bool, now: datetime) -> None:
    """Keep the raw answer, and what it proves if that was still to be said."""
    call: Call | None = outcome.call
    if call is not None:
        attempt.method, attempt.url = call.method, call.url
        attempt.request_body, attempt.started_at = call.request_body, call.started_at
        attempt.took_ms, attempt.answer_status = call.took_ms, call.status
        attempt.answer_body, attempt.failure = call.answer_body, call.failure
    if is_open:
        proposed = _state(outcome)
        # After a lapse the sender may still prove that nothing left; UNKNOWN stays UNKNOWN,
        # because others may have acted on it.
        late = attempt.state == AttemptState.UNKNOWN and proposed is AttemptState.NOT_SENT
        if not late:
            attempt.state = proposed
    attempt.note = _words(outcome) if isinstance(outcome, BrokerError) else "The broker took it."
    attempt.ended_at = now
    attempt.save()


def _words(outcome: BrokerError) -> str:
    """Return what went wrong, with the broker's own code where it is not our word for it."""
    said = str(outcome)
    if isinstance(outcome, Refused) and outcome.code not in {outcome.reason.value, said}:
        return f"{said} ({outcome.code})"
    return said


def _state(outcome: Report | BrokerError) -> AttemptState:
    if isinstance(outcome, Report):
        return AttemptState.ACCEPTED
    return next(state for kind, state in STATE_OF if isinstance(outcome, kind))


def _settle_submission(
    order: Order, attempt: Attempt, outcome: BrokerError, *, now: datetime
) -> None:
    if order.submission not in IN_FLIGHT:
        return  # others have proved more meanwhile
    before = projection(order)
    match attempt.state:
        case AttemptState.NOT_SENT:
            order.submission = Submission.READY
            order.look_at = now + timing.backoff(attempt.number)
            action = "order.not_sent"
        case AttemptState.REFUSED:
            order.submission = Submission.REFUSED
            order.submission_code = outcome.reason.value if isinstance(outcome, Refused) else ""
            # A refusal is verified by one look, once the broker has had time to show the order.
            order.look_at = now + registry.passport(order.account.broker).doubt.first_grace
            action = "order.refused"
        case _:
            order.submission = Submission.UNKNOWN
            _doubt(order, outcome, now=now)
            action = "order.in_doubt"
    order.submission_reason = str(outcome)
    change(
        order,
        before,
        action=action,
        actor=SENDER,
        now=now,
        reason=str(outcome),
        evidence=[f"attempt:{attempt.id}"],
    )
    if order.submission == Submission.READY and order.cancel_requested_at is not None:
        withdraw(order, actor=SENDER, now=now)  # asked for while it was being sent


def _doubt(order: Order, outcome: BrokerError, *, now: datetime) -> None:
    order.look_at, order.looks = now + timing.LADDER[0], 0
    if isinstance(outcome, DuplicateId):
        # It has an order by this id, so it must find one: nobody concludes otherwise by himself.
        order.look_at, order.submission_code = now, DUPLICATE
    elif isinstance(outcome, Conflict) or order.conflict_at is not None:
        order.conflict_at, order.submission_code = order.conflict_at or now, CONFLICT


def _settle_cancel(
    order: Order, attempt: Attempt, outcome: Report | BrokerError, *, now: datetime
) -> None:
    if order.has_ended or order.cancel_requested_at is None:
        return  # nobody waits for it any more: a later request was answered before this one
    before = projection(order)
    match attempt.state:
        case AttemptState.ACCEPTED:
            # Taken is not carried out: it stays pending until the broker says so.
            order.cancel_at = now + timing.cancel_again(attempt.number)
            action = "order.cancel_taken"
        case AttemptState.REFUSED if not isinstance(outcome, AuthRefused):
            order.cancel_at, order.cancel_requested_at = None, None
            order.cancel_refused = str(outcome)
            action = "order.cancel_refused"
        case _:
            # A cancel only ever lessens risk, and asking twice does what asking once does. Refused
            # credentials say nothing of the order: it waits for better ones.
            order.cancel_at = now + timing.backoff(attempt.number)
            action = "order.cancel_unanswered"
    order.look_at = now if attempt.state == AttemptState.REFUSED else now + timing.PENDING_POLL
    change(
        order,
        before,
        action=action,
        actor=SENDER,
        now=now,
        reason=attempt.note,
        evidence=[f"attempt:{attempt.id}"],
    )


@transaction.atomic
def _halt_for_auth(account: Account, why: str, *, now: datetime) -> None:
    """Stop sending for an account whose credentials the broker refuses, and call for a person."""
    reason = f"The broker refused our credentials: {why}"
    halting.halt(account.id, reason=reason, actor=SENDER, now=now)
    alarming.alarm(
        Incident.Kind.AUTH_REFUSED,
        account=account,
        says=f"{account} is halted. {reason}",
        severity=Severity.CRITICAL,
        now=now,
    )
