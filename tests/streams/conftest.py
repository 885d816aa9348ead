"""A bridge between a scripted stream and the desk's own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from brokers import dialing, registry
from brokers.alpaca.streaming import TradeUpdates
from brokers.registry import Broker
from orders import attending, recording, sweeping, timing
from orders.models import Account, Stream
from tests.factories import AccountFactory
from tests.fakes import ScriptedBroker
from tests.streams.upstream import Loop, Upstream, until
from webhooks import calling
from webhooks.bridging import Bridge
from webhooks.following import World
from webhooks.understanding import understand_waiting


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def upstream(loop: Loop) -> Iterator[Upstream]:
    made = Upstream(loop)
    yield made
    made.stop()


@pytest.fixture
def streaming(broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch) -> ScriptedBroker:
    """The scripted broker, with a stream in Alpaca's words."""
    entry = Broker(ScriptedBroker, lambda *_: broker, ("key", "secret"), TradeUpdates())
    monkeypatch.setitem(registry.BROKERS, "scripted", entry)  # type: ignore[arg-type]
    monkeypatch.setattr(calling, "ring", lambda *args: True)
    return broker


@pytest.fixture
def account(streaming: ScriptedBroker, upstream: Upstream, transactional_db: None) -> Account:
    return AccountFactory(base_url=upstream.url)


Start = Callable[..., Bridge]


@pytest.fixture
def start(loop: Loop, transactional_db: None) -> Iterator[Start]:
    """Start a bridge, as often as wanted. It connects again at once, and has rounds often."""
    running: list[tuple[Bridge, Any]] = []

    def begin(**worlds: Any) -> Bridge:
        bridge = Bridge(world=World(chance=lambda: 0.0, **worlds), round=0.1)
        running.append((bridge, loop.begin(bridge.run())))
        return bridge

    yield begin
    for bridge, ending in running:
        loop.loop.call_soon_threadsafe(bridge.stop)
        ending.result(20)


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "PING_EVERY", 0.1)
    monkeypatch.setattr(dialing, "ANSWER_WITHIN", 0.3)


def work() -> None:
    """Do what the desk's worker does meanwhile: take in, look, read lists."""
    understand_waiting(now=timing.database_now())
    for due in attending.due(now=timing.database_now()):
        if due.look:
            attending.look(due.order_id, now=timing.database_now())
    for account_id in attending.accounts_due(now=timing.database_now()):
        sweeping.sweep(account_id, now=timing.database_now())
    recording.judge_streams(now=timing.database_now())


def comes_to_be(account: Account, state: str) -> Stream:
    """Let the worker work until the account's stream is in a state, and return its row."""

    def so() -> Stream | None:
        work()
        return row(account, state)

    return until(so)


def row(account: Account, state: str) -> Stream | None:
    """Return the account's stream if it is in a state by now, as any process sees it."""
    found = Stream.objects.select_related("account").filter(account=account).first()
    is_so = found is not None and found.state_at(timing.database_now()) == state
    return found if is_so else None


def let_lapse(account: Account) -> None:
    """Let the lease of whoever keeps an account's stream be over."""
    past = timing.database_now() - timedelta(seconds=1)
    Stream.objects.filter(account=account).update(held_until=past)
