"""Gives every test run a PostgreSQL and a Valkey of its own, before Django reads its settings.

Plain `pytest`, an editor's test button and xdist all get them. What DATABASE_URL or REDIS_URL name
is used instead, and then nothing is started for it. xdist workers share the servers of the process
that began the run; each has its own database (pytest-django's doing) and its own prefix (ours).
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.places import Unusable
from embedded.postgres import Postgres
from embedded.running import running
from embedded.valkey import Valkey

TEST_ENVIRONMENT = {
    "DESK_ENVIRONMENT": "test",
    "DESK_URL": "http://testserver",
    "DESK_SECRET_KEY": "known to every reader of this file, and good for nothing else",
    "DESK_CREDENTIAL_KEYS": "gcq1dRnDGtPYiILIyVbjIP5764zwzP2kVusY4fkKFKo=",
}


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Run before pytest-django's hook of this name, which imports the settings."""
    for name, value in TEST_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["DESK_PREFIX"] = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    servers = ExitStack()
    early_config.add_cleanup(servers.close)
    try:
        _start_what_is_missing(servers)
    except Unusable as reason:
        raise pytest.UsageError(str(reason)) from reason
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Leave the test databases of a server that is thrown away with them."""
    if os.environ.get("DESK_THROWAWAY_POSTGRES"):
        config.option.reuse_db = True


def _start_what_is_missing(servers: ExitStack) -> None:
    data = Path(tempfile.mkdtemp(prefix="blotter-test-"))
    servers.callback(shutil.rmtree, data, ignore_errors=True)
    if "DESK_DATA" not in os.environ:
        _set(servers, "DESK_DATA", str(data))
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(data=data, durable=False)
        postgres.prepare()
        servers.enter_context(running(postgres))
        _set(servers, "DATABASE_URL", postgres.url())
        _set(servers, "DESK_THROWAWAY_POSTGRES", "1")
    if "REDIS_URL" not in os.environ:
        valkey = Valkey(data=data)
        servers.enter_context(running(valkey))
        _set(servers, "REDIS_URL", valkey.url)


def _set(servers: ExitStack, name: str, value: str) -> None:
    os.environ[name] = value
    servers.callback(os.environ.pop, name, None)
