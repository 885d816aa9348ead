"""The way in for brokers: verified, durable before the answer, kept once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import InterfaceError
from django.utils import timezone

from brokers import signatures
from orders import actors
from tests.factories import AccountFactory
from webhooks import door, trusting
from webhooks.enrolling import enroll
from webhooks.keeping import Keeper
from webhooks.models import Delivery, Endpoint, EndpointSecret

pytestmark = pytest.mark.django_db(transaction=True)


class Sender:
    """A broker's side of one endpoint."""

    def __init__(self, client: httpx.AsyncClient, endpoint: Endpoint, secret: str) -> None:
        self.client, self.endpoint, self.secret = client, endpoint, secret

    async def send(
        self,
        body: bytes = b"{}",
        *,
        message_id: str = "msg_1",
        at: int | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        token: str | None = None,
        method: str = "POST",
        **changes: Any,
    ) -> httpx.Response:
        stamp = int(datetime.now(UTC).timestamp()) if at is None else at
        signed = {
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signatures.sign(self.secret, message_id, stamp, body),
        }
        return await self.client.request(
            method,
            f"/webhooks/{token or self.endpoint.token}",
            content=body,
            headers={**signed, **(headers or {})},
            **changes,
        )


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    trusting._known.clear()
    endpoint, secret = await sync_to_async(_enrolled)()
    entrance = door.Door()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=entrance),  # type: ignore[arg-type]
        base_url="http://desk",
    ) as client:
        yield Sender(client, endpoint, secret)
    await entrance.close()


def _enrolled() -> tuple[Endpoint, str]:
    account = AccountFactory(broker="paper")
    return enroll(account, actor=actors.component("test"), now=timezone.now())


async def kept() -> list[Delivery]:
    return [delivery async for delivery in Delivery.objects.order_by("id")]


class TestTakes:
    async def test_a_signed_delivery_as_it_came(self, sender: Sender) -> None:
        body = '{"type":"order.updated","π":1}'.encode()

        answer = await sender.send(body)

        assert answer.status_code == 204
        [delivery] = await kept()
        assert bytes(delivery.body) == body
        assert (delivery.delivery_id, delivery.state) == ("msg_1", "kept")
        assert delivery.headers["webhook-id"] == "msg_1"
        assert "characters" in delivery.headers["webhook-signature"]

    async def test_a_repeated_delivery_once(self, sender: Sender) -> None:
        answers = [await sender.send(b'{"a":1}') for _ in range(3)]

        assert [answer.status_code for answer in answers] == [204, 204, 204]
        assert len(await kept()) == 1

    async def test_both_bodies_of_one_id_and_says_so(self, sender: Sender) -> None:
        await sender.send(b'{"a":1}')
        await sender.send(b'{"a":2}')

        assert [delivery.is_contradicting for delivery in await kept()] == [False, True]

    async def test_a_burst_in_a_few_transactions(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches: list[int] = []
        commit = Keeper._commit

        async def counted(self: Keeper, parcels: list[Any]) -> None:
            batches.append(len(parcels))
            await commit(self, parcels)

        monkeypatch.setattr(Keeper, "_commit", counted)
        answers = await asyncio.gather(
            *(sender.send(b"{}", message_id=f"msg_{n}") for n in range(60))
        )

        assert {answer.status_code for answer in answers} == {204}
        assert len(await kept()) == 60
        assert len(batches) < 30

    async def test_either_of_two_active_secrets_and_not_a_retired_one(self, sender: Sender) -> None:
        second = "whsec_" + "QUJD" * 8

        def rotate() -> None:
            EndpointSecret.seal(sender.endpoint, second, created_at=timezone.now()).save()

        await sync_to_async(rotate)()
        trusting._known.clear()
        old, sender.secret = sender.secret, second
        assert (await sender.send(message_id="a")).status_code == 204
        sender.secret = old
        assert (await sender.send(message_id="b")).status_code == 204

        await EndpointSecret.objects.exclude(
            pk=(await EndpointSecret.objects.alatest("id")).pk
        ).aupdate(retired_at=timezone.now())
        trusting._known.clear()
        assert (await sender.send(message_id="c")).status_code == 401


class TestDeclines:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"webhook-signature": "v1,AAAA"}, 401),
            ({"webhook-signature": "no comma"}, 401),
            ({"webhook-signature": ""}, 401),
            ({"webhook-signature": "v1,é".encode()}, 401),
            ({"webhook-timestamp": "yesterday"}, 401),
            ({"webhook-timestamp": "1"}, 401),
            ({"webhook-timestamp": "9" * 400}, 401),
            ({"webhook-timestamp": "NaN"}, 401),
            ({"webhook-id": ""}, 401),
            ({"webhook-id": "x" * 300}, 401),
            ({"webhook-id": "msg_2"}, 401),
            ({"content-encoding": "gzip"}, 415),
            ({"content-length": "999999999999999999999999"}, 413),
            ({"content-length": "-1"}, 413),
        ],
        ids=repr,
    )
    async def test_what_it_cannot_trust_or_read(
        self, sender: Sender, headers: dict[str, str | bytes], status: int
    ) -> None:
        answer = await sender.send(headers=headers)

        assert answer.status_code == status
        assert set(answer.json()) == {"code", "message", "request_id"}
        assert await kept() == []

    async def test_another_body_than_was_signed(self, sender: Sender) -> None:
        good = await sender.send(b'{"quantity":1}')
        request = good.request
        forged = await sender.client.post(
            request.url,
            content=b'{"quantity":9}',
            headers=dict(request.headers) | {"content-length": "14"},
        )

        assert forged.status_code == 401
        assert len(await kept()) == 1

    async def test_an_old_recording(self, sender: Sender) -> None:
        stale = int(datetime.now(UTC).timestamp()) - 301

        assert (await sender.send(at=stale)).status_code == 401
        assert await kept() == []

    async def test_a_body_too_large_announced_or_not(self, sender: Sender) -> None:
        large = b"x" * (door.LARGEST + 1)

        async def drip() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield large[:65_536]

        assert (await sender.send(large)).status_code == 413
        announced_nothing = await sender.client.post(
            f"/webhooks/{sender.endpoint.token}", content=drip()
        )
        assert announced_nothing.status_code == 413

    @pytest.mark.parametrize("token", ["0" * 32, "short", "é" * 32, "0" * 31 + "%00"])
    async def test_an_unknown_token(self, sender: Sender, token: str) -> None:
        assert (await sender.send(token=token)).status_code == 404

    async def test_another_endpoints_secret(self, sender: Sender) -> None:
        other, secret = await sync_to_async(_enrolled)()
        sender.secret = secret

        assert (await sender.send()).status_code == 401
        assert (await sender.send(token=other.token)).status_code == 204

    async def test_a_decommissioned_endpoint(self, sender: Sender) -> None:
        await Endpoint.objects.aupdate(decommissioned_at=timezone.now())

        assert (await sender.send()).status_code == 410

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_another_method(self, sender: Sender, method: str) -> None:
        answer = await sender.send(method=method)

        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    async def test_and_asks_to_come_again_when_it_cannot_keep(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(self: Keeper, parcels: list[Any]) -> None:
            raise psycopg.OperationalError("the database is away")

        monkeypatch.setattr(Keeper, "_commit", down)
        answer = await sender.send()

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert json.loads(answer.content)["code"] == "not_kept"

    async def test_and_when_it_cannot_look_the_endpoint_up(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(token: str) -> None:
            raise InterfaceError("the connection is closed")

        monkeypatch.setattr(door, "gate_of", down)
        answer = await sender.send()

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    async def test_a_verifier_that_stumbles_trusts_nothing(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(signatures, "verify", lambda *_, **__: 1 / 0)

        assert (await sender.send()).status_code == 401
