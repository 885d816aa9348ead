"""Orders in doubt, and what may come of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.errors import OutcomeUnknown
from orders import recording
from orders.models import Account, Order
from orders.models.facts import Heard
from tests.factories import OrderFactory
from tests.fakes import ScriptedBroker, call


def in_doubt(**changes: object) -> Order:
    return OrderFactory(unknown=True, **changes)


def a_known_order(account: Account, broker: ScriptedBroker) -> Order:
    """The positive control: an order the broker is known to have, and shows in its list."""
    known = OrderFactory(working=True, account=account)
    broker.has(known.ticket())
    return known


def after(order: Order, seconds: float) -> datetime:
    return order.submission_at + timedelta(seconds=seconds)


def webhook(order: Order, broker: ScriptedBroker, *, now: datetime) -> None:
    """Let the broker say by webhook that it has the order after all."""
    report = broker.has(order.ticket())
    recording.heed(order.account, report, heard=Heard.WEBHOOK, evidence="delivery:1", now=now)


def silent(*_: object) -> None:
    raise OutcomeUnknown("silence", call=call(None))
