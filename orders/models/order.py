from __future__ import annotations

from dataclasses import replace as with_changes
from decimal import Decimal
from uuid import UUID

import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from brokers.messages import Ticket
from brokers.passport import Strategy
from brokers.vocabulary import (
    TERMINAL,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from orders import terms
from orders.ids import foretold_id, uuid7
from orders.models.account import Account
from orders.models.api_key import ApiKey
from orders.models.fitting import ORDER_FITS
from orders.models.frozen import frozen, in_sql, keep_all, steps
from orders.money import EXACT, ZERO
from orders.states import IN_FLIGHT, MAY_FOLLOW, NEVER_LEFT, NEXT, UNSENT, Submission

GIVEN_UP = frozenset({Submission.REFUSED, Submission.ABSENT})


def words(enum: type) -> list[tuple[str, str]]:
    return [(str(word), str(word).replace("_", " ").capitalize()) for word in enum]  # type: ignore[attr-defined]


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> OrderQuerySet:
        """Return the orders of accounts granted to a person."""
        return self.filter(account__grants__user_id=user.pk) if user.pk else self.none()

    def working(self) -> OrderQuerySet:
        """Return the orders the broker has and has not finished with."""
        return self.filter(submission=Submission.ACCEPTED).exclude(status__in=TERMINAL)

    def in_doubt(self) -> OrderQuerySet:
        return self.filter(submission=Submission.UNKNOWN)

    def open(self) -> OrderQuerySet:
        """Return every order that is, or may be, or may yet become live."""
        return self.filter(
            Q(submission__in=UNSENT | IN_FLIGHT)
            | Q(submission=Submission.ACCEPTED) & ~Q(status__in=TERMINAL)
        )

    def ended(self) -> OrderQuerySet:
        """Return the others: nothing more will come of them, as far as anyone has said."""
        return self.exclude(submission__in=UNSENT | IN_FLIGHT).exclude(
            Q(submission=Submission.ACCEPTED) & ~Q(status__in=TERMINAL)
        )

    def id_for(self, parent: Order | None, leg: Leg | None) -> UUID:
        """Return the id of an order that a broker tells of: as a leg, the one that was foretold.

        The first of its kind has it. The parent must be locked, or else two might be the first.
        """
        if parent is None or leg is None:
            return uuid7()
        foretold = foretold_id(parent.id, leg)
        return uuid7() if self.filter(id=foretold).exists() else foretold


class OrderSource(models.TextChoices):
    """The door an order came in by."""

    PAGE = "page", "Page"
    API = "api", "API"
    BROKER = "broker", "Broker"  # adopted: somebody entered it elsewhere
    LEG = "leg", "Leg"  # it protects what its parent fills


class Order(models.Model):
    """An instruction to trade, and what became of it.

    Two axes: `submission` is ours, about sending; `status` is the broker's,
    derived from facts and null until it has spoken. Everything from
    `submission` down is written by `orders.recording` and by nothing else.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders")
    client_order_id = models.CharField(max_length=128)
    wire_id = models.CharField(max_length=128)  # what the broker is told, on every attempt
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=words(Side))
    # For a quantity, or for an amount of money: then the quantity stays null for good.
    quantity = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    notional = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    order_type = models.CharField(max_length=16, choices=words(OrderType))
    time_in_force = models.CharField(max_length=8, choices=words(TimeInForce))
    limit_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    stop_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    trail_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    trail_percent = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    extended_hours = models.BooleanField(default=False, db_default=False)
    position_effect = models.CharField(max_length=5, choices=words(PositionEffect), blank=True)
    order_class = models.CharField(
        max_length=8,
        choices=words(OrderClass),
        default=OrderClass.SIMPLE,
        db_default=OrderClass.SIMPLE,
    )
    # What is to protect what it fills, and how that comes to the broker.
    take_profit_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    stop_loss_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    stop_loss_limit_price = models.DecimalField(
        max_digits=22, decimal_places=9, null=True, blank=True
    )
    strategy = models.CharField(max_length=10, choices=words(Strategy), blank=True)
    source = models.CharField(max_length=8, choices=OrderSource)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
    )
    placed_with = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, blank=True)
    placed_at = models.DateTimeField()
    submit_by = models.DateTimeField()  # past this it must not leave any more
    # A replace is an order of its own, for what is still to be worked.
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replacements"
    )
    replaces_filled = models.DecimalField(
        max_digits=36, decimal_places=18, null=True, blank=True
    )  # what the old order had filled when this one was sized

    # The order whose fills let this one out: a bracket's entry, for its stop and its target.
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="legs"
    )
    leg = models.CharField(max_length=11, choices=words(Leg), blank=True)
    # A leg that this desk let out stands for what its parent filled from here on.
    covers_from = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)

    submission = models.CharField(
        max_length=20, choices=Submission, default=Submission.READY, db_default=Submission.READY
    )
    submission_at = models.DateTimeField()
    submission_reason = models.TextField(blank=True)  # why refused, blocked, in doubt
    submission_code = models.CharField(max_length=64, blank=True)
    # The broker last showed another order under our id. It stays, whatever becomes of this one.
    conflict_at = models.DateTimeField(null=True, blank=True)
    broker_order_id = models.CharField(max_length=128, null=True, blank=True)  # noqa: DJ001 — unknown is not ""
    status = models.CharField(max_length=20, choices=words(Status), null=True, blank=True)  # noqa: DJ001
    raw_status = models.CharField(max_length=500, blank=True)
    reason = models.TextField(blank=True)  # the broker's own words
    filled_quantity = models.DecimalField(max_digits=36, decimal_places=18, default=Decimal(0))
    filled_value = models.DecimalField(max_digits=72, decimal_places=36, default=Decimal(0))
    average_price = models.DecimalField(max_digits=27, decimal_places=9, null=True, blank=True)
    claimed_quantity = models.DecimalField(max_digits=36, decimal_places=18, default=Decimal(0))
    # Where a trailing stop now stands, and the best price that it has seen.
    trailing_stop_price = models.DecimalField(
        max_digits=36, decimal_places=18, null=True, blank=True
    )
    high_water_mark = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)
    # What it filled lacks its protection since then, as far as the broker has shown.
    unprotected_since = models.DateTimeField(null=True, blank=True)
    flatten_at = models.DateTimeField(null=True, blank=True)  # somebody wants it closed, since then
    flags = ArrayField(models.CharField(max_length=24), default=list, blank=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_refused = models.TextField(blank=True)  # the broker's answer to the latest cancel

    # When the desk next has something to do for it. Scheduling, not state: no version, no audit.
    heard_at = models.DateTimeField(null=True, blank=True)
    # A poll brought news of it then, and no webhook has told of it since.
    unpushed_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(null=True, blank=True)
    looks = models.PositiveIntegerField(default=0)  # since doubt began
    escalated_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    tend_at = models.DateTimeField(null=True, blank=True)  # to its legs

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="order_account_newest"),
            models.Index(fields=["account", "symbol", "-id"], name="order_symbol_newest"),
            models.Index(
                fields=["submit_by"], name="order_ready", condition=Q(submission=Submission.READY)
            ),
            models.Index(fields=["look_at"], name="order_look", condition=Q(look_at__isnull=False)),
            models.Index(
                fields=["unpushed_at"],
                name="order_unpushed",
                condition=Q(unpushed_at__isnull=False),
            ),
            models.Index(
                fields=["cancel_at"], name="order_cancel", condition=Q(cancel_at__isnull=False)
            ),
            models.Index(fields=["tend_at"], name="order_tend", condition=Q(tend_at__isnull=False)),
        ]
        constraints = ORDER_FITS
        triggers = [
            frozen(
                "id",
                "account_id",
                "client_order_id",
                "wire_id",
                "symbol",
                "side",
                "quantity",
                "order_type",
                "time_in_force",
                "limit_price",
                "stop_price",
                "notional",
                "trail_price",
                "trail_percent",
                "expires_at",
                "extended_hours",
                "position_effect",
                "order_class",
                "take_profit_price",
                "stop_loss_price",
                "stop_loss_limit_price",
                "strategy",
                "source",
                "placed_by_id",
                "placed_with_id",
                "placed_at",
                "submit_by",
                "replaces_id",
                "replaces_filled",
                "parent_id",
                "leg",
                "covers_from",
                name="frozen_terms",
            ),
            steps("submission", {s.value: sorted(NEXT[s]) for s in Submission}),
            pgtrigger.Trigger(
                name="broker_id_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.broker_order_id IS NOT NULL
                       AND NEW.broker_order_id IS DISTINCT FROM OLD.broker_order_id THEN
                        RAISE EXCEPTION 'broker_id_once: % already has a broker order id', OLD.id;
                    END IF;
                    IF NEW.version < OLD.version THEN
                        RAISE EXCEPTION 'broker_id_once: version of % can not fall', OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="conflict_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.conflict_at IS NOT NULL AND NEW.conflict_at IS NULL THEN
                        RAISE EXCEPTION
                            'conflict_stays: the broker has shown another order under the id of %',
                            OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            # What may have left can't be said to have stayed here, nor to be refused or absent.
            pgtrigger.Trigger(
                name="verdict_on_proof",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.submission IS DISTINCT FROM NEW.submission"),
                func=f"""
                    IF NEW.submission IN ({in_sql(UNSENT | NEVER_LEFT | GIVEN_UP)})
                       AND EXISTS (
                        SELECT 1 FROM orders_attempt WHERE order_id = NEW.id AND kind <> 'cancel'
                          AND NOT state IN ({in_sql(MAY_FOLLOW)})
                          AND NOT (NEW.submission IN ({in_sql(GIVEN_UP)}) AND state = 'refused')
                    ) THEN
                        RAISE EXCEPTION 'verdict_on_proof: % may have left, and can not be %',
                            OLD.id, NEW.submission;
                    END IF;
                    RETURN NEW;
                """,  # noqa: S608 — every word put in is ours
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.amount} {self.symbol}"

    def ticket(self) -> Ticket:
        """Return what a broker is told, the same on every attempt.

        Its legs are in it only where they go with it, in the same request.
        """
        ticket = terms.ticket(self.wire_id, self)
        if self.strategy in {"", Strategy.NATIVE}:
            return ticket
        return with_changes(ticket, order_class=OrderClass.SIMPLE, take_profit=None, stop_loss=None)

    def terms(self) -> Ticket:
        """Return what was asked for, legs and all, under the client's own id."""
        return terms.ticket(self.client_order_id, self)

    @property
    def amount(self) -> str:
        """What it is for, in words: a quantity, or as much as some money buys."""
        if self.quantity is not None:
            return f"{self.quantity.normalize():f}"
        return f"{(self.notional or ZERO).normalize():f} worth of"

    @property
    def leaves_quantity(self) -> Decimal | None:
        """What is still to be filled, while it works: never below zero (an overfill is flagged).

        None for an order for money, until it has ended: nobody knows.
        """
        if self.quantity is None:
            return ZERO if self.has_ended else None
        return max(EXACT.subtract(self.quantity, self.filled_quantity), ZERO)

    @property
    def has_ended(self) -> bool:
        """Nothing more will come of it, as far as anyone has said."""
        return self.submission in NEVER_LEFT | {Submission.REFUSED, Submission.ABSENT} or (
            self.status in TERMINAL
        )

    @property
    def warnings(self) -> list[str]:
        """What must not be shown without saying so: the flags that its facts raise, and one more
        for an order of the broker's that is not this one and has its id."""
        return [*self.flags, *(["second_order"] if self.conflict_at else [])]

    @property
    def is_in_doubt(self) -> bool:
        return self.submission == Submission.UNKNOWN

    @property
    def is_cancelable(self) -> bool:
        return not self.has_ended and self.cancel_requested_at is None

    @property
    def is_replaceable(self) -> bool:
        """Working at the broker, with no cancel pending. Another open replace is not looked for."""
        return (
            self.submission == Submission.ACCEPTED
            and self.status not in TERMINAL
            and self.cancel_requested_at is None
            and self.quantity is not None  # one for money has no total to change
        )
