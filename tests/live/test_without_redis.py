"""Redis dies, and pages are late instead of wrong, and say so. PostgreSQL dies, and they say so."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from django.db import OperationalError

from config.environment import RedisSpellings
from embedded.running import running
from embedded.valkey import Valkey
from orders import announcing, nudges
from orders.web import rereading
from tests.live.desk import a_person, an_account, place
from tests.live.pages import Page, opened, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def valkey(settings, tmp_path, monkeypatch):
    """A Valkey of this test's own, not started yet."""
    server = Valkey(data=tmp_path)
    settings.REDIS = RedisSpellings(client=server.url, celery="")
    monkeypatch.setattr(nudges, "LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(announcing, "QUIET", 0)
    announcing._redis.cache_clear()
    yield server
    announcing._redis.cache_clear()


async def test_pages_live_through_the_death_of_redis(valkey, drawn, often):
    trader = await a_person()
    account = await an_account(trader=trader)

    with ExitStack() as redis:
        redis.enter_context(running(valkey))
        async with opened(trader) as page:
            assert page.hello["delayed"] is False

            redis.close()
            await page.next("beat", lambda beat: beat["delayed"])
            order = await place(account)
            assert (await page.next("changed"))["order"] == str(order.id)

            redis.enter_context(running(valkey))
            await page.next("beat", lambda beat: not beat["delayed"])
            order = await place(account)
            assert (await page.next("changed"))["order"] == str(order.id)


async def test_a_page_opens_without_redis(valkey, drawn, often):
    trader = await a_person()
    account = await an_account(trader=trader)

    async with opened(trader) as page:
        hello = page.hello
        order = await place(account)

        assert hello["delayed"] is True
        assert (await page.next("changed"))["order"] == str(order.id)


async def test_pages_live_through_an_absence_of_postgresql(drawn, often, monkeypatch):
    trader = await a_person()
    account = await an_account(trader=trader)

    async with opened(trader) as page:
        with monkeypatch.context() as gone:
            gone.setattr(rereading, "standing", away)
            gone.setattr(rereading, "changes_since", away)
            order = await place(account)
            await page.next("beat", lambda beat: beat["delayed"])
        assert (await page.next("changed"))["order"] == str(order.id)
        await page.next("beat", lambda beat: not beat["delayed"])


async def test_a_page_that_cannot_be_admitted_is_asked_to_come_back(monkeypatch):
    trader = await a_person()
    monkeypatch.setattr(rereading, "standing", away)

    page = Page(await session_of(trader))
    await page.socket.connect(timeout=5)

    assert await page.closed_with() == 1013
    await page.socket.disconnect()


def away(*args: object, **kwargs: object) -> None:
    raise OperationalError("the server closed the connection unexpectedly")
