"""A program written for the Trading Gateway, with a key of this desk's and the address changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse

from orders import sending
from orders.api.gateway import awaiting
from orders.models import Account
from tests.api.conftest import Program, a_program


class Strategy(Program):
    """What the Gateway's SDK puts on the wire."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key.key}.{self.secret}"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        if not path.startswith("/"):
            path = f"/gateway/v1/{path}"
        return super().ask(method, path, body, **headers)

    def place(self, **changes: Any) -> HttpResponse:
        """Place an order: buy 10 ACME at 99.50. A change to ... leaves a field out."""
        return self.ask("POST", "orders", an_order(**changes))


def an_order(**changes: Any) -> dict[str, Any]:
    told = {
        "symbol": "ACME",
        "side": "BUY",
        "quantity": "10",
        "order_type": "LIMIT",
        "limit_price": "99.50",
        **changes,
    }
    return {name: value for name, value in told.items() if value is not ...}


def a_strategy(account: Account | None = None, *, may_trade: bool = True) -> Strategy:
    program = a_program(account, may_trade=may_trade)
    return Strategy(program.account, program.key, program.secret)


@pytest.fixture
def bot(db: None, broker: object, monkeypatch: pytest.MonkeyPatch) -> Strategy:
    """A strategy that may trade in one account, whose broker is asked when the test says so."""
    monkeypatch.setattr(awaiting, "ANSWERED_WITHIN", 0)
    return a_strategy()


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is asked while the client waits for an answer."""
    look = awaiting.until

    def send_then_look(account: Account, order: Any, is_so: Any) -> Any:
        sending.send(order.id)
        return look(account, order, is_so)

    monkeypatch.setattr(awaiting, "until", send_then_look)


def check_declined(
    answer: HttpResponse, status: int, code: str, message: str = "", /, **details: Any
) -> None:
    """Check a refusal as the SDK reads one."""
    assert answer.status_code == status, answer.told
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"]
    told = answer.json()
    assert told["code"] == code, told
    assert message in told["message"], told
    assert isinstance(told["message"], str)
    assert told["message"]
    shown = told.get("details", {})
    assert {name: shown.get(name) for name in details} == details, told
