"""Which orders a page shows: a filter that lives in the address, to be shared and gone back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Q
from django.http import QueryDict

from brokers.vocabulary import TERMINAL, Status
from orders.models import Account, AuditChain, Order
from orders.models.order import OrderQuerySet
from orders.states import IN_FLIGHT, NEVER_LEFT, UNSENT, Submission

ROWS = 200  # at most, on one page
COUNTED = 5_000  # ended orders beyond the newest so many are not counted on the chips

ACCEPTED = Q(submission=Submission.ACCEPTED)
SHOWN: Mapping[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "open": ("Open", Q(submission__in=UNSENT | IN_FLIGHT) | ACCEPTED & ~Q(status__in=TERMINAL)),
    "doubt": ("In doubt", Q(submission=Submission.UNKNOWN)),
    "filled": ("Filled", Q(status=Status.FILLED)),
    "cancelled": (
        "Cancelled",
        Q(status__in=[Status.CANCELED, Status.EXPIRED, Status.REPLACED]),
    ),
    "rejected": ("Rejected", Q(status=Status.REJECTED) | Q(submission=Submission.REFUSED)),
    "unsent": ("Not sent", Q(submission__in=NEVER_LEFT | {Submission.ABSENT})),
}
EXACT = ("open", "doubt")  # these are counted to the last one, however old


@dataclass(frozen=True, slots=True)
class Chip:
    """One of the words to filter by, and how many orders it would show."""

    word: str
    name: str
    count: int
    counted_all: bool
    is_on: bool
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an address asks for. Whatever it asks for that can't be is as if nothing matched."""

    show: str = ""
    account: str = ""
    symbol: str = ""
    text: str = ""
    before: str = ""

    @classmethod
    def read(cls, told: QueryDict) -> Filter:
        return cls(**{name: told.get(name, "").strip()[:100] for name in cls.__slots__})

    @property
    def is_plain(self) -> bool:
        """Whether this is the newest of everything, where a new order belongs on top."""
        return self == Filter()

    @property
    def is_first_page(self) -> bool:
        return not self.before

    @property
    def newest(self) -> str:
        """The address of the first page."""
        return self.query(before="") or "?"

    @property
    def told(self) -> list[tuple[str, str]]:
        """What it asks for, as a form sends it."""
        return [(name, value) for name, value in asdict(self).items() if value]

    def query(self, **changes: str) -> str:
        """Return the address's query for this filter with some changes: "" for nothing set."""
        told = {name: value for name, value in asdict(replace(self, **changes)).items() if value}
        return f"?{urlencode(told)}" if told else ""

    def orders(self, user: User) -> OrderQuerySet:
        """Return the orders it shows, of those the person may see, newest first."""
        if self.show not in SHOWN or "\0" in "".join(asdict(self).values()):
            return Order.objects.none()
        return self._all_words(user).filter(SHOWN[self.show][1])

    def page(self, user: User, *, rows: int = ROWS) -> tuple[list[Order], str]:
        """Return one page of rows and the query of the next, "" if this is the last."""
        orders = self.orders(user).select_related("account").order_by("-id")
        if self.before:
            last = _uuid(self.before)
            orders = orders.filter(id__lt=last) if last else orders.none()
        found = list(orders[: rows + 1])
        more = len(found) > rows
        return found[:rows], self.query(before=str(found[rows - 1].id)) if more else ""

    def chips(self, user: User) -> list[Chip]:
        """Return every word to filter by, with its count under the rest of this filter."""
        if "\0" in "".join(asdict(self).values()):
            return []
        every = self._all_words(user)
        newest = Order.objects.filter(id__in=every.order_by("-id").values("id")[:COUNTED])
        recent: dict[str, Any] = newest.aggregate(
            **{word or "all": Count("id", filter=when) for word, (_, when) in SHOWN.items()}
        )
        exact: dict[str, Any] = every.filter(SHOWN["open"][1]).aggregate(
            **{word: Count("id", filter=SHOWN[word][1]) for word in EXACT}
        )
        counts = recent | exact
        full = recent["all"] >= COUNTED
        return [
            Chip(
                word=word,
                name=name,
                count=counts[word or "all"],
                counted_all=word in EXACT or not full,
                is_on=word == self.show,
                query=self.query(show=word, before=""),
            )
            for word, (name, _) in SHOWN.items()
        ]

    def _all_words(self, user: User) -> OrderQuerySet:
        orders = Order.objects.visible_to(user)
        if self.account:
            account = _uuid(self.account)
            orders = orders.filter(account_id=account) if account else orders.none()
        if self.symbol:
            orders = orders.filter(symbol=self.symbol.upper())
        if self.text:
            orders = orders.filter(
                Q(symbol__icontains=self.text)
                | Q(client_order_id__icontains=self.text)
                | Q(broker_order_id__icontains=self.text)
                | Q(account__name__icontains=self.text)
                | Q(reason__icontains=self.text)
                | Q(submission_reason__icontains=self.text)
            )
        return orders


def sequences(user: User) -> str:
    """Return how far each account has come, for the page to tell what it missed.

    To be read before the rows: a change in between is then told twice, and not never.
    """
    names = [str(account.id) for account in Account.objects.visible_to(user).only("id")]
    known = dict(AuditChain.objects.filter(name__in=names).values_list("name", "sequence"))
    return json.dumps({name: known.get(name, 0) for name in names})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
