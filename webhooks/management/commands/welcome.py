"""Makes the embedded desk ready for its owner, and says how to get in."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from brokers.errors import BrokerError
from brokers.paper.adapter import PaperAdapter
from brokers.paper.admin import Admin, NotDone
from brokers.vocabulary import Environment
from orders import opening, timing
from orders.actors import component
from orders.models import Account, Role, SignInLink
from orders.models.sign_in import VALID_FOR
from webhooks.enrolling import enroll
from webhooks.models import Endpoint, EndpointSecret

LAUNCHER = component("launcher")
TRADER = "demo"
PAPER = "Paper"
CASH = Decimal(1_000_000)


class Command(BaseCommand):
    """Safe to run at every start: what is there already is left as it is."""

    help = __doc__

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Make the demo trader and the paper account, and print a fresh sign-in link."""
        if settings.PRODUCTION:
            raise CommandError("A production desk has no demo trader. Create people yourself.")
        user = _trader()
        if settings.DESK_PAPER_URL:
            _open_paper(user)
        token = SignInLink.issue(user.pk, now=timing.database_now())
        self.stdout.write(
            f"\n  Blotter is up at   {settings.DESK_URL}\n"
            f"  Sign in as {user.username} at {settings.DESK_URL}/sign-in/once/{token}\n"
            f"  The link works once, for {VALID_FOR.seconds // 60} minutes;"
            " ./desk manage welcome prints another.\n"
        )


def _trader() -> User:
    user, is_new = User.objects.get_or_create(
        username=TRADER, defaults={"is_staff": True, "is_superuser": True}
    )
    if is_new:
        user.set_unusable_password()  # there is no default password to forget about
        user.save()
    return user


def _open_paper(user: User) -> None:
    """Open the paper account on both sides and have the exchange deliver to this desk."""
    now = timing.database_now()
    account = Account.objects.filter(name=PAPER, broker="paper").first()
    if account is None:
        account = opening.open_account(
            name=PAPER,
            broker="paper",
            environment=Environment.PAPER,
            base_url=settings.DESK_PAPER_URL,
            credentials={"key": secrets.token_hex(8), "secret": secrets.token_urlsafe(24)},
            actor=LAUNCHER,
            now=now,
        )
        opening.grant(account, user, Role.TRADER, actor=LAUNCHER, now=now)
    if account.base_url != settings.DESK_PAPER_URL:
        account.base_url = settings.DESK_PAPER_URL
        account.save(update_fields=["base_url"])
    endpoint, secret = _endpoint(account)
    credentials = account.unseal_credentials()
    admin = Admin(base_url=settings.DESK_PAPER_URL, token=settings.DESK_PAPER_TOKEN)
    adapter = PaperAdapter(base_url=account.base_url, **credentials)
    try:
        admin.open_account(**credentials, cash=CASH, name=account.name)
        adapter.deliver_to(f"{settings.DESK_URL}/webhooks/{endpoint.token}", secret)
    except (NotDone, BrokerError) as error:
        raise CommandError(f"The paper exchange does not take our account: {error}") from error


def _endpoint(account: Account) -> tuple[Endpoint, str]:
    kept = EndpointSecret.objects.filter(
        endpoint__account=account, endpoint__decommissioned_at=None, retired_at=None
    ).first()  # the newest
    if kept is None:
        return enroll(account, actor=LAUNCHER, now=timing.database_now())
    return kept.endpoint, kept.unseal()
