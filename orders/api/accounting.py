"""Addresses of an account: its balance, trades, positions, and what is wrong with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orders import asking, positioning
from orders.api import accepting, describing, showing, stating
from orders.api.authenticating import account_of, key_of
from orders.api.paging import page
from orders.api.view import View
from orders.asking import NoAnswer
from orders.models import Execution, Incident

EXECUTION_FILTERS = {
    "order_id": "order_id",
    "symbol": "symbol",
    "executed_after": "executed_at__gte",
    "executed_before": "executed_at__lt",
}


@describing.tagged("Accounts")
class Accounts(View):
    @extend_schema(
        operation_id="list_accounts",
        summary="List the key's accounts",
        responses=describing.answers(stating.AccountList),
    )
    def get(self, request: Request) -> Response:
        """A key belongs to one account, so there is one."""
        accepting.query(request, accepting.Strict)
        return Response(stating.AccountList({"accounts": [key_of(request).account]}).data)


@describing.tagged("Accounts")
class AccountDetail(View):
    @extend_schema(
        operation_id="read_account",
        summary="Read an account",
        responses=describing.answers(stating.AccountWithBalance, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """The balance is asked of the broker. If that takes more than two seconds, it is null and
        `balance_error` says why."""
        accepting.query(request, accepting.Strict)
        account: Any = account_of(request, account_id)
        account.balance, account.balance_error = None, None
        try:
            account.balance = asking.balance(account)
        except NoAnswer as error:
            account.balance_error = str(error)
        return Response(stating.AccountWithBalance(account).data)


@describing.tagged("Executions and positions")
class Executions(View):
    @extend_schema(
        operation_id="list_executions",
        summary="List executions",
        parameters=[accepting.ExecutionQuery],
        responses=describing.answers(showing.ExecutionPage, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """The latest to become known first."""
        asked = accepting.query(request, accepting.ExecutionQuery)
        executions = Execution.objects.filter(account=account_of(request, account_id))
        for name, lookup in EXECUTION_FILTERS.items():
            if name in asked:
                executions = executions.filter(**{lookup: asked[name]})
        rows, after = page(executions, cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(showing.ExecutionPage({"executions": rows, "next_cursor": after}).data)


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
        accepting.query(request, accepting.Strict)
        account = account_of(request, account_id)
        holdings, failure = None, None
        try:
            holdings = asking.holdings(account)
        except NoAnswer as error:
            failure = str(error)
        told = {
            "positions": positioning.positions([account]),
            "broker_positions": holdings,
            "broker_error": failure,
        }
        return Response(stating.PositionList(told).data)


@describing.tagged("Incidents")
class Incidents(View):
    @extend_schema(
        operation_id="list_incidents",
        summary="List incidents",
        parameters=[accepting.IncidentQuery],
        responses=describing.answers(stating.IncidentPage, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """What a person must know of, newest first: the account's own, and its orders'."""
        asked = accepting.query(request, accepting.IncidentQuery)
        incidents = Incident.objects.filter(account=account_of(request, account_id))
        if "open" in asked:
            incidents = incidents.filter(closed_at__isnull=asked["open"])
        rows, after = page(
            incidents.select_related("owner", "acknowledged_by"),
            cursor=asked.get("cursor"),
            limit=asked["limit"],
        )
        return Response(stating.IncidentPage({"incidents": rows, "next_cursor": after}).data)
