"""Keeps facts about orders we do not know yet, until one of ours learns that broker id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Min

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import (
    ExecutionKind,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from orders.models import Order, ParkedFact
from orders.money import plain

READ: dict[str, Callable[[Any], Any]] = {
    "quantity": Decimal,
    "cumulative": Decimal,
    "price": Decimal,
    "average_price": Decimal,
    "limit_price": Decimal,
    "stop_price": Decimal,
    "notional": Decimal,
    "trail_price": Decimal,
    "trail_percent": Decimal,
    "high_water_mark": Decimal,
    "fee": Decimal,
    "expires_at": datetime.fromisoformat,
    "position_effect": PositionEffect,
    "order_class": OrderClass,
    "leg": Leg,
    "side": Side,
    "status": Status,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "kind": ExecutionKind,
    "trade_date": date.fromisoformat,
    "executed_at": datetime.fromisoformat,
}


def guard(account_id: UUID, broker_order_ids: Iterable[str]) -> None:
    """Let only one transaction at a time park facts for, or teach, these broker ids.

    Otherwise a fact could be parked just as its order stops looking for it.
    """
    with connection.cursor() as cursor:
        for name in sorted({f"{account_id}:{broker_id}" for broker_id in broker_order_ids}):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def park(
    account_id: UUID,
    facts: Iterable[Snapshot | Fill],
    *,
    heard: str,
    evidence: str,
    now: datetime,
) -> None:
    """Keep facts that match no order. One told twice is kept once."""
    ParkedFact.objects.bulk_create(
        [
            ParkedFact(
                account_id=account_id,
                broker_order_id=fact.broker_order_id,
                kind=type(fact).__name__.lower(),
                said=_write(fact),
                digest=digest(fact),
                heard=heard,
                heard_at=now,
                evidence=evidence,
            )
            for fact in facts
        ],
        ignore_conflicts=True,
    )


def digest(fact: Snapshot | Fill) -> str:
    """Return what makes a parked fact one fact: every word of it."""
    return hashlib.sha256(json.dumps(_write(fact), sort_keys=True).encode()).hexdigest()


def waiting(account_id: UUID, broker_order_id: str) -> list[ParkedFact]:
    """Return the facts that wait for a broker id, oldest first."""
    return list(
        ParkedFact.objects.filter(
            account_id=account_id, broker_order_id=broker_order_id, taken_by__isnull=True
        ).order_by("id")
    )


def naming(account_id: UUID, wire_id: str) -> list[ParkedFact]:
    """Return the facts that wait though they bear this wire id, oldest first."""
    return list(
        ParkedFact.objects.filter(
            account_id=account_id, said__wire_id=wire_id, taken_by__isnull=True
        ).order_by("id")
    )


def orphans(account_id: UUID) -> dict[str, datetime]:
    """Return the broker ids that no order of an account has, and since when facts wait for them."""
    parked = ParkedFact.objects.filter(account_id=account_id, taken_by__isnull=True)
    return dict(
        parked.values_list("broker_order_id").annotate(since=Min("heard_at")).order_by("since")
    )


def all_taken(account_id: UUID, reports: Mapping[int, Report]) -> set[int]:
    """Return which reports, by number, tell nothing but what an order has taken in since.

    Whoever told a fact first parked it: it is found by what it says, not by who said it.
    """
    names = {
        number: {*map(digest, report.snapshots), *map(digest, report.fills)}
        for number, report in reports.items()
    }
    asked = {name for told in names.values() for name in told}
    taken = set(
        ParkedFact.objects.filter(
            account_id=account_id, digest__in=asked, taken_by__isnull=False
        ).values_list("digest", flat=True)
    )
    return {number for number, told in names.items() if told and told <= taken}


def take(order: Order, broker_order_id: str) -> list[ParkedFact]:
    """Return the facts waiting for a broker id, and mark them as taken by its order."""
    facts = waiting(order.account_id, broker_order_id)
    ParkedFact.objects.filter(id__in=[fact.id for fact in facts]).update(taken_by=order)
    return facts


def read(parked: ParkedFact) -> Snapshot | Fill:
    """Return a parked fact as the broker's message."""
    said = {
        name: READ[name](value) if name in READ and value is not None else value
        for name, value in parked.said.items()
    }
    return Snapshot(**said) if parked.kind == "snapshot" else Fill(**said)


def _write(fact: Snapshot | Fill) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(fact).items()}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case date():
            return value.isoformat()
        case _:
            return value
