"""A program with a key, as the API's tests need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from orders.ids import uuid7
from orders.models import Account, ApiKey
from tests.factories import AccountFactory


@dataclass
class Program:
    """A program that holds one key, and what it can ask."""

    account: Account
    key: ApiKey
    secret: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key.key, "X-API-Secret": self.secret}

    @property
    def orders(self) -> str:
        return f"/api/v1/accounts/{self.account.id}/orders"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Make one request; the answer's `told` is its JSON."""
        if not path.startswith("/"):
            path = f"/api/v1/accounts/{self.account.id}/{path}"
        ask = getattr(self.client, method.lower())
        answer = ask(
            path,
            **({} if body is None else {"data": body, "content_type": "application/json"}),
            headers=self.headers | headers,
        )
        answer.told = answer.json() if answer.content else None
        return answer

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.ask("GET", path, **headers)

    def place(self, **changes: Any) -> HttpResponse:
        """Place an order: buy 10 ACME at 99.50. A change to ... leaves a field out."""
        return self.ask("POST", "orders", terms(**changes))


def terms(**changes: Any) -> dict[str, Any]:
    told = {
        "client_order_id": str(uuid7()),
        "symbol": "ACME",
        "side": "buy",
        "quantity": "10",
        "order_type": "limit",
        "limit_price": "99.50",
        **changes,
    }
    return {name: value for name, value in told.items() if value is not ...}


def a_program(account: Account | None = None, *, may_trade: bool = True) -> Program:
    account = account or AccountFactory()
    key, secret = ApiKey.issue(account, name="robot", now=timezone.now(), may_trade=may_trade)
    return Program(account, key, secret)


@pytest.fixture
def program(db: None, broker: object) -> Program:
    """A program that may trade in one account at the scripted broker."""
    return a_program()
