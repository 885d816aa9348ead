from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from brokers.messages import Fill
from brokers.vocabulary import ExecutionKind, Side
from orders.models.account import Account
from orders.models.facts import Heard
from orders.models.frozen import grow_only
from orders.models.order import Order, words


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> ExecutionQuerySet:
        return self.filter(account__grants__user_id=user.pk) if user.pk else self.none()


class Execution(models.Model):
    """One trade, or a venue's later word on it (bust, correct). Grow-only: never lose a fill."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="executions")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="executions")
    broker_order_id = models.CharField(max_length=128)
    execution_id = models.CharField(max_length=128)
    trade_date = models.DateField()
    kind = models.CharField(max_length=8, choices=words(ExecutionKind))
    revision = models.PositiveIntegerField(default=0)
    symbol = models.CharField(max_length=128)
    side = models.CharField(max_length=4, choices=words(Side))
    quantity = models.DecimalField(max_digits=36, decimal_places=18)
    price = models.DecimalField(max_digits=36, decimal_places=18)
    fee = models.DecimalField(max_digits=36, decimal_places=18, default=Decimal(0), db_default=0)
    executed_at = models.DateTimeField()
    raw = models.TextField(blank=True)
    heard = models.CharField(max_length=8, choices=Heard)
    heard_at = models.DateTimeField()
    evidence = models.CharField(max_length=64, blank=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            # Brokers reuse ids like exec-001 across orders and days: a narrower key loses a fill.
            models.UniqueConstraint(
                fields=[
                    "account",
                    "broker_order_id",
                    "execution_id",
                    "trade_date",
                    "kind",
                    "revision",
                ],
                name="execution_once",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0) | Q(kind=ExecutionKind.BUST, quantity__gte=0),
                name="execution_quantity_positive",
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="execution_price_not_negative"),
            models.CheckConstraint(
                condition=Q(kind__in=list(ExecutionKind)), name="execution_kind_known"
            ),
            models.CheckConstraint(condition=Q(side__in=list(Side)), name="execution_side_known"),
        ]
        indexes = [
            models.Index(fields=["account", "symbol", "executed_at"], name="execution_position"),
            models.Index(fields=["account", "-id"], name="execution_newest"),
        ]
        triggers = [
            *grow_only(),
            pgtrigger.Trigger(
                name="of_its_order",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    PERFORM 1 FROM orders_order
                      WHERE id = NEW.order_id AND account_id = NEW.account_id
                        AND symbol = NEW.symbol AND side = NEW.side;
                    IF NOT FOUND THEN
                        RAISE EXCEPTION 'of_its_order: order % is another account''s, or another'
                            ' symbol or side', NEW.order_id;
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity.normalize():f} at {self.price.normalize():f}"

    def message(self) -> Fill:
        """Return the fact as the broker's message, for `orders.deriving`."""
        return Fill(
            broker_order_id=self.broker_order_id,
            execution_id=self.execution_id,
            trade_date=self.trade_date,
            quantity=self.quantity,
            price=self.price,
            fee=self.fee,
            executed_at=self.executed_at,
            kind=ExecutionKind(self.kind),
            revision=self.revision,
            symbol=self.symbol,
            side=Side(self.side),
        )
