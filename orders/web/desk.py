"""The desk: ticket, orders, prices and positions on one page, and the panels it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from orders import asking
from orders.asking import NoAnswer
from orders.models import Account, Execution, Feed
from orders.models.stream import StreamState
from orders.money import ZERO, total
from orders.web import reading
from orders.web.filtering import Filter, sequences
from orders.web.offering import TicketForm
from orders.web.people import Request, members_only, tradable_ids

ROWS = 100  # on the desk; the blotter has the rest
FILLS = 12
QUIET_AFTER = timedelta(seconds=60)  # a broker not heard for so long is neither well nor ill


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an account's stream does, where its broker tells its news over one."""

    state: StreamState
    since: datetime
    heard_at: datetime | None
    connects: int
    failure: str
    retry_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How well one account's broker is heard."""

    account: Account
    tone: str
    word: str
    heard_at: datetime | None
    took_ms: int | None
    failure: str
    stream: Standing | None = None


@members_only
@require_GET
def desk(request: Request) -> HttpResponse:
    """The page a trader has open all day; or its rows alone."""
    wanted, reached = Filter.read(request.GET), sequences(request.user)
    orders, following = wanted.page(request.user, rows=ROWS)
    tradable = tradable_ids(request)
    context = {
        "nav": "desk",
        "sequences": reached,
        "filter": wanted,
        "rows": [(order, order.account_id in tradable) for order in orders],
        "next": following,
    }
    if request.htmx:
        return render(request, "orders/_rows.html", context)
    accounts = list(Account.objects.visible_to(request.user))
    latest = orders[0] if orders else None
    context |= {
        "accounts": accounts,
        "form": TicketForm(user=request.user),
        "chips": wanted.chips(request.user),
        "chart_account": latest.account if latest else (accounts[0] if accounts else None),
        "chart_symbol": latest.symbol if latest else "",
    }
    return render(request, "orders/desk.html", context)


@members_only
@require_GET
def side(request: Request) -> HttpResponse:
    """Positions and the latest fills."""
    accounts = list(Account.objects.visible_to(request.user))
    held = [h for account in accounts for h in reading.holdings(account, ask_broker=False)]
    fills = Execution.objects.visible_to(request.user).select_related("order")
    context = {
        "holdings": [h for h in held if h.ours],
        "fills": fills.order_by("-id")[:FILLS],
    }
    return render(request, "orders/_side.html", context)


@members_only
@require_GET
def figures(request: Request) -> HttpResponse:
    """Money at a glance. What no broker answered for is left out, and said to be."""
    accounts = list(Account.objects.visible_to(request.user))
    held = [h for account in accounts for h in reading.holdings(account, ask_broker=False)]
    open_held = [h for h in held if h.ours]
    priced = [h.unrealized for h in open_held if h.unrealized is not None]
    context = {
        "buying_power": _buying_power(accounts),
        "accounts": accounts,
        "open_profit": total(priced) if len(priced) == len(open_held) else None,
        "realized": total(h.realized for h in held),
    }
    return render(request, "orders/_figures.html", context)


@members_only
@require_GET
def strip(request: Request) -> HttpResponse:
    """How well each account's broker is heard."""
    feeds = Feed.objects.filter(
        account__in=Account.objects.visible_to(request.user)
    ).select_related("account__stream")
    now = timezone.now()
    context = {"feeds": [health(feed, now=now) for feed in feeds.order_by("account__name")]}
    return render(request, "orders/_strip.html", context)


def health(feed: Feed, *, now: datetime) -> Health:
    """Say in a word how well an account's broker is heard."""
    stream = standing(feed, now=now)
    if feed.account.halted_at is not None:
        tone, word = "rejected", "halted"
    elif feed.silent_since is not None:
        tone, word = "rejected", "silent"
    elif feed.heard_at is None:
        tone, word = "ended", "not heard yet"
    elif feed.account.unsure_since is not None:
        tone, word = "doubt", "being read"  # nothing is sent until its lists have been
    elif stream is not None and stream.state not in {StreamState.LIVE, StreamState.UNWANTED}:
        tone, word = "warning", f"stream {stream.state.label.lower()}"
    elif feed.suspect_since is not None:
        tone, word = "warning", "no webhooks" if stream is None else "stream mute"
    elif now - feed.heard_at > QUIET_AFTER:
        tone, word = "ended", "quiet"
    else:
        tone, word = "filled", "well"
    return Health(
        account=feed.account,
        tone=tone,
        word=word,
        heard_at=feed.silent_since or feed.heard_at,
        took_ms=feed.took_ms,
        failure=feed.account.halt_reason or feed.failure or (stream.failure if stream else ""),
        stream=stream,
    )


def standing(feed: Feed, *, now: datetime) -> Standing | None:
    """Return how an account's stream does by now, as far as anybody here can know."""
    stream = feed.stream
    if stream is None:
        return None
    return Standing(
        state=stream.state_at(now),
        since=stream.since_at(now),
        heard_at=stream.heard_at,
        connects=stream.connects,
        failure=stream.failure_at(now),
        retry_at=stream.retry_at,
    )


def _buying_power(accounts: list[Account]) -> Decimal | None:
    """Return what all accounts together may still buy for, or None unless all of them said."""
    sums: list[Decimal] = []
    for account in accounts:
        try:
            sums.append(asking.balance(account).buying_power)
        except NoAnswer:
            return None
    return total(sums) if sums else ZERO
