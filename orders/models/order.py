from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from brokers.messages import Ticket
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    TERMINAL,
    OrderType,
    Side,
    Status,
    TimeInForce,
)
from orders.ids import uuid7
from orders.models.account import Account
from orders.models.api_key import ApiKey
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


class OrderSource(models.TextChoices):
    """The door an order came in by."""

    PAGE = "page", "Page"
    API = "api", "API"
    BROKER = "broker", "Broker"  # adopted: somebody entered it elsewhere


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
    quantity = models.DecimalField(max_digits=22, decimal_places=9)
    order_type = models.CharField(max_length=16, choices=words(OrderType))
    time_in_force = models.CharField(max_length=8, choices=words(TimeInForce))
    limit_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
    stop_price = models.DecimalField(max_digits=22, decimal_places=9, null=True, blank=True)
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
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "client_order_id"], name="order_client_id_unique"
            ),
            models.UniqueConstraint(fields=["account", "wire_id"], name="order_wire_id_unique"),
            models.UniqueConstraint(
                fields=["account", "broker_order_id"],
                condition=Q(broker_order_id__isnull=False),
                name="order_broker_id_unique",
            ),
            # One that has happened does not count here: a replace taken for refused may turn up
            # while its successor is under way, and what the broker says must not be refused.
            models.UniqueConstraint(
                fields=["replaces"],
                condition=Q(submission__in=sorted(UNSENT | IN_FLIGHT)),
                name="order_one_open_replace",
            ),
            models.CheckConstraint(
                condition=~Q(client_order_id="") & ~Q(wire_id="") & ~Q(symbol=""),
                name="order_named",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(condition=Q(side__in=list(Side)), name="order_side_known"),
            models.CheckConstraint(
                condition=Q(order_type__in=list(OrderType)), name="order_type_known"
            ),
            models.CheckConstraint(
                condition=Q(time_in_force__in=list(TimeInForce)), name="order_tif_known"
            ),
            models.CheckConstraint(
                condition=Q(submission__in=Submission.values), name="order_submission_known"
            ),
            # A check that comes out NULL passes, so the price must be asked for by name.
            models.CheckConstraint(
                condition=Q(
                    order_type__in=sorted(NEEDS_LIMIT),
                    limit_price__isnull=False,
                    limit_price__gt=0,
                )
                | Q(~Q(order_type__in=sorted(NEEDS_LIMIT)), limit_price__isnull=True),
                name="order_limit_price_fits",
            ),
            models.CheckConstraint(
                condition=Q(
                    order_type__in=sorted(NEEDS_STOP), stop_price__isnull=False, stop_price__gt=0
                )
                | Q(~Q(order_type__in=sorted(NEEDS_STOP)), stop_price__isnull=True),
                name="order_stop_price_fits",
            ),
            models.CheckConstraint(
                condition=Q(status__isnull=True) | Q(status__in=list(Status)),
                name="order_status_known",
            ),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0) & Q(filled_value__gte=0),
                name="order_filled_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.FILLED, filled_quantity__gte=F("quantity"))
                | Q(status__isnull=False)
                & ~Q(status=Status.FILLED)
                & Q(filled_quantity__lt=F("quantity"))
                | Q(status__isnull=True, filled_quantity=0),
                name="order_filled_iff_whole_quantity",
            ),
            models.CheckConstraint(
                condition=Q(average_price__isnull=True, filled_quantity=0)
                | Q(average_price__isnull=False, filled_quantity__gt=0),
                name="order_average_iff_filled",
            ),
            # What never left this desk has never been heard of at a broker.
            models.CheckConstraint(
                condition=~Q(submission__in=sorted(NEVER_LEFT | UNSENT))
                | Q(status__isnull=True, broker_order_id__isnull=True, filled_quantity=0),
                name="order_unsent_has_no_broker_state",
            ),
            # The broker has it: then we know what it calls it, and what it last said.
            models.CheckConstraint(
                condition=~Q(submission=Submission.ACCEPTED)
                | Q(status__isnull=False, broker_order_id__isnull=False),
                name="order_accepted_has_broker_state",
            ),
            models.CheckConstraint(
                condition=~Q(parent=F("id")) & ~Q(replaces=F("id")), name="order_not_its_own_kin"
            ),
            models.CheckConstraint(
                condition=Q(replaces__isnull=True, replaces_filled__isnull=True)
                | Q(replaces__isnull=False, replaces_filled__isnull=False),
                name="order_replaces_whole",
            ),
        ]
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
                "source",
                "placed_by_id",
                "placed_with_id",
                "placed_at",
                "submit_by",
                "replaces_id",
                "replaces_filled",
                "parent_id",
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
        return f"{self.side} {self.quantity.normalize():f} {self.symbol}"

    def ticket(self) -> Ticket:
        """Return what a broker is told, the same on every attempt."""
        return Ticket(
            wire_id=self.wire_id,
            symbol=self.symbol,
            side=Side(self.side),
            quantity=self.quantity,
            order_type=OrderType(self.order_type),
            time_in_force=TimeInForce(self.time_in_force),
            limit_price=self.limit_price,
            stop_price=self.stop_price,
        )

    @property
    def leaves_quantity(self) -> Decimal:
        """What is still to be filled, while it works: never below zero (an overfill is flagged)."""
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
        )
