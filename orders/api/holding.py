"""Addresses of an account's positions: what is held, and closing it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from brokers.messages import Holding
from orders import asking, closing, positioning, ranging, timing
from orders.api import accepting, describing, finding, stating
from orders.api.authenticating import account_of, actor_of
from orders.api.view import View
from orders.asking import NoAnswer
from orders.models import Account
from orders.models.order import OrderSource
from orders.money import EXACT, ZERO


@describing.tagged("Executions and positions")
class Positions(View):
    @extend_schema(
        operation_id="list_positions",
        summary="List positions",
        responses=describing.answers(stating.PositionList, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """By the desk's books, and by the broker's. If the broker takes more than two seconds,
        `broker_positions` is null and `broker_error` says why."""
        finding.query(request)
        account = account_of(request, account_id)
        holdings, failure = _theirs(account)
        told = {
            "positions": _beside(account, holdings),
            "broker_positions": holdings,
            "broker_error": failure,
        }
        return Response(stating.PositionList(told).data)

    @extend_schema(
        operation_id="close_positions",
        summary="Close all positions",
        parameters=[describing.IDEMPOTENCY_KEY],
        request=accepting.ClosingAllGiven,
        responses={
            207: describing.created(stating.OutcomeList, "What became of each."),
            **describing.refusals(403, 404, 413, 415, 422),
        },
    )
    def delete(self, request: Request, account_id: UUID) -> Response:
        """One market order for each, and each by itself: what can't be closed keeps nothing else
        open. Open orders are left as they are; cancel them first, or they may open it again."""
        account = account_of(request, account_id)
        outcomes = closing.close_all(
            account,
            **accepting.closing_all(request),
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        return Response(stating.OutcomeList({"positions": outcomes}).data, status=207)


@describing.tagged("Executions and positions")
class PositionDetail(View):
    @extend_schema(
        operation_id="read_position",
        summary="Read a position",
        responses=describing.answers(stating.PositionShown, 404),
    )
    def get(self, request: Request, account_id: UUID, symbol: str) -> Response:
        """By the desk's books, with the broker's own count beside it. A symbol that neither the
        desk nor the broker knows of in this account is not found."""
        finding.query(request)
        account = account_of(request, account_id)
        wanted = accepting.symbol(symbol)
        holdings, _ = _theirs(account)
        row = next((row for row in _beside(account, holdings) if row["symbol"] == wanted), None)
        if row is None:
            raise NotFound
        return Response(stating.PositionShown(row).data)

    @extend_schema(
        operation_id="close_position",
        summary="Close a position, or a part of it",
        parameters=[describing.IDEMPOTENCY_KEY],
        request=accepting.ClosingGiven,
        examples=describing.CLOSING,
        responses={
            201: describing.created(stating.ClosingShown, "Recorded, and on its way."),
            200: describing.created(stating.ClosingShown, "You asked for this very one before."),
            **describing.refusals(403, 404, 409, 413, 415, 422),
        },
    )
    def delete(self, request: Request, account_id: UUID, symbol: str) -> Response:
        """One market order against what the desk's own executions hold. A symbol may hold a slash,
        written as it is or as %2F.

        No answer? Send the same request again: the client order id makes it the same order,
        whatever is held by then."""
        account = account_of(request, account_id)
        asked = accepting.closing(request, symbol)
        bind_contextvars(client_order_id=asked["client_order_id"])
        closed = closing.close(
            account,
            **asked,
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        bind_contextvars(order=str(closed.order.id))
        return Response(stating.ClosingShown(closed).data, status=201 if closed.is_new else 200)


def _theirs(account: Account) -> tuple[tuple[Holding, ...] | None, str | None]:
    """Return the broker's own positions, or why it did not say."""
    try:
        return asking.holdings(account), None
    except NoAnswer as error:
        return None, str(error)


def _beside(account: Account, holdings: tuple[Holding, ...] | None) -> list[dict[str, Any]]:
    """Return each position with its range, and the broker's own count beside it."""
    known = ranging.ranges(account)
    theirs = {holding.symbol: holding.quantity for holding in holdings or ()}
    rows = []
    for symbol in sorted(known.keys() | theirs.keys()):
        within = known.get(symbol) or ranging.around(positioning.nothing(account, symbol))
        said = None if holdings is None else theirs.get(symbol, ZERO)
        rows.append(_row(within, said))
    return rows


def _row(within: ranging.Range, said: Decimal | None) -> dict[str, Any]:
    position = within.position
    sign = position.quantity.compare(ZERO)
    return {
        "symbol": position.symbol,
        "side": {1: "long", -1: "short"}.get(int(sign), ""),
        "quantity": position.quantity,
        "least": within.least,
        "most": within.most,
        "in_doubt": [order.id for order in within.unseen],
        "average_price": position.average_price,
        "realized": position.realized,
        "fees": position.fees,
        "net": position.net,
        "broker_quantity": said,
        "drift": None if said is None else EXACT.subtract(said, position.quantity),
    }
