"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from brokers import registry
from orders import announcing, connecting, ringing
from tests.fakes import PASSPORT, ScriptedBroker

# How long a random example takes says more about the machine than about us. What every adapter
# has to do is one test, of as many classes as there are adapters.
SUPPRESSED = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.differing_executors,
]
settings.register_profile("quick", deadline=None, suppress_health_check=SUPPRESSED)
settings.register_profile(
    "deep", max_examples=50_000, deadline=None, suppress_health_check=SUPPRESSED, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# What drives whole desks and browsers takes longest. Begun first, it doesn't end alone.
OF_A_DESK = ("tests/paths/", "tests/streams/test_desk_to_desk.py")
LONGEST = (*OF_A_DESK, "tests/chaos/", "tests/browser/")


class ByFile(LoadScopeScheduling):
    """Gives each process a file at a time, and all that needs a running desk to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0]
        return "a running desk" if place.startswith(OF_A_DESK) else place


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)  # after all were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_takes_longest)


def _takes_longest(item: pytest.Item) -> int:
    return next((at for at, place in enumerate(LONGEST) if item.nodeid.startswith(place)), 9)


@pytest.fixture(autouse=True, scope="session")
def _flush_grow_only_tables() -> Iterator[None]:
    """Let Django empty the tables between tests, which their triggers rightly refuse."""
    flush = DatabaseOperations.execute_sql_flush

    def without_triggers(self: Any, sql_list: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            try:
                flush(self, sql_list)
            finally:
                cursor.execute("SET session_replication_role = origin")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", without_triggers)
        yield


@pytest.fixture(autouse=True)
def _forget_dead_redis() -> None:
    """A test that killed Redis must not keep the next one quiet."""
    announcing._failed_at = ringing._failed_at = float("-inf")


@pytest.fixture(autouse=True)
def _forget_anchor(settings: Any) -> None:
    """A test's database forgets everything, and is to be believed all the same."""
    (settings.DESK_DATA / "anchor.json").unlink(missing_ok=True)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> ScriptedBroker:
    """A broker that does as the test tells it, behind every account of the kind "scripted"."""
    scripted = ScriptedBroker()
    connect, passport = registry.connect, registry.passport
    monkeypatch.setattr(
        connecting,
        "connect",
        lambda account: (
            scripted
            if account.broker == "scripted"
            else connect(
                account.broker, credentials=account.unseal_credentials(), base_url=account.base_url
            )
        ),
    )
    monkeypatch.setattr(
        registry, "passport", lambda name: PASSPORT if name == "scripted" else passport(name)
    )
    return scripted
