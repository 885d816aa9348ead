"""A position is a range while orders may trade without our knowing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orders import asking
from orders.models import Account
from orders.ranging import ranges
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import ScriptedBroker
from tests.orders.holding import hold

pytestmark = pytest.mark.django_db

SELL, BUY = {"side": "sell"}, {"side": "buy"}
CLOSE = {"position_effect": "close"}


@pytest.fixture(autouse=True)
def _forget_answers() -> None:
    asking._kept.clear()


@pytest.fixture
def account(broker: ScriptedBroker) -> Account:
    account: Account = AccountFactory()
    return account


@pytest.mark.parametrize(
    ("held", "unseen", "within"),
    [
        ("10", [], (10, 10)),
        ("10", [SELL], (0, 10)),
        ("10", [BUY], (10, 20)),
        ("10", [SELL, SELL, BUY], (-10, 20)),
        ("-3", [SELL, BUY], (-13, 7)),
        # What only closes goes as far as nothing, and no further.
        ("4", [SELL | CLOSE], (0, 4)),
        ("-4", [SELL | CLOSE], (-4, -4)),
        ("-4", [BUY | CLOSE], (-4, 0)),
        ("4", [BUY | CLOSE], (4, 4)),
        # Whichever of the two comes first: to close, and then to sell on.
        ("12", [SELL | CLOSE, SELL], (-8, 12)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("trait", ["unknown", "sending"])
def test_range(
    account: Account,
    trait: str,
    held: str,
    unseen: list[dict[str, Any]],
    within: tuple[int, int],
) -> None:
    hold(account, held)
    orders = [OrderFactory(account=account, **{trait: True}, **fields) for fields in unseen]

    found = ranges(account)["ACME"]

    assert (found.least, found.most) == within
    assert found.unseen == tuple(orders)
    assert found.position.quantity == Decimal(held)


@pytest.mark.parametrize("trait", ["working", "filled", "canceled", "refused"])
def test_what_is_known_of_an_order_makes_no_range(account: Account, trait: str) -> None:
    OrderFactory(account=account, **{trait: True})

    assert ranges(account) == {}


def test_an_order_for_money_reaches_as_far_as_the_price_lets_it(account: Account) -> None:
    money = {"quantity": None, "notional": Decimal(500), "unknown": True}
    OrderFactory(account=account, order_type="market", limit_price=None, **money)

    assert ranges(account)["ACME"].most == 5  # at 100, the scripted broker's price


def test_without_a_price_nobody_says_how_far(account: Account) -> None:
    money = {"quantity": None, "notional": Decimal(500), "unknown": True, "symbol": "NONE"}
    OrderFactory(account=account, order_type="market", limit_price=None, **money)

    within = ranges(account)["NONE"]

    assert (within.least, within.most) == (0, None)


def test_other_accounts_orders_are_not_in_it(account: Account) -> None:
    OrderFactory(unknown=True)

    assert ranges(account) == {}
