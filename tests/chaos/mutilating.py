"""What is done to the desk's functions to make it wrong. Imported inside its processes alone.

Each function here is one entry of `mutants.MUTANTS`, which says what it stands for.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, transaction

from brokers.adapter import BrokerAdapter
from brokers.classifying import Verdict
from brokers.errors import OutcomeUnknown
from brokers.messages import Fill, Report
from brokers.vocabulary import Status
from orders import anchoring, sending, timing
from orders.models import Attempt, Inquiry, Order
from orders.models.facts import Heard
from orders.money import EXACT
from orders.recording import changing
from orders.recording.claiming import SENDER, Claim
from orders.states import AttemptKind, AttemptState, Submission
from tests.chaos import failpoints
from webhooks.trusting import Proof

MUTILATIONS: dict[str, Callable[[], None]] = {}

Original = Callable[..., Any]


def mutant(install: Callable[[], None]) -> Callable[[], None]:
    """Enter a function into the table, under its own name."""
    MUTILATIONS[install.__name__] = install
    return install


def put(target: str, wrapper: Callable[..., Any]) -> None:
    """Put `wrapper(original, ...)` in a function's place, and wherever it was imported to."""
    owner, name = failpoints.resolve(target)
    original = getattr(owner, name)
    failpoints.replace(target, wrapper)
    instead = getattr(owner, name)
    for module in list(sys.modules.values()):
        if vars(module).get(name) is original:
            setattr(module, name, instead)


# --- sending --------------------------------------------------------------------------------------


@mutant
def no_claim() -> None:
    def claim(original: Original, order_id: UUID) -> Claim | None:
        order = Order.objects.select_related("account").filter(id=order_id).first()
        if order is None or order.submission != Submission.READY:
            return None
        now, began = timing.database_now(), time.monotonic()
        if now >= order.submit_by or order.replaces_id is not None:
            return original(order_id)  # type: ignore[no-any-return]
        attempt = Attempt.objects.create(
            order=order,
            kind=AttemptKind.SUBMIT,
            number=order.attempts.count() + 1,
            wire_id=order.wire_id,
            armed_at=now,
            lease_until=now + timing.LEASE,
        )
        return Claim(
            attempt_id=attempt.id,
            kind=AttemptKind.SUBMIT,
            order=order,
            target="",
            armed_at=began,
            claimed_at=began,
            anchor=anchoring.head(str(order.account_id)),
        )

    put("orders.recording.claiming.claim_submission", claim)


@mutant
def send_on_found_sending() -> None:
    def look(original: Original, order_id: UUID, **kwargs: Any) -> None:
        if Order.objects.filter(id=order_id, submission=Submission.SENDING).exists():
            _make_ready(order_id, AttemptState.SENDING, AttemptState.NOT_SENT)
            sending.send(order_id)
        else:
            original(order_id, **kwargs)

    put("orders.attending.look", look)


@mutant
def resend_after_lease() -> None:
    def lapse(original: Original, order_id: UUID, **kwargs: Any) -> bool:
        lapsed = bool(original(order_id, **kwargs))
        if lapsed:
            _make_ready(order_id, AttemptState.UNKNOWN, AttemptState.ABSENT)
            sending.send(order_id)
        return lapsed

    put("orders.recording.concluding.lapse", lapse)


def _make_ready(order_id: UUID, before: AttemptState, after: AttemptState) -> None:
    with transaction.atomic():
        order = changing.lock(order_id)
        order.attempts.exclude(kind=AttemptKind.CANCEL).filter(state=before).update(state=after)
        was = changing.projection(order)
        order.submission = Submission.READY
        changing.change(
            order,
            was,
            action="order.sent_again",
            actor=SENDER,
            now=timing.database_now(),
        )


@mutant
def retry_post() -> None:
    def call(original: Original, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = original(method, *args, **kwargs)
        except OutcomeUnknown:
            if method != "POST":
                raise
            return original(method, *args, **kwargs)
        if method == "POST" and answer.status >= 500:
            return original(method, *args, **kwargs)
        return answer

    put("brokers.http.call", call)


@mutant
def new_id_per_attempt() -> None:
    def write(original: Original, adapter: BrokerAdapter, claim: Claim) -> Report:
        try:
            return original(adapter, claim)  # type: ignore[no-any-return]
        except OutcomeUnknown:
            if claim.kind is not AttemptKind.SUBMIT:
                raise
            ticket = claim.order.ticket()
            report = adapter.submit(replace(ticket, wire_id=f"{ticket.wire_id[:60]}-2"))
            ours = [replace(said, wire_id=ticket.wire_id) for said in report.snapshots]
            return replace(report, snapshots=tuple(ours))

    put("orders.sending._write", write)


@mutant
def halt_ignored() -> None:
    def obstacle(original: Original, *args: Any) -> tuple[str, str] | None:
        found: tuple[str, str] | None = original(*args)
        return None if found is not None and found[0] == "halted" else found

    put("orders.recording.claiming._obstacle", obstacle)


@mutant
def submit_by_ignored() -> None:
    def late(original: Original, *args: Any) -> Any:
        order, parent = original(*args)
        if order is not None:
            order.submit_by += timedelta(days=1)
        return order, parent

    put("orders.recording.claiming._lock_with_parent", late)
    put("orders.recording.concluding.expire", lambda _original, *_args, **_kwargs: False)


@mutant
def secret_in_the_log() -> None:
    def write(original: Original, adapter: BrokerAdapter, claim: Claim) -> Report:
        print("sending with", claim.order.account.unseal_credentials(), flush=True)
        return original(adapter, claim)  # type: ignore[no-any-return]

    put("orders.sending._write", write)


@mutant
def connections_leak() -> None:
    kept: list[psycopg.Connection[Any]] = []

    def note(original: Original, *args: Any) -> None:
        given = connection.get_connection_params()
        known = {"host", "port", "user", "password", "dbname"} & given.keys()
        if len(kept) < 45:  # PostgreSQL has no more than two hundred for everybody
            kept.extend(psycopg.connect(**{name: given[name] for name in known}) for _ in "123")
        original(*args)

    put("orders.sending._note_health", note)


# --- what answers and looks prove -----------------------------------------------------------------


@mutant
def duplicate_is_reject() -> None:
    def classify(original: Original, *args: Any) -> Verdict:
        verdict: Verdict = original(*args)
        return Verdict.REFUSED if verdict is Verdict.DUPLICATE else verdict

    put("brokers.classifying.classify", classify)


@mutant
def reject_on_timeout() -> None:
    def state(original: Original, *args: Any) -> AttemptState:
        found: AttemptState = original(*args)
        return AttemptState.REFUSED if found is AttemptState.UNKNOWN else found

    put("orders.recording.answering._state", state)


@mutant
def one_404_is_absent() -> None:
    def absence(original: Original, order: Order, *args: Any) -> list[int] | None:
        asked = order.inquiries.filter(asked_at__gte=order.submission_at)
        absent = asked.filter(result=Inquiry.Result.ABSENT)
        return list(absent.values_list("id", flat=True)) or None

    put("orders.reconciling._absence", absence)


@mutant
def transport_error_is_absent() -> None:
    def ask(original: Original, *args: Any, **kwargs: Any) -> Any:
        inquiry, report = original(*args, **kwargs)
        if inquiry.result == Inquiry.Result.NO_ANSWER and inquiry.answer_status is None:
            inquiry.result = Inquiry.Result.ABSENT
        return inquiry, report

    for way in ("_ask", "_walk_orders", "_walk_executions"):
        put(f"orders.inquiring.{way}", ask)


@mutant
def doubt_is_looked_into_once() -> None:
    def never(_original: Original, *_args: Any, now: Any, **_: Any) -> Any:
        return now + timedelta(days=1)

    put("orders.reconciling._next_look", never)


# --- facts ----------------------------------------------------------------------------------------


@mutant
def last_write_wins_by_arrival() -> None:
    def derive(original: Original, quantity: Decimal, snapshots: Any, fills: Any) -> Any:
        return original(quantity, list(snapshots)[-1:], fills)  # the row's facts come by age

    failpoints.replace("orders.recording.merging.derive", derive)


@mutant
def drop_unmatched_fills() -> None:
    def park(original: Original, account_id: UUID, facts: Any, **kwargs: Any) -> None:
        original(account_id, [fact for fact in facts if not isinstance(fact, Fill)], **kwargs)

    def merge_all(original: Original, orders: Any, report: Report, **kwargs: Any) -> Any:
        known = {order.broker_order_id for order in orders.values()}
        told = () if kwargs["hearing"].heard == Heard.POLL else report.fills
        fills = tuple(fill for fill in told if fill.broker_order_id in known)
        return original(orders, replace(report, fills=fills), **kwargs)

    put("orders.recording.parking.park", park)
    put("orders.recording.heeding._merge_all", merge_all)


@mutant
def ignore_fills_after_cancel() -> None:
    def keep(original: Original, order: Order, facts: list[Any]) -> Any:
        if order.status == Status.CANCELED:
            facts = [(fact, hearing) for fact, hearing in facts if not isinstance(fact, Fill)]
        return original(order, facts)

    put("orders.recording.merging._keep", keep)


@mutant
def fill_counted_twice() -> None:
    def execution(original: Original, order: Order, said: Fill, hearing: Any) -> Any:
        booked = original(order, said, hearing)
        booked.execution_id = f"{said.execution_id} by {hearing.heard} {hearing.evidence}"[:128]
        return booked

    put("orders.recording.merging._execution", execution)


@mutant
def float_vwap() -> None:
    def worth(_original: Original, quantity: Decimal, price: Decimal) -> Decimal:
        return EXACT.quantize(Decimal(float(quantity) * float(price)), Decimal("1e-18"))

    put("orders.money.worth", worth)


@mutant
def no_poll_while_webhooks_healthy() -> None:
    def schedule(original: Original, order: Order, now: Any) -> None:
        original(order, now)
        pushed_at = order.account.feed.pushed_at
        if pushed_at is not None and now - pushed_at < timedelta(minutes=2):
            order.look_at = None

    put("orders.recording.merging._schedule", schedule)
    put("orders.attending.accounts_due", lambda _original, **_: [])


@mutant
def account_scope_forgotten() -> None:
    def related(_original: Original, _account_id: UUID, report: Report) -> set[UUID]:
        facts = [*report.snapshots, *report.fills]
        by_broker_id = Order.objects.filter(
            broker_order_id__in={fact.broker_order_id for fact in facts}
        )
        by_wire_id = Order.objects.filter(wire_id__in={fact.wire_id for fact in facts} - {""})
        return set((by_broker_id | by_wire_id).values_list("id", flat=True))

    put("orders.recording.heeding.related", related)


@mutant
def cancel_2xx_is_cancelled() -> None:
    def settle(original: Original, order: Order, attempt: Attempt, *args: Any, now: Any) -> None:
        original(order, attempt, *args, now=now)
        if attempt.state == AttemptState.ACCEPTED and not order.has_ended:
            before = changing.projection(order)
            order.status, order.cancel_requested_at = Status.CANCELED, None
            order.look_at = order.cancel_at = None
            changing.change(
                order,
                before,
                action="order.cancelled",
                actor=SENDER,
                now=now,
            )

    put("orders.recording.answering._settle_cancel", settle)


@mutant
def audit_skipped() -> None:
    def write(original: Original, chain: Any, *, action: str, **kwargs: Any) -> int:
        if action == "order.in_doubt":
            return 0
        return int(original(chain, action=action, **kwargs))

    put("orders.auditing.write", write)


@mutant
def brackets_untended() -> None:
    put("orders.bracketing.tend", lambda _original, *_args, **_kwargs: None)


# --- webhooks -------------------------------------------------------------------------------------


@mutant
def ack_before_commit() -> None:
    later: set[asyncio.Task[None]] = set()

    async def keep(original: Original, keeper: Any, parcel: Any) -> None:
        async def write() -> None:
            await asyncio.sleep(1.5)
            await original(keeper, parcel)

        task = asyncio.create_task(write())
        later.add(task)
        task.add_done_callback(later.discard)

    put("webhooks.keeping.Keeper.keep", keep)


@mutant
def verify_signature_skipped() -> None:
    def verify(_original: Original, gate: Any, headers: Any, body: bytes, **_: Any) -> Proof:
        return Proof(str(headers.get("webhook-id") or hash(body)), gate.keys[0].secret_id)

    put("webhooks.trusting.Gate.verify", verify)
