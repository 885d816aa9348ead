"""A program written for Alpaca, with a key of this desk's and the address changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse

import tests.alpaca_py  # noqa: F401
from orders.models import Account
from tests.api.conftest import Program, a_program
from tests.paper_exchange import paper, paper_process  # noqa: F401


class Bot(Program):
    """What Alpaca's SDKs put on the wire."""

    @property
    def headers(self) -> dict[str, str]:
        return {"APCA-API-KEY-ID": self.key.key, "APCA-API-SECRET-KEY": self.secret}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        if not path.startswith("/"):
            path = f"/alpaca/v2/{path}"
        return super().ask(method, path, body, **headers)

    def place(self, **changes: Any) -> HttpResponse:
        """Place an order: buy 10 ACME at 99.50. A change to ... leaves a field out."""
        return self.ask("POST", "orders", an_order(**changes))


def an_order(**changes: Any) -> dict[str, Any]:
    told = {
        "symbol": "ACME",
        "qty": 10.0,
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "limit_price": 99.5,
        **changes,
    }
    return {name: value for name, value in told.items() if value is not ...}


def a_bot(account: Account | None = None, *, may_trade: bool = True) -> Bot:
    program = a_program(account, may_trade=may_trade)
    return Bot(program.account, program.key, program.secret)


@pytest.fixture
def bot(db: None, broker: object) -> Bot:
    """A bot that may trade in one account at the scripted broker."""
    return a_bot()


def check_declined(answer: HttpResponse, status: int, code: int, message: str = "") -> None:
    """Check a refusal as Alpaca's SDKs read one."""
    assert answer.status_code == status, answer.told
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"]
    told = answer.json()
    assert (told["code"], type(told["code"])) == (code, int), told
    assert message in told["message"], told
    assert isinstance(told["message"], str)
    assert told["message"]
