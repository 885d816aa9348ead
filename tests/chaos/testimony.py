"""The desk's testimony: its database, read through its own models, as plain records.

Needs Django, pointed at the desk's database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from orders import auditing, connecting, models, positioning, timing
from orders.recording.changing import projection
from tests.chaos import staging
from tests.chaos.checking import records as seen
from tests.chaos.staging import Stage
from webhooks import models as webhooks

LATE = 20  # seconds past its time, and still not done: then nobody does it
UNSEEN = ("django_session",)  # holds session keys, as it must


class DeskWitness:
    """Reads the desk's side of a run."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._keys = {UUID(seat.account_id): seat.key for seat in stage.seats.values()}

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Read within this as of one moment: a desk goes on living while it is looked at."""
        connections.close_all()  # PostgreSQL may have died since this thread last asked it
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def accounts(self) -> tuple[seen.Account, ...]:
        """Return the accounts, with what may be concluded at each."""
        found = models.Account.objects.filter(id__in=self._keys)
        return tuple(
            seen.Account(
                key=self._keys[account.id],
                id=str(account.id),
                broker=account.broker,
                machine_may_conclude_absence=connecting.passport(
                    account
                ).doubt.absence_is_definitive,
                doubt_ends_within=staging.doubt_ends_within(account.broker),
            )
            for account in found
        )

    def orders(self) -> tuple[seen.Order, ...]:
        """Return every order as it stands."""
        return tuple(map(self._order, models.Order.objects.order_by("id").iterator()))

    def books(self) -> dict[str, Any]:
        """Return what has to come right once all is quiet: orders, fills, positions, incidents."""
        return {
            "orders": self.orders(),
            "fills": tuple(map(self._fill, models.Execution.objects.order_by("id").iterator())),
            "holdings": tuple(self._holdings()),
            "incidents": tuple(map(self._incident, models.Incident.objects.order_by("id"))),
        }

    def rest(self) -> dict[str, Any]:
        """Return what is kept for good: attempts, the audit, deliveries."""
        told = models.SnapshotFact.objects.values_list("order_id", "order__account_id", "evidence")
        return {
            "told": tuple(
                seen.Told(order_id=str(order_id), account=self._keys[account], evidence=evidence)
                for order_id, account, evidence in told.iterator()
            ),
            "attempts": tuple(
                seen.Attempt(
                    order_id=str(attempt.order_id),
                    kind=attempt.kind,
                    number=attempt.number,
                    state=attempt.state,
                    armed_at=attempt.armed_at,
                )
                for attempt in models.Attempt.objects.defer("answer_body").iterator()
            ),
            "events": tuple(
                seen.Event(
                    order_id=str(event.order_id),
                    action=event.action,
                    at=event.at,
                    before=event.before,
                    after=event.after,
                )
                for event in models.AuditEvent.objects.filter(order__isnull=False)
                .order_by("chain", "sequence")
                .iterator()
            ),
            "deliveries": tuple(
                seen.Delivery(
                    id=delivery.id,
                    account=self._keys[delivery.endpoint.account_id],
                    delivery_id=delivery.delivery_id,
                    state=delivery.state,
                )
                for delivery in webhooks.Delivery.objects.defer("body", "headers")
                .select_related("endpoint")
                .iterator()
            ),
            "broken_chains": tuple(
                f"{chain}: {flaw}"
                for chain in auditing.chains()
                if (flaw := auditing.flaw(chain)) is not None
            ),
        }

    def rebuilt(self) -> str:
        """Have the desk add its own facts up again; return what it complains of."""
        said = StringIO()
        try:
            call_command("rebuild", "--verify", stdout=said)
        except CommandError as error:
            return f"{error} {said.getvalue()[:2000]}"
        return ""

    def secrets_found(self) -> Iterator[str]:
        """Yield each table in which a secret of ours can be read, in whatever column."""
        for name, value in self._stage.secrets.items():
            likes = [f"%{value}%", f"%{value.encode().hex()}%"]  # bytes are shown in hex
            for table in connection.introspection.table_names():
                if table in UNSEEN:
                    continue
                with connection.cursor() as cursor:
                    quoted = connection.ops.quote_name(table)
                    cursor.execute(
                        f"SELECT count(*) FROM {quoted} AS t WHERE t::text LIKE ANY(%s)", [likes]
                    )
                    (count,) = cursor.fetchone()
                if count:
                    yield f"{name} in {count} rows of {table}"

    def undone(self) -> Iterator[str]:
        """Yield what is overdue and nobody does: looks, cancels, deliveries."""
        now = timing.database_now()
        late = now - timedelta(seconds=LATE)
        for column in ("look_at", "cancel_at", "tend_at"):
            for order in models.Order.objects.filter(**{f"{column}__lt": late}):
                yield f"{order.wire_id}: {column} was {getattr(order, column):%H:%M:%S}"
        kept = webhooks.Delivery.objects.filter(state="kept", received_at__lt=late)
        for delivery in kept.exclude(try_at__gt=now):
            yield f"delivery {delivery.delivery_id} of {delivery.received_at:%H:%M:%S} waits"

    def _order(self, order: models.Order) -> seen.Order:
        return seen.Order(
            id=str(order.id),
            account=self._keys[order.account_id],
            client_order_id=order.client_order_id,
            wire_id=order.wire_id,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            source=order.source,
            placed_at=order.placed_at,
            submit_by=order.submit_by,
            submission=order.submission,
            submission_at=order.submission_at,
            in_conflict=order.conflict_at is not None,
            broker_order_id=order.broker_order_id,
            status=order.status,
            filled=order.filled_quantity,
            value=order.filled_value,
            average_price=order.average_price,
            flags=tuple(order.flags),
            version=order.version,
            cancel_requested=order.cancel_requested_at is not None,
            escalated=order.escalated_at is not None,
            look_at=order.look_at,
            order_class=order.order_class,
            wants_stop=order.stop_loss_price is not None and order.order_class != "oco",
            parent=str(order.parent_id) if order.parent_id else None,
            replaces=str(order.replaces_id) if order.replaces_id else None,
            leg=order.leg,
            projection=projection(order),
        )

    def _fill(self, fill: models.Execution) -> seen.Fill:
        return seen.Fill(
            order_id=str(fill.order_id),
            account=self._keys[fill.account_id],
            broker_order_id=fill.broker_order_id,
            execution_id=fill.execution_id,
            trade_date=str(fill.trade_date),
            kind=fill.kind,
            revision=fill.revision,
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            executed_at=fill.executed_at,
            heard_at=fill.heard_at,
            evidence=fill.evidence,
        )

    def _incident(self, incident: models.Incident) -> seen.Incident:
        account = incident.account_id
        return seen.Incident(
            order_id=str(incident.order_id) if incident.order_id else None,
            account=self._keys[account] if account else None,
            kind=incident.kind,
            open=incident.closed_at is None,
        )

    def _holdings(self) -> Iterator[seen.Holding]:
        accounts = models.Account.objects.filter(id__in=self._keys)
        for held in positioning.positions(accounts):
            yield seen.Holding(
                account=self._keys[held.account_id], symbol=held.symbol, quantity=held.quantity
            )


def their_holdings(stage: Stage) -> tuple[seen.Holding, ...]:
    """Ask each broker for its own count of every position."""
    found = []
    for seat in stage.seats.values():
        adapter = connecting.connect(models.Account.objects.get(id=seat.account_id))
        found += [
            seen.Holding(account=seat.key, symbol=held.symbol, quantity=held.quantity)
            for held in adapter.holdings()
        ]
    return tuple(found)
