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

from brokers import registry, signatures
from tests.factories import AccountFactory
from tests.webhooks.conftest import TESTS, forget_gates
from webhooks import door, quarantining, trusting
from webhooks.enrolling import decommission, enroll, retire, rotate
from webhooks.keeping import Keeper
from webhooks.models import Delivery, Endpoint, EndpointSecret, Quarantined, Reception
from webhooks.quarantining import SAMPLE_ROWS

pytestmark = pytest.mark.django_db(transaction=True)


class Sender:
    """A broker's side of one endpoint."""

    def __init__(
        self, client: httpx.AsyncClient, entrance: door.Door, endpoint: Endpoint, secret: str
    ) -> None:
        self.client, self.door, self.endpoint, self.secret = client, entrance, endpoint, secret

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
    forget_gates()
    endpoint, secret = await sync_to_async(_enrolled)()
    entrance = door.Door()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=entrance),  # type: ignore[arg-type]
        base_url="http://desk",
    ) as client:
        yield Sender(client, entrance, endpoint, secret)
    await entrance.close()


def _enrolled() -> tuple[Endpoint, str]:
    account = AccountFactory(broker="paper")
    return enroll(account, actor=TESTS, now=timezone.now())


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

    async def test_both_bodies_of_one_id_though_they_come_together(self, sender: Sender) -> None:
        await asyncio.gather(*(sender.send(b'{"a":%d}' % n) for n in range(3)))

        assert sorted(delivery.is_contradicting for delivery in await kept()) == [False, True, True]

    async def test_the_largest_body_there_may_be(self, sender: Sender) -> None:
        assert (await sender.send(b"x" * door.LARGEST)).status_code == 204

    async def test_headers_that_no_database_takes(self, sender: Sender) -> None:
        assert (await sender.send(headers={"x-odd": b"a\x00b"})).status_code == 204

        [delivery] = await kept()
        assert delivery.headers["x-odd"] == "a\ufffdb"

    @pytest.mark.parametrize("encoding", ["identity", "Identity "])
    async def test_a_body_that_says_it_is_as_it_is(self, sender: Sender, encoding: str) -> None:
        assert (await sender.send(headers={"content-encoding": encoding})).status_code == 204

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
        first = await EndpointSecret.objects.aget()
        _, second = await sync_to_async(rotate)(sender.endpoint, actor=TESTS, now=timezone.now())
        forget_gates()
        old, sender.secret = sender.secret, second
        assert (await sender.send(message_id="a")).status_code == 204
        sender.secret = old
        assert (await sender.send(message_id="b")).status_code == 204

        await sync_to_async(retire)(first, actor=TESTS, now=timezone.now())
        forget_gates()
        assert (await sender.send(message_id="c")).status_code == 401

    async def test_and_notes_which_secret_signed_though_not_each_time(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await EndpointSecret.objects.aget()
        second, _ = await sync_to_async(rotate)(sender.endpoint, actor=TESTS, now=timezone.now())
        forget_gates()
        rounds: list[set[int]] = []
        note_used = trusting.note_used

        def counted(used: Mapping[int, datetime]) -> None:
            rounds.append({*used})
            note_used(used)

        monkeypatch.setattr(trusting, "note_used", counted)
        before = timezone.now()
        for n in range(10):
            await sender.send(message_id=f"msg_{n}")
        await sender.door.close()

        await first.arefresh_from_db()
        await second.arefresh_from_db()
        assert second.last_used_at is None
        assert first.last_used_at is not None
        assert before <= first.last_used_at <= timezone.now()
        assert rounds == [{first.pk}]


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
            ({"content-encoding": "br"}, 415),
            ({"content-encoding": "gzip, identity"}, 415),
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

    async def test_an_id_that_no_database_takes(self, sender: Sender) -> None:
        assert (await sender.send(message_id="msg\x00")).status_code == 401

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

    async def test_strangers_without_a_query_for_each(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads: list[int] = []
        read = trusting._read

        def counted() -> trusting._Known:
            reads.append(1)
            return read()

        monkeypatch.setattr(trusting, "_read", counted)
        monkeypatch.setattr(trusting, "KNOWN_FOR", 60.0)
        strangers = (sender.send(token=f"{n:032x}") for n in range(200))
        answers = await asyncio.gather(*strangers, sender.send())

        assert [answer.status_code for answer in answers] == [404] * 200 + [204]
        assert len(reads) == 1

    async def test_strangers_without_waiting_for_what_they_send(self, sender: Sender) -> None:
        async def drip() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(60)

        async with asyncio.timeout(5):
            answer = await sender.client.post("/webhooks/" + "0" * 32, content=drip())

        assert answer.status_code == 404

    async def test_what_comes_while_its_endpoint_is_closed(self, sender: Sender) -> None:
        async def slowly() -> AsyncIterator[bytes]:
            yield b"{"
            await sync_to_async(decommission)(sender.endpoint, actor=TESTS, now=timezone.now())
            forget_gates()
            yield b"}"

        assert (
            await sender.client.post(f"/webhooks/{sender.endpoint.token}", content=slowly())
        ).status_code == 410

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
        assert await kept() == []

    async def test_for_a_broker_that_has_left_the_registry(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "BROKERS", {})

        assert (await sender.send()).status_code == 401

    @pytest.mark.parametrize("stumbles", [False, True])
    async def test_in_the_way_its_broker_understands(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch, stumbles: bool
    ) -> None:
        monkeypatch.setattr(registry.BROKERS["paper"].adapter, "untrusted_status", 400)
        if stumbles:
            monkeypatch.setattr(signatures, "verify", lambda *_, **__: 1 / 0)

        assert (await sender.send(at=1)).status_code == 400


class TestQuarantines:
    async def test_what_no_active_secret_signed(self, sender: Sender) -> None:
        good, sender.secret = sender.secret, "whsec_" + "QUJD" * 8
        await sender.send(b'{"a":1}')
        sender.secret = good
        await sender.send(b'{"a":2}', at=1)
        await sender.door.close()

        forged, stale = [stray async for stray in Quarantined.objects.order_by("id")]
        assert (bytes(forged.body), forged.why) == (
            b'{"a":1}',
            "No active secret signed this delivery.",
        )
        assert "five minutes" in stale.why
        assert "characters" in forged.headers["webhook-signature"]
        assert await kept() == []

    async def test_a_flood_at_the_price_of_a_few(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rounds: list[int] = []
        quarantine = quarantining.quarantine

        def counted(turned_away: Any, **kwargs: Any) -> None:
            rounds.append(sum(told.count for told in turned_away.values()))
            quarantine(turned_away, **kwargs)

        monkeypatch.setattr(quarantining, "quarantine", counted)
        good, sender.secret = sender.secret, "whsec_" + "QUJD" * 8
        answers = await asyncio.gather(*(sender.send(b"%d" % n) for n in range(300)))
        sender.secret = good
        assert (await sender.send()).status_code == 204
        await sender.door.close()

        assert {answer.status_code for answer in answers} == {401}
        assert sum(rounds) == 300
        assert len(rounds) <= 3
        assert await Quarantined.objects.acount() <= SAMPLE_ROWS * len(rounds)
        reception = await Reception.objects.aget()
        assert reception.turned_away == 300
        assert reception.not_kept == 300 - await Quarantined.objects.acount()

    async def test_nothing_from_strangers_or_for_a_closed_endpoint(self, sender: Sender) -> None:
        await sender.send(token="0" * 32)
        await sync_to_async(decommission)(sender.endpoint, actor=TESTS, now=timezone.now())
        forget_gates()
        assert (await sender.send()).status_code == 410
        await sender.door.close()

        assert await Quarantined.objects.acount() == 0

    async def test_and_answers_though_it_can_not_write(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quarantining, "quarantine", lambda *_, **__: 1 / 0)

        assert (await sender.send(at=1)).status_code == 401
        assert (await sender.send()).status_code == 204
        await sender.door.close()
