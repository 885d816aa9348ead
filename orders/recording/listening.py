"""Notes which door brought the news first: what does not push news is not to be relied on.

What polling found is held against a feed unless a webhook or the stream tells of the same order
soon after.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from orders import alarming, auditing
from orders.models import Account, Feed, Incident, Order

PUSHED_WITHIN = timedelta(seconds=10)  # what is pushed may be so much slower than a poll
SUSPECT_AFTER = 3  # facts found by polling alone; one may be a single lost delivery


def note_polled(order_ids: Iterable[UUID], *, now: datetime) -> None:
    """Note orders whose status or fills were news that a poll brought. They are locked."""
    Order.objects.filter(id__in=list(order_ids), unpushed_at__isnull=True).update(unpushed_at=now)


def note_pushed(
    account: Account, order_ids: Iterable[UUID], *, is_news: bool, now: datetime
) -> None:
    """Note that some locked orders were told of unasked. With news, the feed is trusted again."""
    Order.objects.filter(id__in=list(order_ids), unpushed_at__isnull=False).update(unpushed_at=None)
    feed = Feed.objects.filter(account=account)
    if is_news:
        if feed.filter(suspect_since__isnull=False).update(suspect_since=None):
            _settle(account.id, outcome="News was told unasked again.", now=now)
        feed.update(pushed_at=now, unpushed=0)
    else:
        feed.update(pushed_at=now)


def judge_feeds(*, now: datetime) -> None:
    """Hold against each feed what polling found and nobody has told unasked since."""
    late = Order.objects.filter(unpushed_at__lte=now - PUSHED_WITHIN).order_by()
    for account_id in late.values_list("account_id", flat=True).distinct():
        _judge(account_id, now=now)


@transaction.atomic
def _judge(account_id: UUID, *, now: datetime) -> None:
    late = list(
        Order.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(account_id=account_id, unpushed_at__lte=now - PUSHED_WITHIN)
        .order_by("id")
        .values_list("id", flat=True)
    )
    Order.objects.filter(id__in=late).update(unpushed_at=None)
    auditing.hold(account_id)  # before the feed, as everybody does who brings news
    feed = Feed.objects.filter(account_id=account_id)
    if not _is_pushed_to(account_id):
        feed.update(unpushed=0)
        if feed.filter(suspect_since__isnull=False).update(suspect_since=None):
            _settle(account_id, outcome="Nothing is to tell its news unasked any more.", now=now)
        return
    feed.update(unpushed=F("unpushed") + len(late))
    if feed.filter(unpushed__gte=SUSPECT_AFTER, suspect_since__isnull=True).update(
        suspect_since=now
    ):
        account = Account.objects.get(id=account_id)
        alarming.alarm(
            Incident.Kind.FEED_SILENT,
            account=account,
            says=(
                f"{account} learned of news by asking that no webhook or stream told within"
                f" {PUSHED_WITHIN.seconds} s. Its working orders are asked after more often."
            ),
            now=now,
        )


def _is_pushed_to(account_id: UUID) -> bool:
    """Whether the broker has an address to tell news to, or a stream: `webhooks` keeps those."""
    return Account.objects.filter(
        id=account_id, endpoints__isnull=False, endpoints__decommissioned_at__isnull=True
    ).exists()


def _settle(account_id: UUID, *, outcome: str, now: datetime) -> None:
    alarming.settle(
        Incident.Kind.FEED_SILENT, subject=f"account:{account_id}", outcome=outcome, now=now
    )
