"""Reads kept deliveries and tells the desk what they say: one transaction each, in any order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from psycopg.errors import DeadlockDetected, SerializationFailure

from brokers import registry
from brokers.errors import Unreadable
from brokers.messages import Delivery as Told
from brokers.messages import Fill, Report, Snapshot
from orders import alarming, recording
from orders.models import Account, Incident, Order, ParkedFact
from orders.models.facts import Heard
from orders.recording import LearnedMeanwhile
from webhooks.models import Delivery, Origin

log = structlog.get_logger(__name__)

State = Delivery.State
TRIES = 5  # then it is set aside, and the queue goes on
AT_ONCE = 500  # deliveries a worker takes before it lets others have the thread
DATABASE_TROUBLE = (OperationalError, InterfaceError)  # no delivery's fault
LONGEST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a delivery, and whether it told the desk anything new."""

    state: Delivery.State
    event: str = ""
    note: str = ""
    news: bool = False


class _Hindered(Exception):
    """The database, not the delivery, was in the way. Its cause is what was wrong."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.id)
        self.delivery = delivery


def understand_waiting(*, now: datetime) -> int:
    """Take in every delivery that waits, oldest first. Returns how many were dealt with.

    Several may do this at the same time: each delivery is one worker's.
    """
    for dealt_with in range(AT_ONCE):
        if not _next(now):
            return dealt_with
    return AT_ONCE


def take_in(delivery: Delivery, *, now: datetime, heard_at: datetime | None = None) -> Outcome:
    """Tell the desk what a delivery says, again if need be: it counts once. Wants a transaction.

    Returns what became of it and leaves its row alone. `heard_at` is for one
    that is read again, see `recording.heed_within`.
    """
    account = delivery.endpoint.account
    try:
        told = _read(delivery)
    except Unreadable as error:
        return Outcome(state=State.DEAD, note=f"Unreadable: {error}")
    event = told.event[:64]
    if not told.is_known:
        return Outcome(
            state=State.DEAD, event=event, note="Events of this kind are not known here."
        )
    heeded = recording.heed_within(
        account,
        told.report,
        heard=Heard.STREAM if _is_of_stream(delivery) else Heard.WEBHOOK,
        evidence=f"delivery:{delivery.id}",
        now=now,
        heard_at=heard_at,
    )
    if heeded.parked and delivery.state in {State.KEPT, State.DEAD}:
        _alarm_if_foreign(delivery, told.report, now=now)
    if heeded.parked and not heeded.orders:
        note = "It is about an order this desk does not know."
        return Outcome(state=State.PARKED, event=event, note=note)
    note = "" if heeded.news else "Nothing new."
    return Outcome(state=State.UNDERSTOOD, event=event, note=note, news=heeded.news)


def note_known_since(*, now: datetime) -> int:
    """Mark as understood the parked deliveries whose orders have taken in what they told.

    Looks at so many at once, those first that were not looked at for longest. Returns how many
    were marked.
    """
    told: dict[UUID, dict[int, Report]] = defaultdict(dict)
    looked_at = list(_parked()[:AT_ONCE])
    for delivery in looked_at:
        account = delivery.endpoint.account
        try:
            message = _read(delivery)
        except Exception:  # it could be read once; what is wrong now must not stop the others
            log.exception("delivery_unreadable_now", delivery=delivery.id)
            continue
        told[account.id][delivery.id] = message.report
    known = {
        number
        for account_id, reports in told.items()
        for number in recording.all_taken(account_id, reports)
    }
    parked = Delivery.objects.filter(state=State.PARKED)
    parked.filter(id__in={delivery.id for delivery in looked_at} - known).update(try_at=now)
    return parked.filter(id__in=known).update(
        state=State.UNDERSTOOD, note="Its order became known after it."
    )


def _read(delivery: Delivery) -> Told:
    """Parse a delivery in the words of the door that it came by. Raises Unreadable."""
    broker, body = registry.BROKERS[delivery.endpoint.account.broker], bytes(delivery.body)
    if not _is_of_stream(delivery):
        return broker.adapter.read_webhook(body)
    if broker.stream is None:
        raise Unreadable("This broker has no stream any more.")
    return broker.stream.read(body)


def _is_of_stream(delivery: Delivery) -> bool:
    return delivery.endpoint.origin == Origin.STREAM


def _parked() -> QuerySet[Delivery]:
    """Return the parked deliveries that may be known since: none of their own facts waits.

    Cheap, and leaves out most of those about orders that are not this desk's.
    """
    own = ParkedFact.objects.filter(
        evidence=Concat(Value("delivery:"), Cast(OuterRef("id"), CharField()))
    )
    return (
        Delivery.objects.select_related("endpoint__account")
        .filter(~Exists(own.filter(taken_by__isnull=True)), state=State.PARKED)
        .order_by(F("try_at").asc(nulls_first=True), "id")
    )


def _next(now: datetime) -> bool:
    """Deal with the delivery that has waited longest. Returns False if none waits."""
    try:
        with transaction.atomic():
            delivery = (
                Delivery.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("endpoint__account")
                .filter(Q(try_at__isnull=True) | Q(try_at__lte=now), state=State.KEPT)
                .order_by("id")
                .first()
            )
            if delivery is None:
                return False
            try:
                _try(delivery, now=now)
            except DATABASE_TROUBLE as trouble:
                raise _Hindered(delivery) from trouble
    except LearnedMeanwhile:
        pass  # the transaction is gone and the delivery still waits: it comes round again
    except _Hindered as hindered:
        _let_wait(hindered.delivery, hindered.__cause__, now=now)
    return True


def _try(delivery: Delivery, *, now: datetime) -> None:
    try:
        with transaction.atomic():
            _close(delivery, take_in(delivery, now=now), now=now)
    except (LearnedMeanwhile, *DATABASE_TROUBLE):
        raise
    except Exception as error:
        log.exception("delivery_failed", delivery=delivery.id)
        _put_off(delivery, error, now=now)


def _close(delivery: Delivery, outcome: Outcome, *, now: datetime) -> None:
    delivery.state, delivery.event, delivery.note = outcome.state, outcome.event, outcome.note
    delivery.understood_at = now
    if outcome.state == State.DEAD:
        _alarm_dead(delivery, now=now)
    delivery.save(update_fields=["state", "event", "note", "understood_at"])


def _put_off(delivery: Delivery, error: Exception, *, now: datetime) -> None:
    delivery.failures += 1
    delivery.note = repr(error)[:500]
    if delivery.failures >= TRIES:
        delivery.state = State.DEAD
        _alarm_dead(delivery, now=now)
    delivery.try_at = now + timedelta(seconds=2**delivery.failures)
    delivery.save(update_fields=["failures", "note", "state", "try_at"])


def _let_wait(delivery: Delivery, trouble: BaseException | None, *, now: datetime) -> None:
    """Have a delivery come round again, which counts against it in no way.

    After a deadlock at once, else after as long as it has waited so far. Raises
    what PostgreSQL raises if that is away: then nothing goes on anyhow.
    """
    log.warning("delivery_hindered", delivery=delivery.id, error=repr(trouble))
    if is_collision(trouble):
        return
    pause = min(max(now - delivery.received_at, timedelta(seconds=1)), LONGEST_PAUSE)
    Delivery.objects.filter(id=delivery.id, state=State.KEPT).update(
        note=repr(trouble)[:500], try_at=now + pause
    )


def is_collision(trouble: BaseException | None) -> bool:
    """Whether two transactions were in each other's way: doing it again will do."""
    cause = trouble.__cause__ if trouble else None
    return isinstance(cause, DeadlockDetected | SerializationFailure)


def _alarm_dead(delivery: Delivery, *, now: datetime) -> None:
    log.error("dead_letter", delivery=delivery.id, event_type=delivery.event, why=delivery.note)
    alarming.alarm(
        Incident.Kind.DEAD_LETTER,
        account=delivery.endpoint.account,
        subject=delivery.endpoint.place,
        says=f"Delivery {delivery.delivery_id} could not be understood, and what it tells"
        f" is missing until it is: {delivery.note}",
        evidence=f"delivery:{delivery.id}",
        now=now,
    )


def _alarm_if_foreign(delivery: Delivery, report: Report, *, now: datetime) -> None:
    """Say so if a delivery names another account's order: its broker has the addresses mixed up.

    Nothing was done to that order. Which account it is, is not this account's business.
    """
    account = delivery.endpoint.account
    others = Account.objects.filter(broker=account.broker, environment=account.environment).exclude(
        id=account.id
    )
    facts: list[Snapshot | Fill] = [*report.snapshots, *report.fills]
    names = {fact.broker_order_id for fact in facts}
    wire_ids = {fact.wire_id for fact in facts if fact.wire_id}
    foreign = (
        Order.objects.filter(account__in=list(others))
        .filter(Q(broker_order_id__in=names) | Q(wire_id__in=wire_ids))
        .values_list("broker_order_id", "wire_id")
        .first()
    )
    if foreign is None:
        return
    log.error("delivery_foreign", delivery=delivery.id)
    alarming.alarm(
        Incident.Kind.DEAD_LETTER,
        account=account,
        subject=f"{delivery.endpoint.place}:foreign",
        says=f"Delivery {delivery.delivery_id} is about order {foreign[0] or foreign[1]}, which"
        " another account of this desk has. It was not applied there. See where the broker sends"
        " each account's webhooks, and whose credentials this account has.",
        evidence=f"delivery:{delivery.id}",
        now=now,
    )
