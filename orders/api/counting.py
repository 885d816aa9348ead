"""Which trades count: those that stand."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from brokers.vocabulary import ExecutionKind
from orders.models import Account, Execution


def standing(account: Account) -> QuerySet[Execution]:
    """Return an account's trades that stand: neither undone, nor amended by a later word.

    Each with the `first_pk` of what was ever told of that trade: it keeps its id, however often it
    is amended.
    """
    same = Execution.objects.filter(
        account=OuterRef("account"),
        broker_order_id=OuterRef("broker_order_id"),
        execution_id=OuterRef("execution_id"),
        trade_date=OuterRef("trade_date"),
    )
    undone = same.filter(kind=ExecutionKind.BUST)
    corrections = same.filter(kind=ExecutionKind.CORRECT)
    amended = corrections.filter(revision__gt=OuterRef("revision"))
    return (
        Execution.objects.filter(account=account)
        .exclude(kind=ExecutionKind.BUST)
        .filter(~Exists(undone))
        .filter(Q(kind=ExecutionKind.FILL) & ~Exists(corrections) | ~Q(kind=ExecutionKind.FILL))
        .filter(Q(kind=ExecutionKind.FILL) | ~Exists(amended))
        .annotate(first_pk=Subquery(same.order_by("pk").values("pk")[:1]))
    )
