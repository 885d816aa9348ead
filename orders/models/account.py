from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from brokers.vocabulary import Environment, OrderType
from orders import secrets
from orders.ids import uuid7
from orders.models.frozen import frozen, keep_all

if TYPE_CHECKING:
    from orders.models.stream import Stream


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"
    TRADER = "trader", "Trader"


class Unprotected(models.TextChoices):
    """What the desk does for a position that lacks its protection, when nobody answers."""

    ESCALATE = "escalate", "Call again, louder"
    FLATTEN = "flatten", "Close what is not protected, at the market"


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> AccountQuerySet:
        """Return the accounts granted to a person, whoever they are otherwise."""
        return self.filter(grants__user_id=user.pk) if user.pk else self.none()

    def tradable_by(self, user: AbstractBaseUser | AnonymousUser) -> AccountQuerySet:
        """Return the accounts a person may trade in."""
        if not user.pk:
            return self.none()
        return self.filter(grants__user_id=user.pk, grants__role=Role.TRADER)


class Account(models.Model):
    """One account at one broker, and how this desk may use it.

    Credentials go in and never come out but to the code that talks to the broker.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=60, unique=True)
    broker = models.CharField(max_length=20)
    environment = models.CharField(
        max_length=5, choices=[(word.value, word.value.title()) for word in Environment]
    )
    base_url = models.CharField(max_length=200)
    credentials = models.TextField(help_text="Sealed for this account.")
    is_open = models.BooleanField(default=True)
    halted_at = models.DateTimeField(null=True, blank=True)
    halt_reason = models.TextField(blank=True)
    market_submit_within = models.DurationField(
        default=timedelta(seconds=30), help_text="A market order sent late is a different trade."
    )
    submit_within = models.DurationField(default=timedelta(minutes=5))
    second_person_above = models.DecimalField(
        max_digits=22,
        decimal_places=9,
        default=Decimal(10_000),
        help_text="A ruling on an order in doubt that may be worth more takes two people.",
    )
    unprotected = models.CharField(
        max_length=8,
        choices=Unprotected,
        default=Unprotected.ESCALATE,
        db_default=Unprotected.ESCALATE,
        help_text="What the desk does for a position without its protection, if nobody answers.",
    )
    answer_within = models.DurationField(
        default=timedelta(seconds=60),
        help_text="How long a person has to acknowledge that, before the desk does it.",
    )
    replays_duplicates = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Where Alpaca's words are spoken: the same order sent again by the same key"
        " within a minute is answered with the order, and not with a refusal.",
    )
    # Nothing is sent until its broker's list of orders has been read: our records may be older
    # than what we did.
    unsure_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Grant", related_name="accounts"
    )

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(environment__in=[word.value for word in Environment]),
                name="account_environment_known",
            ),
            models.CheckConstraint(
                condition=Q(unprotected__in=Unprotected.values), name="account_unprotected_known"
            ),
        ]
        # An order placed on paper must never turn out to have been live.
        triggers = [frozen("id", "broker", "environment", "created_at"), keep_all()]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        return f"account:{self.id}"

    def seal_credentials(self, credentials: Mapping[str, str]) -> None:
        self.credentials = secrets.seal(json.dumps(dict(credentials)), place=self.place)

    def unseal_credentials(self) -> dict[str, str]:
        """Raises orders.secrets.SecretUnreadable."""
        opened: Any = json.loads(secrets.unseal(self.credentials, place=self.place))
        return {str(name): str(value) for name, value in opened.items()}

    def submit_window(self, order_type: OrderType) -> timedelta:
        """Return how long an order may wait here before it must not be sent any more."""
        return self.market_submit_within if order_type is OrderType.MARKET else self.submit_within


class Grant(models.Model):
    """What one person may do in one account. No grant, no sight of it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants"
    )
    role = models.CharField(max_length=8, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="grant_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="grant_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.account}"


class Feed(models.Model):
    """How well we hear an account's broker. Apart from the account, as it changes all the time."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="feed"
    )
    heard_at = models.DateTimeField(null=True, blank=True)  # it last answered us
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)  # it last told us something unasked
    silent_since = models.DateTimeField(null=True, blank=True)  # our requests fail since then
    failure = models.TextField(blank=True)
    # The rounds through a whole account: its list of orders and its executions.
    sweep_at = models.DateTimeField(null=True, blank=True)  # due; null: at once
    swept_at = models.DateTimeField(null=True, blank=True)  # the last one that was read whole
    closed_day = models.DateField(null=True, blank=True)  # the last day with a report
    closing_at = models.DateTimeField(null=True, blank=True)  # somebody began the next one then
    # Polling found what a webhook should have told: they are not to be relied on since then.
    suspect_since = models.DateTimeField(null=True, blank=True)
    unpushed = models.PositiveIntegerField(default=0)  # facts learned by polling alone, since

    def __str__(self) -> str:
        return f"Feed of {self.account_id}"

    @property
    def stream(self) -> Stream | None:
        """The open connection to the broker, where it tells its news over one."""
        return getattr(self.account, "stream", None)
