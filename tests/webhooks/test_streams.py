"""What a stream told is in the inbox beside the webhooks, and nobody else can put it there."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from brokers import registry, signatures
from brokers.alpaca.streaming import TradeUpdates
from brokers.registry import Broker
from orders import recording
from orders.models import Account, AuditEvent, Incident, Order, Stream
from orders.models.facts import Heard
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import ScriptedBroker
from tests.orders.test_constraints import refuses
from tests.streams.upstream import as_binary, update
from tests.webhooks.conftest import TESTS, forget_gates, kept
from webhooks import door
from webhooks.enrolling import Unfit, decommission, enroll, enroll_stream, rotate
from webhooks.management.naming import endpoint_named
from webhooks.models import Delivery, Endpoint, EndpointSecret
from webhooks.trusting import gate_of
from webhooks.understanding import understand_waiting

SECRET = "whsec_" + "VGhlaXJz" * 4


def a_stream() -> Endpoint:
    return enroll_stream(AccountFactory(), actor=TESTS, now=timezone.now())


def with_a_secret() -> Endpoint:
    """A stream to whose row somebody has managed to add a secret."""
    endpoint = a_stream()
    EndpointSecret.seal(endpoint, SECRET, created_at=timezone.now()).save()
    return endpoint


@pytest.mark.django_db(transaction=True)
class TestTheDoor:
    async def test_leads_to_no_stream(self) -> None:
        forget_gates()
        endpoint = await sync_to_async(with_a_secret)()
        body, entrance = as_binary(update("fill")), door.Door()
        stamp = int(timezone.now().timestamp())
        signed = {
            "webhook-id": "m",
            "webhook-timestamp": str(stamp),
            "webhook-signature": signatures.sign(SECRET, "m", stamp, body),
        }
        transport = httpx.ASGITransport(app=entrance)  # type: ignore[arg-type]

        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
            for token in (endpoint.token, endpoint.id.hex):
                answer = await client.post(f"/webhooks/{token}", content=body, headers=signed)
                assert answer.status_code == 404
        await entrance.close()

        assert await gate_of(endpoint.token) is None  # nor if that took such an address
        assert not await Delivery.objects.aexists()


@pytest.mark.django_db
class TestEndpoint:
    @pytest.mark.parametrize("token", ["0" * 32, "anything"])
    def test_of_a_stream_has_no_address(self, token: str) -> None:
        endpoint = a_stream()

        refuses(
            "INSERT INTO webhooks_endpoint (id, account_id, token, origin, created_at)"
            " VALUES (gen_random_uuid(), %s, %s, 'stream', now())",
            endpoint.account_id,
            token,
            by="endpoint_stream_has_no_address",
        )

    def test_becomes_no_other(self) -> None:
        a_stream()

        refuses("UPDATE webhooks_endpoint SET origin = 'webhook'", by="frozen_columns")

    def test_is_one_for_each_account_and_on_record(self) -> None:
        endpoint = a_stream()

        again = enroll_stream(endpoint.account, actor=TESTS, now=timezone.now())

        assert again == endpoint
        assert AuditEvent.objects.get(action="stream.opened").subject == str(endpoint.id)
        refuses(
            "INSERT INTO webhooks_endpoint (id, account_id, token, origin, created_at)"
            " VALUES (gen_random_uuid(), %s, 'stream-2', 'stream', now())",
            endpoint.account_id,
            by="endpoint_one_stream",
        )

    def test_of_a_stream_has_no_secret_and_is_not_closed_by_hand(self) -> None:
        endpoint, by = a_stream(), {"actor": TESTS, "now": timezone.now()}

        with pytest.raises(Unfit, match="nobody delivers to it"):
            rotate(endpoint, **by)  # type: ignore[arg-type]
        with pytest.raises(Unfit, match="ends when nothing can happen"):
            decommission(endpoint, **by)  # type: ignore[arg-type]
        with pytest.raises(CommandError, match="nobody delivers"):
            call_command("endpoint", "rotate", str(endpoint.id))

    def test_is_named_by_its_account_where_there_is_no_webhook(self) -> None:
        stream = a_stream()
        assert endpoint_named(stream.account.name) == stream

        webhook, _ = enroll(stream.account, actor=TESTS, now=timezone.now())

        assert endpoint_named(stream.account.name) == webhook


@pytest.mark.django_db
class TestUnderstanding:
    @pytest.fixture
    def order(self, streaming: None) -> Order:
        return OrderFactory(working=True, symbol="AAPL")

    @pytest.fixture
    def streaming(self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = Broker(ScriptedBroker, lambda *_: broker, ("key", "secret"), TradeUpdates())
        monkeypatch.setitem(registry.BROKERS, "scripted", entry)  # type: ignore[arg-type]

    def test_reads_it_in_the_streams_words_and_says_so(self, order: Order) -> None:
        stream = enroll_stream(order.account, actor=TESTS, now=timezone.now())
        named = {"id": order.broker_order_id, "client_order_id": order.wire_id}
        body = as_binary(update("canceled", status="canceled", **named))
        delivery = kept(stream, body, name="E1")

        understand_waiting(now=timezone.now())

        delivery.refresh_from_db()
        order.refresh_from_db()
        assert (delivery.state, delivery.event) == ("understood", "canceled")
        assert (order.status, order.snapshots.get().heard) == ("canceled", Heard.STREAM)
        assert order.account.feed.pushed_at is not None

    def test_the_same_bytes_by_webhook_are_not_the_streams(self, order: Order) -> None:
        webhook, _ = enroll(order.account, actor=TESTS, now=timezone.now())
        delivery = kept(webhook, as_binary(update("canceled")), name="E1")

        understand_waiting(now=timezone.now())

        delivery.refresh_from_db()
        assert delivery.state == "dead"

    def test_a_broker_that_has_no_stream_any_more_loses_no_frame(
        self, order: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = enroll_stream(order.account, actor=TESTS, now=timezone.now())
        entry = Broker(ScriptedBroker, lambda *_: ScriptedBroker(), ("key", "secret"))
        monkeypatch.setitem(registry.BROKERS, "scripted", entry)  # type: ignore[arg-type]
        delivery = kept(stream, as_binary(update("new")), name="E1")

        understand_waiting(now=timezone.now())

        delivery.refresh_from_db()
        assert (delivery.state, "no stream" in delivery.note) == ("dead", True)


@pytest.mark.django_db
class TestJudging:
    def test_leaves_what_is_live_alone(self, broker: ScriptedBroker) -> None:
        account: Account = AccountFactory()
        now = timezone.now()
        Stream.objects.create(
            account=account,
            state="live",
            since=now - timedelta(hours=1),
            held_until=now + timedelta(seconds=9),
        )
        later = now + timedelta(seconds=15)
        order = OrderFactory(working=True, account=account, look_at=later)

        recording.judge_streams(now=now)

        order.refresh_from_db()
        assert order.look_at == later
        assert not Incident.objects.exists()

    def test_has_orders_asked_after_more_often_where_nobody_keeps_it(
        self, broker: ScriptedBroker
    ) -> None:
        account, now = AccountFactory(), timezone.now()
        Stream.objects.create(
            account=account, state="live", since=now, held_until=now - timedelta(seconds=1)
        )
        order = OrderFactory(working=True, account=account, look_at=now + timedelta(seconds=15))

        recording.judge_streams(now=now)

        order.refresh_from_db()
        assert order.look_at == now + timedelta(seconds=3)
