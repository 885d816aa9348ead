"""Finds the orders that a list asks for.

They are listed by `submitted_at`, which is where a client goes on reading with `until` or `after`.
Beyond Alpaca, `before_order_id` and `after_order_id` go on from an order itself, so that no two of
one moment hide each other, and `updated_after` tells what changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from rest_framework.request import Request

from brokers.reasons import Reason
from orders.api.alpaca import foretelling, naming, showing, stating
from orders.api.alpaca.fields import choice, count, moment, yes_or_no
from orders.api.alpaca.refusing import Declined, declined, not_found
from orders.models import Account, Order
from orders.states import Submission

USUAL, MOST = 50, 500
MOST_SYMBOLS = 200
PAIR = Q(symbol__contains="/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which orders a list is to show, and how."""

    status: str
    limit: int
    direction: str
    nested: bool
    side: str
    symbols: tuple[str, ...]
    classes: frozenset[str]
    after: datetime | None
    until: datetime | None
    updated_after: datetime | None
    before_order: Order | None
    after_order: Order | None


def listed(request: Request, account: Account) -> list[dict[str, Any]]:
    """Return the orders that a request asks for, as they are shown. Raises Declined."""
    wanted = _wanted(request, account)
    found = _found(wanted, account)
    step = ("placed_at", "id") if wanted.direction == "asc" else ("-placed_at", "-id")
    return showing.several(found.order_by(*step)[: wanted.limit], nested=wanted.nested)


class Foretold(Declined):
    """The order is a leg that nobody has told of yet: it can be seen, and not changed."""

    def __init__(self, leg: Order, entry: Order) -> None:
        status = stating.of_foretold(entry)
        super().__init__(422, 42210000, f"order is in {status} status, and not at its broker yet")
        self.shown = showing.one(leg, status=status)
        self.entry = entry


def the_order(account: Account, given: str) -> Order:
    """Return an order of this account by its id. Raises Foretold, or Declined for any other's."""
    try:
        wanted = UUID(given)
    except ValueError:
        raise not_found(f"order not found for {given[:128]}") from None
    found = showing.orders_of(account).filter(id=wanted).first()
    if found is not None:
        return found
    leg = foretelling.leg(account, wanted)
    if leg is None or leg.parent is None:
        raise not_found(f"order not found for {given[:128]}")
    raise Foretold(leg, leg.parent)


def _wanted(request: Request, account: Account) -> Wanted:
    told = request.query_params
    before, after = (_cursor(told.get(name, ""), name, account) for name in CURSORS)
    times = {name: moment(name, told.get(name, "")) for name in ("after", "until", "updated_after")}
    if before and after:
        raise declined(Reason.UNWANTED_FIELD, f"only one of {' or '.join(CURSORS)} is accepted")
    if (before or after) and (times["after"] or times["until"]):
        raise declined(
            Reason.UNWANTED_FIELD, f"{' and '.join(CURSORS)} are not accepted with after or until"
        )
    return Wanted(
        status=choice("status", told.get("status", ""), ("open", "closed", "all")),
        limit=count("limit", told.get("limit", ""), usual=USUAL, most=MOST),
        direction=choice("direction", told.get("direction", ""), ("desc", "asc")),
        nested=yes_or_no("nested", told.get("nested", "")),
        side=choice("side", told.get("side", ""), ("", "buy", "sell")),
        symbols=_symbols(told.get("symbols", ""), account),
        classes=_classes(told.get("asset_class", "")),
        before_order=before,
        after_order=after,
        **times,
    )


CURSORS = ("before_order_id", "after_order_id")
CLASSES = frozenset({"us_equity", "us_option", "crypto", "all"})


def _found(wanted: Wanted, account: Account) -> Any:
    orders = showing.orders_of(account)
    if wanted.nested:
        orders = orders.filter(parent__isnull=True)
    match wanted.status:
        case "open" if wanted.nested:
            # What protects a position is not to be hidden by its entry's having ended.
            open_orders = Order.objects.filter(account=account).open()
            protecting = Q(pk__in=_with_open_legs(account))
            orders = orders.filter(Q(pk__in=open_orders.values("pk")) | protecting)
        case "open":
            orders = orders.open()
        case "closed":
            orders = orders.ended()
    filters: dict[str, Any] = {
        "side": wanted.side,
        "symbol__in": wanted.symbols,
        "placed_at__gt": wanted.after,
        "placed_at__lt": wanted.until,
        "changed_at__gt": wanted.updated_after,
    }
    orders = orders.filter(**{name: value for name, value in filters.items() if value})
    if wanted.before_order:
        orders = orders.filter(_than(wanted.before_order, "lt"))
    if wanted.after_order:
        orders = orders.filter(_than(wanted.after_order, "gt"))
    if wanted.classes:
        pairs, shares = "crypto" in wanted.classes, "us_equity" in wanted.classes
        orders = orders.filter(PAIR if pairs else Q(pk__in=[])) | (
            orders.filter(~PAIR if shares else Q(pk__in=[]))
        )
    return orders


def _with_open_legs(account: Account) -> set[UUID]:
    """Return the orders that show a leg which is open: the last ones of their chains."""
    open_legs = Order.objects.filter(account=account, parent__isnull=False).open().order_by()
    parents = set(open_legs.values_list("parent_id", flat=True))
    replaced = parents
    while replaced:
        followed = Order.objects.filter(replaces__in=replaced, submission=Submission.ACCEPTED)
        took_place = dict(followed.order_by().values_list("replaces_id", "id"))
        parents = (parents - took_place.keys()) | set(took_place.values())
        replaced = set(took_place.values())
    return parents


def _than(order: Order, which: str) -> Q:
    """Return what is listed before an order ("lt") or after it ("gt") in time."""
    same = Q(placed_at=order.placed_at, **{f"id__{which}": order.id})
    return Q(**{f"placed_at__{which}": order.placed_at}) | same


def _cursor(given: str, name: str, account: Account) -> Order | None:
    if not given:
        return None
    try:
        found = Order.objects.filter(account=account, id=UUID(given)).first()
    except ValueError:
        found = None
    if found is None:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    return found


def _symbols(given: str, account: Account) -> tuple[str, ...]:
    symbols = [symbol for symbol in given.split(",") if symbol]
    if len(symbols) > MOST_SYMBOLS or any("\0" in symbol for symbol in symbols):
        raise declined(Reason.INVALID_FIELD, "invalid symbols")
    return tuple(naming.symbol_of(account, symbol) for symbol in symbols)


def _classes(given: str) -> frozenset[str]:
    classes = frozenset(word for word in given.split(",") if word)
    if classes - CLASSES:
        raise declined(Reason.INVALID_FIELD, "invalid asset_class")
    return frozenset() if "all" in classes else classes
