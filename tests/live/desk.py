"""People, accounts and changes, by the desk's own doors, for tests that are asynchronous."""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async
from django.utils import timezone

from orders import actors, canceling, placing
from orders.models import Account, Order
from orders.web.rereading import Visitor
from tests.factories import AccountFactory, UserFactory, a_ticket
from tests.live.pages import session_of

in_database = database_sync_to_async


@in_database
def create(factory: Any, **traits: Any) -> Any:
    return factory(**traits)


async def a_person() -> Any:
    return await create(UserFactory)


async def an_account(**grants: Any) -> Account:
    account: Account = await create(AccountFactory, **grants)
    return account


@in_database
def place(account: Account) -> Order:
    """Place an order: one change of the account."""
    order, _ = placing.place(
        account, a_ticket(), source="page", actor=actors.component("test"), now=timezone.now()
    )
    return order


@in_database
def withdraw(order: Order) -> None:
    """Cancel an order that has not left: one more change."""
    canceling.cancel(order.id, actor=actors.component("test"), now=timezone.now())


@in_database
def grant(account: Account, user: Any, role: str = "trader") -> None:
    account.grants.create(user=user, role=role)


async def visitor(user: Any) -> Visitor:
    """Sign somebody in, as the hub knows them."""
    return Visitor(
        user_id=user.pk,
        session_key=await session_of(user),
        password_seal=user.get_session_auth_hash(),
    )
