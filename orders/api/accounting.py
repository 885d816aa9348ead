"""Addresses of an account: its balance, what it can do, its trades, and what is wrong with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orders import asking, connecting
from orders.api import describing, finding, promising, showing, stating
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
        finding.query(request)
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
        finding.query(request)
        account: Any = account_of(request, account_id)
        account.balance, account.balance_error = None, None
        try:
            account.balance = asking.balance(account)
        except NoAnswer as error:
            account.balance_error = str(error)
        return Response(stating.AccountWithBalance(account).data)


@describing.tagged("Accounts")
class Capabilities(View):
    @extend_schema(
        operation_id="read_capabilities",
        summary="Read what an account can do",
        responses=describing.answers(promising.CapabilitiesShown, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """What its broker accepts and promises, as the desk has it on record: an order that does
        not fit is refused here, with the reason, and never sent."""
        finding.query(request)
        passport = connecting.passport(account_of(request, account_id))
        return Response(promising.CapabilitiesShown(passport).data)


@describing.tagged("Executions and positions")
class Executions(View):
    @extend_schema(
        operation_id="list_executions",
        summary="List executions",
        parameters=[finding.ExecutionQuery],
        responses=describing.answers(showing.ExecutionPage, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """The latest to become known first."""
        asked = finding.query(request, finding.ExecutionQuery)
        executions = Execution.objects.filter(account=account_of(request, account_id))
        for name, lookup in EXECUTION_FILTERS.items():
            if name in asked:
                executions = executions.filter(**{lookup: asked[name]})
        rows, after = page(executions, cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(showing.ExecutionPage({"executions": rows, "next_cursor": after}).data)


@describing.tagged("Incidents")
class Incidents(View):
    @extend_schema(
        operation_id="list_incidents",
        summary="List incidents",
        parameters=[finding.IncidentQuery],
        responses=describing.answers(stating.IncidentPage, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """What a person must know of, newest first: the account's own, and its orders'."""
        asked = finding.query(request, finding.IncidentQuery)
        incidents = Incident.objects.filter(account=account_of(request, account_id))
        if "open" in asked:
            incidents = incidents.filter(closed_at__isnull=asked["open"])
        rows, after = page(
            incidents.select_related("owner", "acknowledged_by"),
            cursor=asked.get("cursor"),
            limit=asked["limit"],
        )
        return Response(stating.IncidentPage({"incidents": rows, "next_cursor": after}).data)
