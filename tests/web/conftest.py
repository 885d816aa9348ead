"""A person with one account at the scripted broker, and a browser without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from orders import asking
from orders.models import Account
from tests.factories import AccountFactory, UserFactory
from tests.fakes import ScriptedBroker


@pytest.fixture(autouse=True)
def _forget_prices() -> None:
    asking._kept.clear()
    asking._noted.clear()
    asking._away.clear()


@pytest.fixture
def trader(db: None) -> Any:
    return UserFactory(username="ana")


@pytest.fixture
def account(trader: Any, broker: ScriptedBroker) -> Account:
    return AccountFactory(name="Scripted 1", trader=trader)


@pytest.fixture
def page(trader: Any, client: Client) -> Client:
    """Ana's browser, signed in."""
    client.force_login(trader)
    return client


HTMX = {"HX-Request": "true"}
