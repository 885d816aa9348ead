"""Pages about orders: the blotter, one order, those in doubt, and what was traded."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from orders import asking, connecting, positioning, ranging
from orders.asking import NoAnswer
from orders.models import Account, Execution, Order
from orders.money import EXACT, ZERO, worth
from orders.states import OPEN_MUTATION
from orders.web import exposure, family, story
from orders.web.filtering import ROWS, Filter, sequences
from orders.web.people import Request, may_trade, members_only, order_or_404, tradable_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One position: by our books, and by the broker's."""

    account: Account
    symbol: str
    ours: Decimal
    theirs: Decimal | None  # None: the broker did not say
    average_price: Decimal | None
    realized: Decimal  # before fees
    fees: Decimal
    net: Decimal
    last: Decimal | None
    unrealized: Decimal | None
    least: Decimal | None  # ours, if every sell that may be live fills; None: no price is known
    most: Decimal | None  # ours, if every buy that may be live fills

    @property
    def drift(self) -> Decimal | None:
        """How far the broker's count is from ours, or None if it did not say."""
        return None if self.theirs is None else EXACT.subtract(self.theirs, self.ours)

    @property
    def query(self) -> str:
        """The position's name in an address."""
        return urlencode({"account": self.account.id, "symbol": self.symbol})

    @property
    def value(self) -> Decimal | None:
        return None if self.last is None else worth(self.ours, self.last)


@members_only
@require_GET
def blotter(request: Request) -> HttpResponse:
    """Every order the person may see, filtered by the address; or the rows alone."""
    wanted, reached = Filter.read(request.GET), sequences(request.user)
    orders, following = wanted.page(request.user)
    tradable = tradable_ids(request)
    context = {
        "nav": "orders",
        "sequences": reached,
        "filter": wanted,
        "rows": [(order, order.account_id in tradable) for order in orders],
        "next": following,
        "accounts": Account.objects.visible_to(request.user),
    }
    if request.htmx.target == "rows" or request.GET.get("part") == "rows":
        return render(request, "orders/_rows.html", context)
    return render(request, "orders/blotter.html", context)


@members_only
@require_GET
def chips(request: Request) -> HttpResponse:
    """The words to filter by, with their counts."""
    wanted = Filter.read(request.GET)
    return render(request, "orders/_chips.html", {"chips": wanted.chips(request.user)})


@members_only
@require_GET
def order(request: Request, order_id: UUID) -> HttpResponse:
    """One order: what it is and why, and everything that happened to it."""
    shown = order_or_404(request, order_id)
    broker = connecting.passport(shown.account).title
    told = story.steps(shown, broker=broker)
    context = {
        "nav": "orders",
        "order": shown,
        "broker": broker,
        "steps": told[::-1],
        "clauses": story.why(shown, told, broker=broker),
        "chain": story.replace_chain(shown),
        "family": family.of(shown),
        "fills": shown.executions.order_by("-executed_at", "-id"),
        "can_trade": may_trade(request, shown),
        "replacing": shown.replacements.filter(submission__in=OPEN_MUTATION - {"accepted"}).first(),
        "doubt": exposure.doubts([shown])[0] if shown.is_in_doubt else None,
        "incidents": shown.incidents.open(),
        "ruling": shown.rulings.filter(state="proposed").select_related("proposed_by").first(),
    }
    template = "orders/_order.html" if request.htmx else "orders/order.html"
    return render(request, template, context)


@members_only
@require_GET
def doubt(request: Request) -> HttpResponse:
    """Orders that may be live without our knowing, by what hangs on them."""
    orders = Order.objects.visible_to(request.user).in_doubt().select_related("account")
    tradable = tradable_ids(request)
    found = exposure.doubts(list(orders.order_by("submission_at")[:ROWS]))
    context = {
        "nav": "doubt",
        "doubts": [(item, item.order.account_id in tradable) for item in found],
    }
    template = "orders/_doubt.html" if request.htmx else "orders/doubt.html"
    return render(request, template, context)


@members_only
@require_GET
def doubt_count(request: Request) -> HttpResponse:
    """How many orders are in doubt: said on every page."""
    count = Order.objects.visible_to(request.user).in_doubt().count()
    return render(request, "orders/_doubt_count.html", {"doubt_count": count})


@members_only
@require_GET
def executions(request: Request) -> HttpResponse:
    """What was traded, newest first."""
    fills = Execution.objects.visible_to(request.user).select_related("account", "order")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        fills = fills.filter(id__lt=int(before))
    found = list(fills.order_by("-id")[: ROWS + 1])
    context = {
        "nav": "executions",
        "fills": found[:ROWS],
        "next": f"?before={found[ROWS - 1].id}" if len(found) > ROWS else "",
    }
    template = "orders/_executions.html" if request.htmx else "orders/executions.html"
    return render(request, template, context)


@members_only
@require_GET
def positions(request: Request) -> HttpResponse:
    """What is held, by our books beside the broker's own."""
    if not request.htmx and "now" not in request.GET:
        return render(request, "orders/positions.html", {"nav": "positions", "holdings": None})
    accounts = list(Account.objects.visible_to(request.user))
    tradable = tradable_ids(request)
    found = [
        (holding, account.id in tradable) for account in accounts for holding in holdings(account)
    ]
    template = "orders/_positions.html" if request.htmx else "orders/positions.html"
    return render(request, template, {"nav": "positions", "holdings": found})


def holdings(account: Account, *, ask_broker: bool = True) -> list[Holding]:
    """Return an account's positions that are not flat on both sides."""
    theirs = _theirs(account) if ask_broker else None
    ours = ranging.ranges(account)
    found = []
    for symbol in sorted(ours.keys() | (theirs or {}).keys()):
        known = ours.get(symbol) or ranging.around(positioning.nothing(account, symbol))
        position, held = known.position, known.position.quantity
        said = None if theirs is None else theirs.get(symbol, ZERO)
        if not any((held, said, known.unseen, position.realized)):
            continue
        last = _last(account, symbol) if held or said else None
        found.append(
            Holding(
                account=account,
                symbol=symbol,
                ours=held,
                theirs=said,
                average_price=position.average_price,
                realized=position.realized,
                fees=position.fees,
                net=position.net,
                last=last,
                unrealized=None if last is None else position.unrealized(last),
                least=known.least,
                most=known.most,
            )
        )
    return found


def _theirs(account: Account) -> dict[str, Decimal] | None:
    try:
        return {holding.symbol: holding.quantity for holding in asking.holdings(account)}
    except NoAnswer:
        return None


def _last(account: Account, symbol: str) -> Decimal | None:
    try:
        quote = asking.quote(account, symbol)
    except NoAnswer:
        return None
    return quote.last if quote else None
