"""The stream of a running desk, followed by the bridge of another."""

from __future__ import annotations

from typing import Any

import pytest

from brokers.alpaca.streaming import TradeUpdates
from orders.models import Stream
from tests.factories import AccountFactory
from tests.fakes import ScriptedBroker
from tests.running_desk import Desk, desk, desk_process  # noqa: F401
from tests.streams.conftest import Start, comes_to_be, row, work
from tests.streams.upstream import until
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


def told(about: str) -> list[Any]:
    """What deliveries tell of the order that the other desk knows by this id."""
    heard = [TradeUpdates().read(bytes(each.body)) for each in Delivery.objects.order_by("id")]
    return [one for one in heard if about in {s.broker_order_id for s in one.report.snapshots}]


def test_what_happens_there_is_in_the_inbox_here(
    desk: Desk,  # noqa: F811
    streaming: ScriptedBroker,
    start: Start,
) -> None:
    key, secret = desk.api.headers["X-API-Key"], desk.api.headers["X-API-Secret"]
    account = AccountFactory(base_url=f"{desk.url}/alpaca")
    account.seal_credentials({"key": key, "secret": "not it"})
    account.save()
    start()
    until(lambda: row(account, "unauthorized"))

    account.seal_credentials({"key": key, "secret": secret})
    account.save()
    comes_to_be(account, "live")
    order = desk.place(quantity="5")

    until(lambda: any(each.event == "fill" for each in told(order)))
    work()
    deliveries = Delivery.objects.filter(endpoint__account=account)
    assert not deliveries.filter(state="dead").exists()
    assert Stream.objects.get(account=account).event_id
    [fill] = [fill for each in told(order) for fill in each.report.fills]
    assert (str(fill.quantity), fill.broker_order_id) == ("5", order)
