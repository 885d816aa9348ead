"""The account: its figures, what its broker can do, its trades, and how well it is heard."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from brokers.passport import Passport, Strategy
from brokers.ticks import is_pair
from brokers.vocabulary import OrderClass, OrderType, PositionEffect
from orders import asking, connecting, positioning
from orders.api.counting import standing
from orders.api.gateway import showing
from orders.api.gateway.fields import count, moment, query, symbol
from orders.api.gateway.view import View
from orders.api.gateway.wording import not_found, unsupported
from orders.asking import NoAnswer
from orders.models import Account, Feed, Order
from orders.money import EXACT, ZERO, plain, total, worth

NOTHING: frozenset[str] = frozenset()
TRADES = frozenset({"symbol", "order_id", "since", "until", "limit"})
USUAL, MOST = 1000, 5000
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # a client can't read an answer without a time


class AccountShown(View):
    def get(self, request: Request) -> Response:
        """The account's figures, by its broker."""
        account = self.account_of(request)
        query(request, NOTHING)
        return Response(figures(account))


class Capabilities(View):
    def get(self, request: Request) -> Response:
        """What the account's broker can do, by its terms."""
        account = self.account_of(request)
        query(request, NOTHING)
        terms = connecting.passport(account)
        types = [str(kind).upper() for kind in OrderType if kind in terms.order_types]
        return Response(
            {
                "supported_asset_classes": _asset_classes(account, terms),
                "supported_order_types": types,
                "position_mode": "NETTING",
                "features": _features(terms),
            }
        )


class Trades(View):
    def get(self, request: Request) -> Response:
        """The trades that stand, newest first."""
        account = self.account_of(request)
        asked = query(request, TRADES)
        trades = standing(account)
        filters: dict[str, Any] = {
            "symbol": symbol(asked.get("symbol") or None),
            "executed_at__gte": moment("since", asked.get("since")),
            "executed_at__lt": moment("until", asked.get("until")),
        }
        trades = trades.filter(**{name: value for name, value in filters.items() if value})
        if asked.get("order_id"):
            trades = trades.filter(order_id=_order_id(account, asked["order_id"]))
        limit = count("limit", asked.get("limit"), usual=USUAL, most=MOST)
        found = list(trades.order_by("-executed_at", "-pk")[:limit])
        told = currency(account) if found else ""
        return Response([trade(one, told) for one in found])


class Status(View):
    def get(self, request: Request) -> Response:
        """How well the desk hears the broker."""
        account = self.account_of(request)
        query(request, NOTHING)
        feed = Feed.objects.get(account=account)
        return Response(
            {
                "connected": feed.heard_at is not None and feed.silent_since is None,
                "latency_ms": feed.took_ms or 0,
                "last_heartbeat": showing.moment(feed.heard_at or NEVER),
            }
        )


class Breakers(View):
    def get(self, request: Request) -> Response:
        """Whether orders leave the desk, and how many positions lack their protection."""
        account = self.account_of(request)
        query(request, NOTHING)
        return Response(_breakers(account))


class BreakersReset(View):
    def post(self, request: Request) -> Response:
        """Answer how they stand. What holds orders back is released by a person, at the desk."""
        account = self.account_of(request)
        told = _breakers(account)
        if told["adapter"]["state"] == "open":
            why = "a halt is released by a person, at the desk"
            raise unsupported("reset_circuit_breakers", account.broker, why)
        return Response(told)


def _asset_classes(account: Account, terms: Passport) -> list[str]:
    try:
        pairs = {is_pair(one.symbol) for one in asking.instruments(account)}
    except NoAnswer:
        pairs = {False, True}
    takes_pairs = terms.pairs is None or bool(terms.pairs)
    has = {"STOCK": False in pairs, "CRYPTO": True in pairs and takes_pairs}
    return [name for name, is_so in has.items() if is_so]


def _features(terms: Passport) -> list[str]:
    """Return what is more than placing an order. A trailing stop goes by two names."""
    trails = OrderType.TRAILING_STOP in terms.order_types
    has = {
        "bracket_orders": terms.strategy(OrderClass.BRACKET) is Strategy.NATIVE,
        "trailing_stop": trails,
        "trailing_stops": trails,
        "get_quote": True,
        "short_selling": terms.sells_short,
        "reduce_only": PositionEffect.CLOSE in terms.position_effects,
    }
    return [name for name, is_so in has.items() if is_so]


def _order_id(account: Account, given: str) -> UUID:
    try:
        found = Order.objects.filter(account=account, id=UUID(given)).first()
    except ValueError:
        found = None
    if found is None:
        raise not_found("order", given)
    return found.id


def figures(account: Account) -> dict[str, Any]:
    """Return the account's figures, by its broker. Raises NoAnswer."""
    told = asking.balance(account)
    costs = (
        worth(one.quantity, one.average_price or ZERO) for one in positioning.positions([account])
    )
    value = EXACT.subtract(told.equity, told.cash)
    return {
        "balance": plain(told.cash),
        "equity": plain(told.equity),
        "margin_used": "0",  # the desk lends nothing
        "margin_available": plain(told.buying_power),
        "unrealized_pnl": plain(EXACT.subtract(value, total(costs))),
        "currency": told.currency,
    }


def currency(account: Account) -> str:
    """Return what the account's money is in, as far as its broker says."""
    try:
        return asking.balance(account).currency
    except NoAnswer:
        return "USD"


def trade(execution: Any, money: str) -> dict[str, Any]:
    """Return a trade as it is shown. It keeps its id, however often it is amended."""
    return {
        "id": str(execution.first_pk),
        "order_id": str(execution.order_id),
        "symbol": execution.symbol,
        "side": str(execution.side).upper(),
        "quantity": plain(execution.quantity),
        "price": plain(execution.price),
        "commission": plain(execution.fee),
        "commission_currency": money,
        "timestamp": showing.moment(execution.executed_at),
        "blotter": {"execution_id": execution.execution_id},
    }


def _breakers(account: Account) -> dict[str, dict[str, Any]]:
    """Return what holds orders back: open says that none leave. Exits are never held back."""
    feed = Feed.objects.get(account=account)
    holds = account.halted_at is not None or account.unsure_since is not None
    unprotected = Order.objects.filter(account=account, unprotected_since__isnull=False).count()
    return {
        "adapter": {
            "state": "open" if holds or not account.is_open else "closed",
            "failure_count": int(feed.silent_since is not None),
        },
        "exit_order": {"state": "closed", "failure_count": unprotected},
    }
